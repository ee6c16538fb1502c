"""Creations of pods whose records hold no name, and the bindings that name them.

A controller's pod gets its name from the API server, so that below the level RequestResponse the
creation does not hold it. The scheduler's binding does. A pod that finds no node has no binding,
and would shift all that follow, so that the nearest creation counts. Where creations of several
clients fit, the pod has rivals.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sensor.correlate.chain_answer import client_of
from sensor.correlate.chain_ends import AHEAD, CLOSE, cluster_of
from sensor.correlate.chain_index import SECOND, SKEW

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.model.control_plane import ControlRecord, Workload

BINDING_WINDOW = 60 * SECOND
"""How long after a nameless creation its binding may come: the scheduler needs 10 to 40 ms."""
NAMELESS_LIMIT = 2000
"""Creations without a name that wait for their bindings: 33 a second for the whole window."""
GENERATED = 5
"""Characters that the API server adds to a ``generateName``."""
PREFIX_LIMIT = 58
"""Characters of it that it takes (apiserver/pkg/storage/names)."""


class NamelessPods:
    """Takes creations without names in about their order; finds those of a binding."""

    def __init__(self) -> None:
        self._waiting: deque[ControlRecord] = deque(maxlen=NAMELESS_LIMIT)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, created: ControlRecord) -> None:
        """Take a creation, and forget those whose bindings do not come any more."""
        waiting, now = self._waiting, _time(created)
        while waiting and _time(waiting[0]) + 2 * BINDING_WINDOW < now:
            waiting.popleft()
        waiting.append(created)

    def of(
        self, binding: ControlRecord, workload: Workload, may_name: Callable[[ControlRecord], bool]
    ) -> list[ControlRecord]:
        """Return the creations that a binding can belong to, one a client, the nearest at first.

        ``may_name`` says whether the client of a creation can have made a pod of that name.
        """
        time = _time(binding)
        found = [one for one in self._waiting if _fits(one, binding, workload)]
        found.sort(key=lambda one: _nearness(time - _time(one)))
        clients = {client_of(one): one for one in reversed(found)}
        if len(clients) > 1:
            clients = {key: one for key, one in clients.items() if may_name(one)}
        nearest = [one for one in found if clients.get(client_of(one)) is one]
        if len(nearest) == 1:
            self._waiting.remove(nearest[0])
        return nearest


def _nearness(since: int) -> tuple[int, int]:
    """Return how near a creation is to a binding: one right after it may be so by its clock."""
    if since < -SKEW:
        return 1, abs(since)
    return (0 if since <= CLOSE else 2), abs(since)


def _fits(created: ControlRecord, binding: ControlRecord, workload: Workload) -> bool:
    about = created.request.workload
    if about is None or about.namespace != workload.namespace:
        return False
    if cluster_of(created.request) != cluster_of(binding.request):
        return False
    if not _time(binding) - BINDING_WINDOW <= _time(created) <= _time(binding) + AHEAD:
        return False
    prefix = about.generate_name
    return prefix is None or (workload.name or "")[:-GENERATED] == prefix[:PREFIX_LIMIT]


def _time(record: ControlRecord) -> int:
    return record.request.requested or 0
