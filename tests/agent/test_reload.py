"""A new configuration: what changes, what waits for the next start, and what is refused."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sensor.agent.config import Config
from sensor.agent.reload import NAMES, Reloader, values_of, with_value
from sensor.errors import CastoffError, ConfigError

OLD = Config()


def with_values(values: Mapping[str, object]) -> Config:
    config = OLD
    for key, value in values.items():
        config = with_value(config, key, value)
    return config


class Applied:
    """Functions for two kinds of fields, and what they were given."""

    def __init__(self) -> None:
        self.level: list[str] = []
        self.limits: list[tuple[int, int]] = []

    def reloader(self, *answers: Config | CastoffError) -> Reloader:
        waiting = list(answers)

        def reread() -> Config:
            answer = waiting.pop(0)
            if isinstance(answer, CastoffError):
                raise answer
            return answer

        def limit(wanted: Config) -> None:
            self.limits.append((wanted.store.max_mib, wanted.store.max_age_days))

        return Reloader(
            OLD,
            reread,
            {
                "agent.log_level": lambda wanted: self.level.append(wanted.agent.log_level),
                "store.max_mib": limit,
                "store.max_age_days": limit,
            },
        )


async def finished(reloader: Reloader) -> None:
    assert reloader._task is not None
    await reloader._task


def test_what_may_change_is_applied_once_and_kept() -> None:
    applied = Applied()
    reloader = applied.reloader()
    wanted = with_values({"agent.log_level": "debug", "store.max_mib": 7, "store.max_age_days": 3})
    reloader.take(wanted)
    assert (applied.level, applied.limits) == (["debug"], [(7, 3)])
    reloader.take(wanted)
    assert (applied.level, applied.limits) == (["debug"], [(7, 3)])


def test_what_may_not_change_is_named_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    applied = Applied()
    reloader = applied.reloader()
    reloader.take(with_values({"agent.state_dir": Path("/elsewhere"), "store.max_mib": 9}))
    assert reloader.config == with_values({"store.max_mib": 9})
    assert applied.limits == [(9, OLD.store.max_age_days)]
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
    assert reloader.config == OLD
    assert "stays as it was: castoff.toml: agent.x is not a key. Remove it." in caplog.text
    assert "Traceback" not in caplog.text


def test_requests_during_a_reload_lead_to_one_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    go_on = threading.Event()
    read: list[int] = []

    def reread() -> Config:
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


def test_every_setting_that_the_agent_reads_is_compared() -> None:
    compared = values_of(OLD).keys()
    assert {"agent.state_dir", "identity.host_root", "sources.audit", *NAMES} <= compared
    assert not any(key.startswith(("webhook", "push", "kafka")) for key in compared)
    assert len({key.partition(".")[0] for key in compared - NAMES.keys()}) >= 6


def test_a_change_for_castoff_normalize_alone_is_not_a_change_of_the_agent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    Applied().reloader().take(with_value(OLD, "webhook.listen", "127.0.0.1:8443"))
    assert "nothing to change" in caplog.text
    assert "next start" not in caplog.text


def test_an_agent_that_takes_audit_records_reads_the_webhooks_section() -> None:
    taking = with_value(OLD, "sources.kubernetes_audit", "webhook")
    assert "webhook.listen" in values_of(taking)
    assert not any(key.startswith(("push", "kafka")) for key in values_of(taking))


def test_outputs_and_places_are_named_as_a_person_finds_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Applied().reloader().take(replace(OLD, directory=Path("/other"), pin_root=Path("/pins")))
    assert "the directory of the policy, the place of the pins" in caplog.text
