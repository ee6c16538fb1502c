"""Runs a describer off the event loop, and answers every request in bounded time.

The rules:

1. Every request that :meth:`DescriberWorker.submit` takes is answered exactly once, through the
   callback.
2. A full queue refuses a request, and answers it at once: the newest of the origin that takes the
   most places. Origins share the reader's time (``fair_queue.py``).
3. A request that is not described within its deadline is answered without a description. The
   reader may hang in a dead network file system, where no signal reaches it.
4. A reader that makes the queue wait for :data:`SUSPECT_AFTER` is set aside, and a fresh thread
   takes over. One that comes back still delivers if its deadline allows, and then ends.
5. At most :data:`MAX_STUCK` readers are set aside at a time. Beyond that, the queue waits until
   one comes back, and its requests run into their deadlines.
6. Nothing is answered after :meth:`DescriberWorker.close`.

The watchdog sleeps without a timeout while nothing is under way.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.fair_queue import FairQueue, Origin, origin_of
from sensor.model.container import Description

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.model.requests import DescribeRequest

MAX_QUEUED = 1024
"""Requests that wait for a reader."""

DEADLINE = 2.0
"""Seconds from submission to the answer, at the latest."""

SUSPECT_AFTER = 0.25
"""Seconds that one request may keep the only active reader."""

MAX_STUCK = 4
"""Readers set aside at a time."""

_CLOSE_WAIT = 1.0
"""Seconds that close() waits for a thread; one that hangs is a daemon and ends with the agent."""

QUEUE_FULL = "worker:queue_full"
OVERDUE = "worker:deadline"
FAILED = "worker:failed"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """Totals since the start; ``queued`` and ``stuck`` are of now."""

    submitted: int = 0
    described: int = 0
    refused: int = 0
    overdue: int = 0
    failed: int = 0
    """The describer or the callback raised."""
    replaced: int = 0
    """Readers that were set aside."""
    queued: int = 0
    stuck: int = 0


@dataclass(slots=True, eq=False)
class _Job:
    request: DescribeRequest
    due: float
    origin: Origin
    started: float | None = None
    answered: bool = False


class DescriberWorker:
    """A bounded queue in front of a describer, with one reader thread and a watchdog."""

    def __init__(
        self,
        describe: Callable[[DescribeRequest], Description],
        on_described: Callable[[DescribeRequest, Description], None],
        *,
        max_queued: int = MAX_QUEUED,
        deadline: float = DEADLINE,
        suspect_after: float = SUSPECT_AFTER,
        host_mnt_ns: int | None = None,
    ) -> None:
        """Start the threads.

        ``on_described`` is called from a thread of the worker, and for a refused request from
        within ``submit``; it must neither block nor raise (``loop.call_soon_threadsafe`` does).
        """
        self._describe = describe
        self._on_described = on_described
        self._host_mnt_ns = host_mnt_ns
        self._deadline = deadline
        self._suspect_after = suspect_after
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._watch = threading.Condition(self._lock)
        self._queue: FairQueue[_Job] = FairQueue(max_queued)
        self._reading: dict[threading.Thread, _Job] = {}
        self._watch_sleeps = False
        self._closed = False
        self._submitted = self._described = self._refused = 0
        self._overdue = self._failed = self._replaced = 0
        self._active = self._new_reader()
        self._watchdog = threading.Thread(target=self._guard, name="identity-watch", daemon=True)
        self._active.start()
        self._watchdog.start()

    def submit(self, request: DescribeRequest) -> None:
        """Queue a request. Never blocks; a closed worker ignores it."""
        with self._lock:
            if self._closed:
                return
            self._submitted += 1
            origin = origin_of(request, self._host_mnt_ns)
            job = _Job(request, monotonic() + self._deadline, origin)
            refused = self._queue.push(job, origin)
            if refused is not None:
                refused.answered = True
                self._refused += 1
            if refused is not job:
                self._work.notify()
                if self._watch_sleeps:
                    self._watch.notify()
        if refused is not None:
            description = Description(refused.request.id, problems=(QUEUE_FULL,))
            self._answer(refused.request, description)

    def counts(self) -> WorkerCounts:
        """Return the counters."""
        with self._lock:
            return WorkerCounts(
                submitted=self._submitted,
                described=self._described,
                refused=self._refused,
                overdue=self._overdue,
                failed=self._failed,
                replaced=self._replaced,
                queued=len(self._queue),
                stuck=self._stuck(),
            )

    def close(self) -> None:
        """Stop: drop what is queued, and wait a moment for a reader that is at work."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._work.notify_all()
            self._watch.notify_all()
            threads = (self._active, self._watchdog)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(_CLOSE_WAIT)

    def _new_reader(self) -> threading.Thread:
        return threading.Thread(target=self._read, name="identity-reader", daemon=True)

    def _stuck(self) -> int:
        return sum(1 for reader in self._reading if reader is not self._active)

    def _read(self) -> None:
        while (job := self._next_job()) is not None:
            description = self._described_by(job)
            reader = threading.current_thread()
            with self._lock:
                del self._reading[reader]
                if job.started is not None:
                    self._queue.charge(job.origin, monotonic() - job.started)
                deliver = not job.answered and not self._closed
                job.answered = True
                self._described += deliver
                if self._active is not reader:
                    # Room for one more to be set aside, which the watchdog may be waiting for.
                    self._watch.notify()
            if deliver:
                self._answer(job.request, description)

    def _next_job(self) -> _Job | None:
        """Wait for a job; None if this reader is not the active one any more."""
        reader = threading.current_thread()
        with self._lock:
            while True:
                if self._closed or self._active is not reader:
                    return None
                if self._queue:
                    _, job = self._queue.pop()
                    job.started = monotonic()
                    self._reading[reader] = job
                    return job
                self._work.wait()

    def _described_by(self, job: _Job) -> Description:
        try:
            return self._describe(job.request)
        except Exception:  # a container's odd files must not end the thread that reads for all
            log.exception("the describer failed on container %r", job.request.id)
            with self._lock:
                self._failed += 1
            return Description(job.request.id, problems=(FAILED,))

    def _answer(self, request: DescribeRequest, description: Description) -> None:
        try:
            self._on_described(request, description)
        except Exception:  # a defect of the one who takes it must not end the thread either
            log.exception("the description of container %r was not taken", description.id)
            with self._lock:
                self._failed += 1

    def _guard(self) -> None:
        while True:
            with self._lock:
                if self._closed:
                    return
                now = monotonic()
                overdue = self._take_overdue(now)
                self._replace_suspect(now)
                if not overdue:
                    self._sleep(now)
            for job in overdue:
                self._answer(job.request, Description(job.request.id, problems=(OVERDUE,)))

    def _take_overdue(self, now: float) -> list[_Job]:
        overdue = [job for job in self._reading.values() if job.due <= now and not job.answered]
        for origin, job in self._queue.heads():
            due = job
            while due.due <= now:
                overdue.append(self._queue.drop(origin))
                following = dict(self._queue.heads()).get(origin)
                if following is None:
                    break
                due = following
        for job in overdue:
            job.answered = True
        self._overdue += len(overdue)
        return overdue

    def _replace_suspect(self, now: float) -> None:
        job = self._reading.get(self._active)
        if job is None or job.started is None or now - job.started < self._suspect_after:
            return
        if self._stuck() < MAX_STUCK:
            self._replaced += 1
            self._active = self._new_reader()
            self._active.start()

    def _sleep(self, now: float) -> None:
        """Wait until the next deadline or suspicion, or for work if there is none."""
        moments = [job.due for job in self._reading.values() if not job.answered]
        moments += [job.due for _, job in self._queue.heads()]
        job = self._reading.get(self._active)
        if job is not None and job.started is not None and self._stuck() < MAX_STUCK:
            moments.append(job.started + self._suspect_after)
        elif self._queue and job is None:
            # The reader is about to take it up: look again when it could be suspect.
            moments.append(now + self._suspect_after)
        self._watch_sleeps = not moments
        self._watch.wait(max(0.0, min(moments) - now) if moments else None)
        self._watch_sleeps = False
