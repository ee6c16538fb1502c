"""``[notify]``: run a command, or send a POST, for each alert at or above a severity.

Rules:

1. Nothing waits for it. ``WAITING_MAX`` alerts wait at most; more are counted and left out. The
   alert itself is an event and is kept whatever becomes of its notice.
2. No shell: the command is a list of words. The alert is on its standard input as one JSON line,
   and its main values are in the environment, cut and without control characters.
3. It ends after ``seconds``, with its process group. Its output goes nowhere. A POST ends after as
   long, however slowly the receiver answers.
4. A notice that fails is tried ``ATTEMPTS`` times. ``per_hour`` are sent at most.
5. Alerts about containers of others than root of the host have half of both numbers, and those of
   one account a quarter: no user's alerts keep one about root's containers from being sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from sensor.model.account import owner_in
from sensor.model.alert import AlertSeverity, AlertState
from sensor.outputs.http.client import HttpClient, HttpFailed
from sensor.outputs.http.message import HttpUrl
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sensor.agent.notify_settings import NotifySettings
    from sensor.model.alert import Alert
    from sensor.model.events import Event

WAITING_MAX = 64
ATTEMPTS = 3
SUCCESS = 2
"""First digit of the statuses by which a receiver accepts (RFC 9110, 15.3)."""
PAUSE = 1.0
"""Seconds before the second attempt; the next pause is twice as long."""
VALUE_MAX = 400
SECONDS_PER_HOUR = 3600.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
GRAVER = tuple(AlertSeverity)
HEADERS = (("Content-Type", "application/json"), ("User-Agent", "castoff"))
NOTIFIED = frozenset({AlertState.NEW, AlertState.UPDATE})

log = logging.getLogger("castoff")


class AlertNotices:
    """A sink of the pipeline; :meth:`run` sends what it takes."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings
        self._waiting: asyncio.Queue[tuple[str | None, Alert, bytes]] = asyncio.Queue(WAITING_MAX)
        self._waiting_of = Quota(WAITING_MAX)
        self._loop = asyncio.get_running_loop()
        self._hour = self._loop.time()
        self._sent_in_hour = Quota(settings.per_hour)
        self.counts: Counter[str] = Counter()
        """What became of notices: sent, failed, timed_out, left_out."""
        self._receiver = (
            HttpClient(
                HttpUrl.parse(settings.url), headers=HEADERS, request_seconds=settings.seconds
            )
            if settings.url
            else None
        )

    def take(self, event: Event, line: bytes, *, more: bool) -> None:
        """Take an alert that is grave enough; anything else is passed over."""
        del more
        alert = event.alert
        if alert is None or alert.state not in NOTIFIED:
            return
        if GRAVER.index(alert.severity) < GRAVER.index(AlertSeverity(self._settings.severity)):
            return
        owner = event.owner or owner_in(alert.workload or "")
        if not self._may_send(owner):
            self.counts["left_out"] += 1
            return
        self._waiting_of.take(owner)
        self._waiting.put_nowait((owner, alert, line))

    def push(self) -> None:
        """Nothing waits for a push."""

    async def run(self) -> None:
        """Send notices one by one, until cancelled."""
        try:
            while True:
                owner, alert, line = await self._waiting.get()
                self._waiting_of.give_back(owner)
                await self._send(alert, line)
        finally:
            if self._receiver is not None:
                await self._receiver.close()

    async def _send(self, alert: Alert, line: bytes) -> None:
        if self._settings.command:
            await self._attempt(partial(self._command, alert, line))
        if self._receiver is not None:
            await self._attempt(partial(self._post, self._receiver, line))

    async def _attempt(self, send: Callable[[], Awaitable[bool]]) -> None:
        pause = PAUSE
        for number in range(ATTEMPTS):
            if number:
                await asyncio.sleep(pause)
                pause *= 2
            try:
                done = await send()
            except (OSError, ValueError) as error:
                log.warning("a notice could not be sent: %s", error)
                done = False
            if done:
                self.counts["sent"] += 1
                return
        self.counts["failed"] += 1

    async def _command(self, alert: Alert, line: bytes) -> bool:
        process = await asyncio.create_subprocess_exec(
            *self._settings.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(alert),
            cwd="/",
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._settings.seconds):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    await process.communicate(line)
                return await process.wait() == 0
        except TimeoutError:
            self.counts["timed_out"] += 1
            return False
        finally:
            # What it left behind ends with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.returncode is None:
                await process.wait()

    async def _post(self, receiver: HttpClient, line: bytes) -> bool:
        try:
            async with asyncio.timeout(self._settings.seconds):
                answer = await receiver.post(line)
        except TimeoutError:
            self.counts["timed_out"] += 1
            return False
        except HttpFailed as error:
            log.warning("a notice could not be sent: %s", error.reason)
            return False
        return answer.status // 100 == SUCCESS

    def _may_send(self, owner: str | None) -> bool:
        now = self._loop.time()
        if now - self._hour >= SECONDS_PER_HOUR:
            self._hour, self._sent_in_hour = now, Quota(self._settings.per_hour)
        return self._waiting_of.has_room(owner) and self._sent_in_hour.take(owner)


class Quota:
    """So many at most; others than root have half of them, and one account a quarter."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: Counter[str | None] = Counter()

    def has_room(self, owner: str | None) -> bool:
        """Whether one more of that owner's fits; root of the host is None."""
        total = self._taken.total()
        if owner is None or total >= self._limit:
            return total < self._limit
        others = total - self._taken[None]
        least = max(1, self._limit // 4)
        return self._taken[owner] < least and others < max(1, self._limit // 2)

    def take(self, owner: str | None) -> bool:
        """Take one; False where none is left for that owner."""
        if not self.has_room(owner):
            return False
        self._taken[owner] += 1
        return True

    def give_back(self, owner: str | None) -> None:
        """Take one less."""
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]


def environment(alert: Alert) -> dict[str, str]:
    """Return the environment of a command: nothing of the agent's own."""
    values = {
        "ID": alert.id,
        "FINDING": alert.finding,
        "TITLE": alert.title,
        "SEVERITY": alert.severity,
        "STATE": alert.state,
        "CLASS": alert.class_,
        "COUNT": str(alert.count),
        "WORKLOAD": alert.workload or "",
        "FACTS": "; ".join(fact.sentence for fact in alert.facts),
    }
    variables = {
        f"CASTOFF_ALERT_{name}": visible(str(value))[:VALUE_MAX] for name, value in values.items()
    }
    return {"PATH": PATH, "LANG": "C.UTF-8", **variables}
