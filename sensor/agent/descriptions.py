"""Have containers described off the loop, and take the answers when a start needs them.

A description is asked for when a runtime's ``create`` is seen, tens of milliseconds before the init
runs. Most answers come while no start waits for them: those do not wake the loop and are taken with
the next records. An answer that a start waits for wakes the loop, and so does one that the reader
of the rings waits for. Of many under way all go together: the loop and the thread that describes
share one interpreter, and a description takes three times as long while the loop is at work.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from sensor import clock
from sensor.identity.discovery import running_roots, supervisor_uid
from sensor.identity.worker import DescriberWorker
from sensor.model.inventory import ContainerDescribed
from sensor.model.requests import DescribeRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sensor.identity.describer import Describer
    from sensor.model.container import CgroupIdentity, Description
    from sensor.model.observations import Observation
    from sensor.model.process import CgroupPaths, ProcessKey

MANY = 64
"""Descriptions under way from which on their answers are taken when all of them are there."""

MOST = 256
"""Descriptions under way beyond which no more is read: all of a backlog would wait for them at
once, most in vain, and go out together."""

TOGETHER = 0.05
"""Longest time (s) that a finished description waits for others, to be taken with them."""


class DescriptionService:
    """Owns the worker. ``feed`` is called in the loop, where all but the describer runs."""

    def __init__(self, describer: Describer, feed: Callable[[list[Observation]], None]) -> None:
        self.under_way = 0
        """Requests that are not answered yet, or whose answers were not taken."""
        self._loop = asyncio.get_running_loop()
        self._describer = describer
        self._feed = feed
        self._answers: deque[tuple[DescribeRequest, Description]] = deque()
        self.on_taken: Callable[[], None] = _nothing
        """Called when answers were fed."""
        self._due = False
        self._gathering = False
        """Whether ``take`` is called after ``TOGETHER``, if not before."""
        self._awaited = False
        self._discovery: asyncio.Task[None] | None = None
        self._worker = DescriberWorker(
            describer.describe, self._described, host_mnt_ns=describer.host_mnt_ns
        )

    @property
    def is_busy(self) -> bool:
        """Whether so much is under way that more should wait in the rings."""
        return self.under_way > MOST

    def submit(self, requests: Iterable[DescribeRequest]) -> None:
        """Have containers described."""
        for request in requests:
            self.under_way += 1
            self._worker.submit(request)

    def expect(self, *, awaited: bool) -> None:
        """Return whether a start waits for an answer from now on."""
        self._awaited = awaited
        if awaited and self._answers and not self._due:
            # It came while no start waited, so it did not wake the loop.
            self._due = True
            self._loop.call_soon(self.take)

    def _described(self, request: DescribeRequest, description: Description) -> None:
        """From a thread of the worker."""
        self._answers.append((request, description))
        if self._due or not (self._awaited or self.is_busy):
            return
        if self.under_way < MANY or len(self._answers) >= self.under_way:
            self._due = True
            self._loop.call_soon_threadsafe(self.take)
        elif not self._gathering:
            self._gathering = True
            self._loop.call_soon_threadsafe(self._loop.call_later, TOGETHER, self._gathered)

    def _gathered(self) -> None:
        self._gathering = False
        self.take()

    def take(self) -> None:
        """Feed the answers that are there."""
        # First: who finds it set put its answer in before, and has it taken now.
        self._due = False
        answers = self.taken()
        if answers:
            self._feed(answers)
            self.on_taken()

    def taken(self) -> list[Observation]:
        """Return the answers that are there, to be fed with something else."""
        answers: list[Observation] = []
        if not self._answers:
            return answers
        now = clock.boottime()
        while self._answers:
            request, description = self._answers.popleft()
            answers.append(ContainerDescribed(now, request.id, description, request.scope))
        self.under_way -= len(answers)
        return answers

    # ----------------------------------------------------------------- what is not asked for

    def look_for_engines(self) -> None:
        """Learn anew where engines keep their containers, in a thread."""
        self._discovery = self._loop.create_task(self.discover())

    async def discover(self) -> None:
        """Learn where the engines that run keep their containers."""
        for user, roots in (await asyncio.to_thread(running_roots)).items():
            self._describer.learn(roots, user)

    def describe_found(
        self,
        identity: CgroupIdentity,
        init: ProcessKey,
        paths: CgroupPaths,
    ) -> Description | None:
        """Describe a container that runs already, in the caller's thread.

        Its monitor or shim is the parent of its init: that one's user may speak of it.
        """
        return self._describer.describe(
            DescribeRequest(
                id=identity.id,
                engine=identity.engine,
                bundle=None,
                runtime_root=None,
                containerd_namespace=None,
                reader=None,
                reader_mnt_ns=None,
                reader_uid=supervisor_uid(init),
                cgroup=paths.v1 or paths.v2,
            )
        )

    def close(self) -> None:
        """End the threads; nothing is answered any more."""
        self._worker.close()


def _nothing() -> None:
    pass
