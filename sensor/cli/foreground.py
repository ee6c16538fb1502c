"""Run an agent in the foreground with its events on standard output."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent.agent import Agent
from sensor.agent.parts import ConsoleState
from sensor.cli.line_stream import LineStream
from sensor.cli.rendering import renderer
from sensor.errors import CastoffError
from sensor.linux import journal
from sensor.linux.systemd import Notifier
from sensor.model.agent_records import OutputLoss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.agent.config import Config
    from sensor.model.events import Event
    from sensor.model.observations import Observation

FLUSH_SECONDS = 2.0
STDOUT = 1

log = logging.getLogger("castoff")


class _StandardOutput:
    """Writes events as they are or as a table's rows; the agent ends with their reader."""

    def __init__(
        self, output: str, stop: Callable[[], None], feed: Callable[[Sequence[Observation]], None]
    ) -> None:
        render, head = renderer(output)
        self._render = None if output == "-" else render
        self._stop = stop
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._reported = clock.boottime()
        """Until when losses are reported, in ns since boot."""
        self._stream = LineStream(STDOUT, self._on_loss)
        if head:
            self._stream.write(head)

    def take(self, event: Event, line: bytes, *, more: bool) -> None:
        self._stream.write(line if self._render is None else self._render(event), more=more)
        if self._stream.closed:
            self._stop()

    def push(self) -> None:
        self._stream.push()

    def state(self) -> ConsoleState:
        stream = self._stream
        return ConsoleState("stdout", stream.backlog, stream.dropped, stream.closed_reason)

    async def close(self) -> None:
        await self._stream.flush(FLUSH_SECONDS)
        self._stream.close()

    def _on_loss(self, lines: int) -> None:
        """Report that ``lines`` events were lost to a reader that is too slow."""
        now = clock.boottime()
        log.warning("%d events not written: the reader is too slow", lines)
        loss = OutputLoss(time=now, since=self._reported, output="stdout", lost=lines)
        self._reported = now
        self._loop.call_soon(self._feed, (loss,))


async def _run(
    config: Config,
    output: str | None,
    reread: Callable[[], Config],
    notifier: Notifier,
) -> None:
    def open_console(feed: Callable[[Sequence[Observation]], None]) -> _StandardOutput:
        return _StandardOutput(output or "-", agent.stop, feed)

    agent = Agent(config, reread, notifier, None if output is None else open_console)
    await agent.run()


def run(config: Config, output: str | None, reread: Callable[[], Config]) -> None:
    """Run until SIGTERM, SIGINT or the end of standard output's reader.

    ``reread`` gives the configuration anew on SIGHUP, or raises :class:`CastoffError`.
    """
    logging.basicConfig(level=config.agent.log_level.upper(), handlers=[_log_handler()])
    notifier = Notifier(os.environ)
    try:
        asyncio.run(_run(config, output, reread, notifier))
    except CastoffError as error:
        notifier.failed(f"{error.problem} {error.fix}")
        raise
    finally:
        _leave_lost_terminal()


def _leave_lost_terminal() -> None:
    """Drop what a terminal that is gone did not take: the interpreter would exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _log_handler() -> logging.Handler:
    """Return what writes the log: the journal with its fields for a service, else stderr."""
    plain = logging.StreamHandler(sys.stderr)
    plain.setFormatter(logging.Formatter("castoff: %(message)s"))
    if not journal.is_stderr(os.environ):
        return plain
    handler = journal.JournalHandler(plain)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
