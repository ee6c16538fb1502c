"""Run an agent in the foreground with its events on standard output."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.agent.agent import Agent, AgentSettings
from sensor.agent.status import OutputHealth
from sensor.cli.line_stream import LineStream
from sensor.cli.rendering import renderer
from sensor.errors import CastoffError
from sensor.linux import journal
from sensor.linux.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.cli.rendering import Renderer
    from sensor.model.events import Event

FLUSH_SECONDS = 2.0
STDOUT = 1

log = logging.getLogger("castoff")


@dataclass(frozen=True, slots=True)
class _StandardOutput:
    """Writes events as they are or as a table's rows; the agent ends with their reader."""

    agent: Agent
    stream: LineStream
    render: Renderer | None

    def take(self, event: Event, line: bytes, *, more: bool) -> None:
        self.stream.write(line if self.render is None else self.render(event), more=more)
        if self.stream.closed:
            self.agent.stop()

    def push(self) -> None:
        self.stream.push()


async def _run(
    settings: AgentSettings,
    output: str | None,
    reread: Callable[[], AgentSettings],
    notifier: Notifier,
) -> None:
    agent = Agent(settings, reread, notifier)
    if output is None:
        await agent.run()
        return
    render, head = renderer(output)
    stream = LineStream(STDOUT, agent.on_output_loss)

    if head:
        stream.write(head)
    agent.pipeline.sinks.append(_StandardOutput(agent, stream, None if output == "-" else render))
    agent.outputs = lambda: (
        OutputHealth("stdout", stream.backlog, stream.dropped, stream.closed_reason),
    )
    await agent.run()
    await stream.flush(FLUSH_SECONDS)
    stream.close()


def run(settings: AgentSettings, output: str | None, reread: Callable[[], AgentSettings]) -> None:
    """Run until SIGTERM, SIGINT or the end of standard output's reader.

    ``reread`` gives the settings anew on SIGHUP, or raises :class:`CastoffError`.
    """
    logging.basicConfig(level=settings.log_level.upper(), handlers=[_log_handler()])
    notifier = Notifier(os.environ)
    try:
        asyncio.run(_run(settings, output, reread, notifier))
    except CastoffError as error:
        notifier.failed(f"{error.problem} {error.fix}")
        raise


def _log_handler() -> logging.Handler:
    """Return what writes the log: the journal with its fields for a service, else stderr."""
    plain = logging.StreamHandler(sys.stderr)
    plain.setFormatter(logging.Formatter("castoff: %(message)s"))
    if not journal.is_stderr(os.environ):
        return plain
    handler = journal.JournalHandler(plain)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
