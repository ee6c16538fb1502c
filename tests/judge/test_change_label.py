"""A label that names a change is a reference: what it names has to cover the start by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.change_label import LABEL
from sensor.judge.judge import Judge
from sensor.model.events import Event
from sensor.model.vocabulary import Explanation, Finding
from tests.judge.samples import HOUR, NOW, PLAIN, judged, start
from tests.judge.test_verdict import change, judge_of


def labelled(value: str = "CHG-1", at: int = NOW, *, privileged: bool = False) -> Event:
    security = replace(PLAIN, privileged=privileged)
    return start("web", labels=(("other", "x"), (LABEL, value)), at=at, security=security)


def test_the_label_names_the_change_that_covers_the_start() -> None:
    found = judged(judge_of("", change(name="web")), labelled())
    assert (found.explanation, found.change) == (Explanation.CHANGE, "CHG-1")
    assert found.reasons == (
        "change CHG-1 covers it, approved by carol",
        "label castoff.change names change CHG-1",
    )


@pytest.mark.parametrize(
    ("judge", "event", "why"),
    [
        (Judge(), labelled(), "which is not known: it explains nothing"),
        (judge_of("", change(name="db")), labelled(), "which does not explain it"),
        (
            judge_of("", change(name="web")),
            labelled(at=NOW + 3 * HOUR),
            "which is expired: it explains nothing",
        ),
        (judge_of("", change(name="web")), labelled(privileged=True), "which does not explain it"),
    ],
)
def test_a_label_alone_explains_nothing_and_says_why(judge: Judge, event: Event, why: str) -> None:
    found = judged(judge, event)
    assert (found.expected, found.explanation, found.change) == (None, None, None)
    assert f"label castoff.change names change CHG-1, {why}" in found.reasons
    assert found.findings == ()


def test_a_label_that_names_another_change_than_the_one_that_covers_says_so() -> None:
    found = judged(judge_of("", change(name="web"), change("CHG-2", name="db")), labelled("CHG-2"))
    assert found.change == "CHG-1"
    assert found.reasons[-1].startswith("label castoff.change names change CHG-2, which does not")


@pytest.mark.parametrize("value", ["", "a b", "\x1b[2J", "x" * 5000])
def test_a_label_that_is_not_an_id_is_not_repeated(value: str) -> None:
    found = judged(Judge(), labelled(value))
    assert found.reasons[-1] == "label castoff.change is not an id of a change: it explains nothing"


def test_a_label_silences_no_strong_finding_and_claims_stay_visible_beside_it() -> None:
    event = start("web", labels=((LABEL, "CHG-1"),), runtime_path="/tmp/.x/runc")
    found = judged(judge_of("", change(name="web")), event)
    assert (found.expected, found.findings) == (False, (Finding.UNKNOWN_RUNTIME,))
    assert "label castoff.change names change CHG-1, which does not explain it" in found.reasons[-1]
