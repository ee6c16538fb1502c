"""A judge with its directories, and what it handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from sensor.agent.judge_commands import JudgeCommands
from sensor.agent.judging import Judged, Judging
from sensor.model.agent_records import Notice
from sensor.model.events import Event
from sensor.model.observations import Observation
from tests.judge.samples import start


class World:
    """A judge with its directories, and what it handed over."""

    def __init__(self, directory: Path) -> None:
        self.etc, self.state = directory / "etc", directory / "state"
        self.etc.mkdir(exist_ok=True, mode=0o755)
        self.state.mkdir(exist_ok=True)
        self.rows: dict[tuple[str, str], bytes] = {}
        self.notices: list[Notice] = []
        self.judging = Judging(self.etc, self.state, self._keep, self._feed)
        self.commands = JudgeCommands(self.judging)

    def _keep(self, rows: Sequence[tuple[str, str, bytes | None]]) -> None:
        for kind, key, value in rows:
            if value is None:
                self.rows.pop((kind, key), None)
            else:
                self.rows[kind, key] = value

    def _feed(self, observations: Sequence[Observation]) -> None:
        self.notices += [one for one in observations if isinstance(one, Notice)]

    def write(self, text: str) -> None:
        path = self.etc / "policy.toml"
        path.write_text(text)
        path.chmod(0o644)

    def expected(self) -> bool | None:
        verdict = self.judged(start("web"))[0].verdict
        assert verdict is not None
        return verdict.expected

    def judged(self, event: Event) -> tuple[Event, Judged]:
        """Judge an event as the pipeline does; return it and what follows from it."""
        found = self.judging.judge(event)
        return found, self.judging.conclude(event)

    async def reload(self) -> None:
        self.judging.reload()
        assert self.judging._reloading is not None
        await self.judging._reloading

    @property
    def actions(self) -> list[str]:
        return [notice.action for notice in self.notices]


def play(directory: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(World(directory))

    asyncio.run(run())
