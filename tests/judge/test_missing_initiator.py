"""A missing initiator is unknown, unless commands went unseen or an engine starts by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.judge import Judge
from sensor.judge.missing_initiator import GAPS_MAX, LEAD
from sensor.model.events import Event, Gap
from sensor.model.vocabulary import EventType, Explanation, Trigger
from tests.judge.past import DAY, alerts_of, known_node, verdict_of, web
from tests.judge.samples import NOW, SECOND, by_itself

REASON = "initiator: unknown, and most earlier starts of this workload have one"


def nameless(at: int = NOW) -> Event:
    return replace(web(at=at), initiator=None, candidates=())


def gap(source: str, since: int, until: int) -> Event:
    """Return a gap, by seconds before and after a start at ``NOW``."""
    at = nameless().time
    found = Gap(source, "records dropped", at + since * SECOND, at + until * SECOND)
    return replace(
        nameless(), type=EventType.GAP, id=f"gap {since}", container=None, start=None, gap=found
    )


def test_an_unknown_initiator_is_not_expected_by_the_past_alone_and_raises_no_alert() -> None:
    judge = known_node()
    found = verdict_of(judge, nameless())
    assert (found.expected, found.explanation, found.findings) == (None, None, ())
    assert found.reasons == ("no explanation on file", REASON)
    assert alerts_of(judge) == []
    assert verdict_of(known_node(), web()).explanation is Explanation.BASELINE


@pytest.mark.parametrize(
    ("source", "since", "until", "expected"),
    [
        ("kernel.commands", -1, 1, True),
        ("kernel", -300, -200, True),
        ("kernel.commands", -LEAD // SECOND - 100, -LEAD // SECOND - 1, None),
        ("kernel.commands", 1, 2, None),
        ("docker", -1, 1, None),
    ],
)
def test_it_means_nothing_where_commands_may_have_gone_unseen(
    source: str, since: int, until: int, *, expected: bool | None
) -> None:
    judge = known_node()
    judge.judge(gap(source, since, until))
    assert verdict_of(judge, nameless()).expected is expected


def test_gaps_are_bounded_and_those_of_another_boot_do_not_count() -> None:
    judge = known_node()
    judge.judge(gap("kernel", -1, 1))
    for number in range(GAPS_MAX):
        judge.judge(gap("kernel", 100 + number, 200))
    assert verdict_of(judge, nameless()).expected is None
    judge.judge(gap("kernel", -1, 1))
    event = nameless()
    assert event.host is not None
    other = replace(event, host=replace(event.host, boot_id="another"))
    assert verdict_of(judge, other).expected is None


def test_an_engine_that_starts_by_itself_has_no_initiator_by_nature() -> None:
    event = by_itself(nameless())
    assert event.start is not None
    event = replace(event, start=replace(event.start, trigger=Trigger.ENGINE_BOOT))
    assert REASON not in verdict_of(known_node(), event).reasons


def test_a_workload_whose_starts_have_no_initiator_is_expected_as_before() -> None:
    judge = Judge()
    for day in range(10, 0, -1):
        judge.judge(nameless(at=NOW - day * DAY))
    assert verdict_of(judge, nameless()).explanation is Explanation.BASELINE
