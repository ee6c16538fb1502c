"""Who wrote the file that a static pod came from.

Kubelet starts what stands in its directory of manifests, and no request exists. audit reports each
write there, with the login of its author. A static pod is recognised by its uid: kubelet makes it
of the manifest, 32 hex digits without dashes (pkg/kubelet/config/common.go). Which file a pod came
from is in neither record: the latest writes before its start are the candidates.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.container import KUBERNETES
from sensor.model.control_plane import (
    ActorKind,
    ChainConfidence,
    ChainStep,
    Effect,
    RequestedBy,
)
from sensor.model.events import Event
from sensor.model.vocabulary import EventType, StartKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.correlate.events import Output
    from sensor.model.witness_records import ManifestWritten

WINDOW = 120 * 1_000_000_000
"""How long after a write its pod may start: kubelet looks every 20 s, and pulls images."""
WRITES_LIMIT = 256
"""Writes that are remembered, the latest."""
_STATIC = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class _Author:
    name: str
    write: ManifestWritten


class StaticManifests:
    """Takes writes; adds the author to the first starts of static pods."""

    def __init__(self, names: Callable[[], Mapping[int, str]]) -> None:
        self._names = names
        self._writes: deque[ManifestWritten] = deque(maxlen=WRITES_LIMIT)

    def add(self, write: ManifestWritten) -> None:
        """Take a write."""
        self._writes.append(write)

    def completing(self, emit: Callable[[Output], None]) -> Callable[[Output], None]:
        """Return a function that completes events and hands them on."""

        def completed(output: Output) -> None:
            emit(self.complete(output) if isinstance(output, Event) else output)

        return completed

    def complete(self, event: Event) -> Event:
        """Return the event with the requester of a static pod, where a write can have caused it."""
        pod, start = event.orchestrator, event.start
        if event.type is not EventType.START or pod is None or start is None:
            return event
        if pod.type != KUBERNETES or _STATIC.fullmatch(pod.pod_uid or "") is None:
            return event
        if start.kind is not StartKind.FIRST or start.attempt or pod.attempt:
            return event
        since = event.time - WINDOW
        writes = [one for one in self._writes if since <= one.time <= event.time]
        if not writes:
            return event
        requested = self._requested(writes, pod.pod or "", event.realtime_offset)
        return replace(event, orchestrator=replace(pod, requested_by=requested))

    def _requested(
        self, writes: list[ManifestWritten], pod: str, realtime_offset: int
    ) -> RequestedBy:
        latest = {one.path: one for one in writes}
        # A name only says where to look: it decides between writes that were seen.
        named = [
            one for one in latest.values() if _stem(one.path) and pod.startswith(_stem(one.path))
        ]
        chosen = max(named, key=lambda one: len(_stem(one.path)), default=None)
        fitting = [chosen] if chosen is not None else list(latest.values())
        authors = [_Author(self._name(one), one) for one in fitting]
        steps = tuple(_step(one, realtime_offset) for one in authors)
        names = tuple(dict.fromkeys(one.name for one in authors))
        last = authors[-1].write
        if len(names) > 1:
            return RequestedBy(
                actor=None,
                kind=None,
                confidence=ChainConfidence.AMBIGUOUS,
                effect=Effect.STATIC_POD,
                candidates=names,
                chain=steps,
            )
        return RequestedBy(
            actor=names[0],
            kind=ActorKind.USER,
            confidence=ChainConfidence.INFERRED,
            request_id=f"audit {last.ref}",
            effect=Effect.STATIC_POD,
            time=last.time + realtime_offset,
            chain=steps,
        )

    def _name(self, write: ManifestWritten) -> str:
        """Return the login that wrote; where there is none, the account of the process."""
        caller = write.caller
        uid = caller.uid if caller.loginuid is None else caller.loginuid
        if uid is None:
            return f"pid {caller.pid}"
        return self._names().get(uid) or f"uid {uid}"


def _step(author: _Author, realtime_offset: int) -> ChainStep:
    write = author.write
    return ChainStep(
        action="write manifest",
        actor=author.name,
        request_id=f"audit {write.ref}",
        time=write.time + realtime_offset,
        kind=ActorKind.USER,
        workload=f"File/{write.path}",
    )


def _stem(path: str) -> str:
    """Return a file's name without its endings, which often is the pod's."""
    return path.rpartition("/")[2].lstrip(".").partition(".")[0]
