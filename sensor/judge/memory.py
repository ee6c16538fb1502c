"""What the judge remembers of containers and workloads, and what of it the store has to write."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.frozen import maker
from sensor.judge.lifecycle import Past
from sensor.judge.origin import (
    REVISIONS_MAX,
    PastStart,
    WorkloadRecord,
    origin_of_row,
    origin_row,
    running_of_row,
    running_row,
    workload_of_row,
    workload_row,
)
from sensor.judge.shared_segments import SharedSegments
from sensor.model import pod_name
from sensor.model.account import of_owner, owner_in, share_in, without_owner
from sensor.model.vocabulary import Explanation, Finding
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.case import Facts
    from sensor.judge.judgement import Judgement
    from sensor.judge.ledger import Row, RowKey
    from sensor.judge.workload import WorkloadKey
    from sensor.model.events import Event

CONTAINERS = (2048, 4096)
"""Containers remembered: of one start, and of several."""
WORKLOADS = (1024, 3072)
RUNNING_MAX = 16_384
"""Running containers whose workload is known: what runs beside a new one, and who calls."""
RUNNING_SHARE = 1024
"""Those of one account but root's: as many as the core knows of it."""
KILLED_MAX = 16_384
CONTAINER_ROW, WORKLOAD_ROW, RUNNING_ROW = "container", "workload", "running"
DIRECT = frozenset({Explanation.CHANGE, Explanation.POLICY})
"""Explanations that others inherit; all others were inherited themselves."""
_past, _past_start, _record = maker(Past), maker(PastStart), maker(WorkloadRecord)


class Memory:
    """Bounded; a row for every change of it is left in ``rows``."""

    def __init__(self, *, keeping: bool = True, rows: list[Row] | None = None) -> None:
        """Without ``keeping`` no rows are left: what is remembered ends with this object.

        ``rows`` is the list to leave them in.
        """
        self._keeping = keeping
        self._containers: SharedSegments[PastStart] = SharedSegments(*CONTAINERS)
        self._workloads: SharedSegments[WorkloadRecord] = SharedSegments(*WORKLOADS)
        self._running: dict[str, tuple[str, str | None]] = {}
        """Workload's key and pod by container."""
        self._others: SharedTable[str, tuple[str, str]] = SharedTable(RUNNING_MAX, RUNNING_SHARE)
        """Keys and ids of running containers of others than root of the host, by key."""
        self._namesakes: dict[str, dict[str, int | None]] = {}
        """By id, the keys of these with the pid of the init: an end in the log has no owner."""
        self._pods: dict[str, Counter[str]] = {}
        self._killed: SharedTable[str, None] = SharedTable(KILLED_MAX)
        self.rows: list[Row] = [] if rows is None else rows

    @property
    def forgotten(self) -> int:
        """Containers and workloads that had to go because there were too many."""
        return self._containers.forgotten + self._workloads.forgotten

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over what the store kept; returns which rows made no sense."""
        unreadable: list[RowKey] = []
        origins: list[tuple[str, PastStart]] = []
        records: list[tuple[str, WorkloadRecord]] = []
        for (kind, key), row in rows.items():
            try:
                if kind == CONTAINER_ROW:
                    origins.append((key, origin_of_row(row)))
                elif kind == WORKLOAD_ROW:
                    records.append((key, workload_of_row(row)))
                elif kind == RUNNING_ROW:
                    self._restore_running(key, row)
            except ValueError:
                unreadable.append((kind, key))
        # The newest first: what finds no place is forgotten in the store as well.
        for key, origin in sorted(origins, key=lambda one: -one[1].wall):
            if not self._containers.restore(key, origin, established=origin.again):
                self.rows.append((CONTAINER_ROW, key, None))
        for key, record in sorted(records, key=lambda one: -one[1].last):
            if not self._workloads.restore(key, record, established=record.starts > 1):
                self.rows.append((WORKLOAD_ROW, key, None))
        return unreadable

    def workloads(self) -> tuple[tuple[str, WorkloadRecord], ...]:
        """Return all workloads that are remembered, the one that started last first."""
        return tuple(sorted(self._workloads.items(), key=lambda one: -one[1].last))

    def workload_of(self, id_: str) -> str | None:
        """Return the workload of a container that runs: of root's, else of another's of that id.

        Where another user runs one of the same id, nothing says which of the two is meant.
        """
        found = self._running.get(id_)
        if self._others and (others := self._namesakes.get(id_)):
            if found is not None or len(others) > 1:
                return None
            found = self._running.get(next(iter(others)))
        return found[0] if found is not None else None

    @property
    def running(self) -> int:
        """How many containers of root's run whose workload is known."""
        return len(self._running) - len(self._others)

    def past_of(self, facts: Facts) -> Past:
        """Return what a start may carry on."""
        event, workload = facts.event, facts.workload
        previous = event.start.previous if event.start is not None else None
        id_ = _key(facts.container_id, facts.owner)
        earlier = _key(previous.id, facts.owner) if previous is not None else None
        origin = self._containers.get(id_) if id_ is not None else None
        if origin is None and earlier is not None:
            origin = self._containers.get(earlier)
        record = self._workloads.get(workload.row) if workload is not None else None
        pod = event.orchestrator.pod if event.orchestrator is not None else None
        beside = self._pods.get(workload.key) if workload is not None else None
        return _past(
            container=origin,
            workload=record,
            others_run=beside is not None and any(other != pod for other in beside),
            went_back=record is not None and _went_back(workload, record, pod, beside or ()),
            out_of_memory=earlier is not None and earlier in self._killed,
        )

    def note_stop(self, event: Event) -> None:
        """Note that a container ended."""
        if event.container is None or event.stop is None:
            return
        id_ = _key(event.container.id, event.owner)
        if id_ is None:
            return
        if self._others:
            for key, pid in self._namesakes.get(event.container.id or "", {}).items():
                if pid is not None and pid == event.container.pid:
                    id_ = key
        if event.stop.oom_killed:
            self._killed.put(id_, None, share_in(id_))
        self._ended(id_)

    def note_start(self, facts: Facts, past: Past, judged: Judgement) -> None:
        """Note a start and its verdict."""
        origin = _origin(facts, judged)
        self._note_container(facts, past, judged, origin)
        if facts.workload is not None:
            self._note_workload(facts, facts.workload, judged, origin)
            self._note_instance(facts, facts.workload)

    # ----------------------------------------------------------------- inside

    def _note_container(self, facts: Facts, past: Past, judged: Judgement, this: PastStart) -> None:
        id_ = _key(facts.container_id, facts.owner)
        if id_ is None:
            return
        origin = past.container
        if not facts.by_itself or origin is None or _is_direct(judged):
            origin = this
        elif this.reported:
            origin = replace(origin, reported=True)
        known = self._containers.get(id_)
        again = known is not None
        if origin.again != again:
            origin = _again(origin, again=again)
        is_new = known != origin
        gone = self._containers.see(id_, origin)
        if not self._keeping:
            return
        if is_new:
            self.rows.append((CONTAINER_ROW, id_, origin_row(origin)))
        self.rows += [(CONTAINER_ROW, key, None) for key in gone]

    def _note_workload(
        self, facts: Facts, workload: WorkloadKey, judged: Judgement, this: PastStart
    ) -> None:
        key = workload.row
        known = self._workloads.get(key)
        if known is not None and known.last_event == facts.event.id:
            return
        origin = this
        if known is not None and not _is_direct(judged):
            reported = this.reported and not known.origin.reported
            origin = replace(known.origin, reported=True) if reported else known.origin
        revisions = known.revisions if known is not None else ()
        revision = workload.owner.revision if workload.owner is not None else None
        if revision is not None and revision not in revisions[-1:]:
            earlier = (one for one in revisions if one != revision)
            revisions = (*earlier, revision)[-REVISIONS_MAX:]
        verdict = judged.verdict
        explained = verdict.expected is True
        # In the order of the fields: keywords take as long as the rest.
        record = _record(
            origin,
            1 + (known.starts if known is not None else 0),
            explained + (known.explained if known is not None else 0),
            known.first if known is not None else facts.wall,
            facts.wall,
            facts.image_names[0] if facts.image_names else None,
            verdict.explanation,
            verdict.expected,
            revisions,
            facts.event.id,
        )
        gone = self._workloads.see(key, record)
        if self._keeping:
            self.rows.append((WORKLOAD_ROW, key, workload_row(record)))
            self.rows += [(WORKLOAD_ROW, one, None) for one in gone]

    def _note_instance(self, facts: Facts, workload: WorkloadKey) -> None:
        id_, pod = _key(facts.container_id, facts.owner), facts.event.orchestrator
        if id_ is None:
            return
        self._ended(id_)
        name = pod.pod if pod is not None else None
        self._note_running(id_, workload.key, name)
        if self._keeping:
            self.rows.append((RUNNING_ROW, id_, running_row(workload.key, name)))
        container = facts.event.container
        if facts.owner is not None and container is not None:
            self._note_other(id_, container.id or "", container.pid)
        if self.running > RUNNING_MAX:
            self._ended(self._oldest_of_root())

    def _restore_running(self, key: str, row: bytes) -> None:
        self._note_running(key, *running_of_row(row))
        owner = owner_in(key)
        if owner is not None:
            self._note_other(key, without_owner(key, owner), None)

    def _note_running(self, id_: str, key: str, pod: str | None) -> None:
        self._running[id_] = key, pod
        if pod is not None:
            self._pods.setdefault(key, Counter())[pod] += 1

    def _oldest_of_root(self) -> str:
        return next(key for key in self._running if key not in self._others)

    def _note_other(self, key: str, id_: str, pid: int | None) -> None:
        # None of root's, and none of an account that has less, goes for another's.
        gone = self._others.put(key, (key, id_), share_in(key))
        self._namesakes.setdefault(id_, {})[key] = pid
        if gone is not None:
            self._end_namesake(*gone)
            self._ended(gone[0])

    def _end_namesake(self, key: str, id_: str) -> None:
        namesakes = self._namesakes[id_]
        del namesakes[key]
        if not namesakes:
            del self._namesakes[id_]

    def _ended(self, id_: str) -> None:
        found = self._running.pop(id_, None)
        if found is None:
            return
        if self._others and (other := self._others.pop(id_)) is not None:
            self._end_namesake(*other)
        if self._keeping:
            self.rows.append((RUNNING_ROW, id_, None))
        key, pod = found
        if pod is None:
            return
        pods = self._pods[key]
        pods[pod] -= 1
        if not pods[pod]:
            del pods[pod]
        if not pods:
            del self._pods[key]


def _key(id_: str | None, owner: str | None) -> str | None:
    """Return what a container is remembered by: its id, and whose it is if it is not root's."""
    return id_ if owner is None or id_ is None else of_owner(owner, id_)


def _again(origin: PastStart, *, again: bool) -> PastStart:
    return _past_start(
        origin.wall, origin.basis, origin.repository, origin.atoms, origin.reported, again
    )


def _went_back(
    workload: WorkloadKey | None, record: WorkloadRecord, pod: str | None, beside: Iterable[str]
) -> bool:
    """Whether a pod's revision is an earlier one, of which no other pod runs."""
    owner = workload.owner if workload is not None else None
    revision = owner.revision if owner is not None else None
    if revision is None or revision not in record.revisions[:-1]:
        return False
    return not any(pod_name.parse(one).revision == revision for one in beside if one != pod)


def _is_direct(judged: Judgement) -> bool:
    return judged.verdict.explanation in DIRECT


def _origin(facts: Facts, judged: Judgement) -> PastStart:
    return _past_start(
        wall=facts.wall,
        basis=judged.decision.basis,
        repository=facts.image.repository if facts.image is not None else None,
        atoms=facts.atoms,
        reported=Finding.NO_EXPLANATION in judged.verdict.findings,
    )
