"""A new configuration: what changes, what waits for the next start, and what is refused."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest

from sensor.agent.agent import AgentSettings
from sensor.agent.reload import KEYS, Reloader
from sensor.errors import CastoffError, ConfigError

OLD = AgentSettings()


class Applied:
    """Functions for two kinds of fields, and what they were given."""

    def __init__(self) -> None:
        self.level: list[str] = []
        self.limits: list[tuple[int, int]] = []

    def reloader(self, *answers: AgentSettings | CastoffError) -> Reloader[AgentSettings]:
        waiting = list(answers)

        def reread() -> AgentSettings:
            answer = waiting.pop(0)
            if isinstance(answer, CastoffError):
                raise answer
            return answer

        def limit(wanted: AgentSettings) -> None:
            self.limits.append((wanted.store_max_mib, wanted.store_max_age_days))

        return Reloader(
            OLD,
            reread,
            {
                "log_level": lambda wanted: self.level.append(wanted.log_level),
                "store_max_mib": limit,
                "store_max_age_days": limit,
            },
        )


async def finished(reloader: Reloader[AgentSettings]) -> None:
    assert reloader._task is not None
    await reloader._task


def test_what_may_change_is_applied_once_and_kept() -> None:
    applied = Applied()
    reloader = applied.reloader()
    wanted = replace(OLD, log_level="debug", store_max_mib=7, store_max_age_days=3)
    reloader.take(wanted)
    assert (applied.level, applied.limits) == (["debug"], [(7, 3)])
    reloader.take(wanted)
    assert (applied.level, applied.limits) == (["debug"], [(7, 3)])


def test_what_may_not_change_is_named_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    applied = Applied()
    reloader = applied.reloader()
    reloader.take(replace(OLD, state_dir=Path("/elsewhere"), store_max_mib=9))
    assert reloader.settings == replace(OLD, store_max_mib=9)
    assert applied.limits == [(9, OLD.store_max_age_days)]
    assert "next start of the agent: agent.state_dir" in caplog.text


def test_a_wrong_configuration_changes_nothing_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    applied = Applied()
    reloader = applied.reloader(ConfigError("castoff.toml: agent.x is not a key", "Remove it."))

    async def session() -> None:
        reloader.request()
        await finished(reloader)

    asyncio.run(session())
    assert reloader.settings == OLD
    assert "stays as it was: castoff.toml: agent.x is not a key. Remove it." in caplog.text
    assert "Traceback" not in caplog.text


def test_requests_during_a_reload_lead_to_one_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    go_on = threading.Event()
    read: list[int] = []

    def reread() -> AgentSettings:
        read.append(len(read))
        go_on.wait(10)
        return OLD

    reloader = Reloader(OLD, reread, {})

    async def session() -> None:
        reloader.request()
        while not read:
            await asyncio.sleep(0.001)
        for _ in range(5):
            reloader.request()
        go_on.set()
        await finished(reloader)

    asyncio.run(session())
    assert len(read) == 2
    assert caplog.text.count("nothing to change") == 2


def test_every_setting_has_the_name_that_a_person_knows() -> None:
    names = {one.name for one in fields(AgentSettings)}
    assert names == KEYS.keys()
    assert all(
        re.fullmatch(r"[a-z]+\.[a-z_]+|\[[a-z]+\]( and \[[a-z]+\])?|the .*", key)
        for key in KEYS.values()
    )
