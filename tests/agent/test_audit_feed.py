"""Audit as a source: read from a log file, switched off and on again while the agent runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sensor.agent.audit_feed import AuditFeed
from sensor.agent.config import OFF, SourcesSection
from sensor.model.observations import Observation
from sensor.model.witness_records import SourceChanged

Check = Callable[[AuditFeed, list[Observation]], Awaitable[None]]


def with_feed(audit: str, check: Check) -> None:
    async def session() -> None:
        fed: list[Observation] = []
        section = SourcesSection(audit=audit)
        feed = AuditFeed(section, frozenset({"runc"}), lambda _: False, fed.extend)
        await feed.start(0)
        try:
            await check(feed, fed)
        finally:
            await feed.close()

    asyncio.run(session())


def changes(fed: list[Observation]) -> list[tuple[bool, str | None]]:
    return [(one.available, one.reason) for one in fed if isinstance(one, SourceChanged)]


def test_switched_off_it_reports_nothing_and_says_so_in_the_status() -> None:
    async def check(feed: AuditFeed, fed: list[Observation]) -> None:
        assert fed == feed.drain() == [*feed.losses(0)] == []
        assert [(one.state, one.observations) for one in feed.states()] == [
            ("failed: switched off", 0)
        ]

    with_feed(OFF, check)


def test_a_log_file_is_read_until_it_is_switched_off_and_again_after_that(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    section = SourcesSection(audit=str(path))

    async def check(feed: AuditFeed, fed: list[Observation]) -> None:
        assert changes(fed) == [(True, None)]
        feed.follow(section, 0)
        assert len(fed) == 1, "what stays is not interrupted"
        feed.follow(replace(section, audit=OFF), 0)
        assert changes(fed)[1:] == [(False, "switched off")]
        feed.follow(section, 0)
        assert changes(fed)[2:] == [(True, None)]

    with_feed(str(path), check)


def test_a_log_that_cannot_be_read_is_reported_once_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(feed: AuditFeed, fed: list[Observation]) -> None:
        ((available, reason),) = changes(fed)
        assert not available
        assert reason
        (state,) = feed.states()
        assert state.state.startswith("failed: ")
        assert feed.drain() == []

    with_feed(str(tmp_path / "directory" / "audit.log"), check)
    assert "no audit records" in caplog.text
