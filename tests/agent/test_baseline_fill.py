"""A judge that begins on a node with a log knows the node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sensor.agent.baseline_fill import BaselineFill
from sensor.judge.baseline import KINDS
from sensor.judge.judge import Judge
from sensor.model.events import Event, Verdict
from sensor.model.vocabulary import BaselineState
from sensor.store.reader import LogReader
from tests.agent.kept_log import kept
from tests.judge.past import DAY, rows_of, verdict_of, web
from tests.judge.samples import NOW, initiator

STARTS = 450
"""More than two pages."""


def starts(*, expected: bool | None = None) -> Iterator[Event]:
    """Starts of a service an hour apart, with one verdict."""
    for number in range(STARTS):
        event = web(at=NOW - 20 * DAY + number * 3600 * 10**9, by=initiator("deploy"))
        yield replace(event, verdict=Verdict(expected=expected))


def filled(judge: Judge, reader: LogReader) -> BaselineFill:
    fill = BaselineFill(judge, reader)
    assert fill.is_due
    asyncio.run(fill.run(fill.begin()))
    return fill


def test_the_log_of_before_is_learnt_once(tmp_path: Path) -> None:
    judge = Judge()
    reader = kept(tmp_path, starts())
    fill = filled(judge, reader)
    assert fill.learnt == STARTS
    assert not fill.is_due
    found = verdict_of(judge, web(by=initiator("deploy")))
    assert found.baseline is BaselineState.ACTIVE
    assert found.reasons[0].startswith(f"like {STARTS} starts of this workload")
    successor = Judge()
    successor.restore(rows_of(judge))
    assert not BaselineFill(successor, reader).is_due


def test_a_fill_that_was_killed_begins_anew_and_counts_nothing_twice(tmp_path: Path) -> None:
    reader = kept(tmp_path, starts())
    whole = Judge()
    filled(whole, reader)
    killed = Judge()
    BaselineFill(killed, reader).begin()
    for _ in range(100):
        killed.learn(web(at=NOW - 20 * DAY))
    successor = Judge()
    successor.restore(rows_of(killed))
    rows = rows_of(successor)
    filled(successor, reader)
    rows |= rows_of(successor)
    expected = {key: row for key, row in rows_of(whole).items() if key[0] in KINDS}
    assert {key: row for key, row in rows.items() if key[0] in KINDS} == expected


def test_what_was_not_expected_is_not_learnt(tmp_path: Path) -> None:
    assert filled(Judge(), kept(tmp_path, starts(expected=False))).learnt == 0


def test_a_log_that_cannot_be_read_is_an_empty_one(tmp_path: Path) -> None:
    judge = Judge()
    assert filled(judge, LogReader(tmp_path / "nothing.db")).learnt == 0
    assert judge.alerting.baseline.state.filled
