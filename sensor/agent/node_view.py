"""What the agent shows of its node: containers, and which of them a process is in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensor.api.view import ContainerView, Membership
from sensor.correlate.title import Title
from sensor.linux.process import stat_of
from sensor.model.process import ProcessKey
from sensor.schema.times import rfc3339
from sensor.sources.procfs import cgroup_paths

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from sensor.correlate.containers import ContainerState
    from sensor.correlate.core import Correlator
    from sensor.model.container import CgroupParser

CGROUP_MAX = 64 * 1024
_UNTITLED = Title(None, None, None)

ANCESTORS_MAX = 64
"""Processes between one and the init of its container that are looked at."""


class NodeView:
    """Answers the socket's questions about containers."""

    def __init__(
        self,
        core: Correlator,
        events: Counter[str],
        parse: CgroupParser,
        realtime_offset: Callable[[], int],
        proc: Path = Path("/proc"),
    ) -> None:
        self._core = core
        self._events = events
        self._parse = parse
        self._realtime_offset = realtime_offset
        self._proc = proc

    def containers(self) -> tuple[ContainerView, ...]:
        """Return every container that the core knows."""
        return tuple(self._view(state) for state in self._core.table.all())

    def container_of(self, pid: int) -> Membership | None:
        """Return the container of a process; raises ProcessLookupError when there is none such."""
        try:
            with (self._proc / str(pid) / "cgroup").open("rb") as file:
                text = file.read(CGROUP_MAX).decode("utf-8", "surrogateescape")
        except FileNotFoundError as error:
            raise ProcessLookupError(f"no process {pid}") from error
        paths = cgroup_paths(text)
        for path in (paths.v1, paths.v2):
            identity = self._parse(path) if path is not None else None
            if identity is not None:
                return Membership(identity.id, identity.parents, path)
        state = self._by_init(pid)
        if state is None:
            return None
        return Membership(state.key.id, tuple(state.parents), paths.v1 or paths.v2)

    def _by_init(self, pid: int) -> ContainerState | None:
        """Return the container whose init a process is or descends from.

        For containers without a cgroup of their own, as rootless Podman makes them on cgroup v1.
        """
        inits = {
            state.init.pid: state
            for state in self._core.table.all()
            if state.alive and state.init is not None
        }
        for _ in range(ANCESTORS_MAX):
            stat = stat_of(pid, self._proc)
            state = inits.get(pid)
            if stat is None:
                return None
            key = ProcessKey(pid, stat.start_time)
            if state is not None and state.init is not None and state.init.same(key):
                return state
            pid = stat.parent
        return None

    def event_counts(self) -> tuple[tuple[str, int], ...]:
        """Return how many events of each type there were."""
        return tuple(sorted(self._events.items()))

    def _view(self, state: ContainerState) -> ContainerView:
        described, title = state.description, state.title or _UNTITLED
        image = described.image if described is not None else None
        pod = (described.orchestrator if described is not None else None) or title.pod
        run = state.last_run
        started = state.started
        wall = started + self._realtime_offset() if started is not None and state.alive else None
        return ContainerView(
            id=state.key.id,
            name=(described.name if described is not None else None) or title.name,
            runtime=(described.engine if described is not None else None) or title.engine,
            image=(image.name if image is not None else None) or title.image or state.image_hint,
            state=state.phase.name.lower(),
            pid=state.init.pid if state.alive and state.init is not None else None,
            started=rfc3339(wall if wall is not None else run.started_wall if run else None),
            starts=state.starts,
            exit_code=run.exit_code if run is not None and not state.alive else None,
            signal=run.signal if run is not None and not state.alive else None,
            namespace=pod.namespace if pod is not None else None,
            pod=pod.pod if pod is not None else None,
            parents=tuple(state.parents),
            sandbox=described.sandbox if described is not None else title.sandbox,
            cgroup=(state.cgroup.v1 or state.cgroup.v2) if state.cgroup is not None else None,
            command=described.command if described is not None else None,
            pod_uid=(pod.pod_uid if pod is not None else None) or state.pod_uid,
            pod_container=(pod.container if pod is not None else None) or state.pod_container,
            owner=f"{pod.owner.kind}/{pod.owner.name}" if pod is not None and pod.owner else None,
            attempt=pod.attempt if pod is not None else None,
            container_type=(pod.container_type if pod is not None else None) or state.by_order,
            type_inferred=state.by_order is not None,
        )
