"""What an approved change explains: its selection, its privileges by name, its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.judge import Judge
from sensor.judge.verdict import CHANGES_MAX
from sensor.model.events import Event
from sensor.model.vocabulary import Explanation, Finding
from tests.judge.samples import (
    HOUR,
    NOW,
    initiator,
    judged,
    policy,
    start,
)
from tests.judge.test_verdict import PRIVILEGED, change, judge_of


def test_a_change_explains_what_it_selects() -> None:
    found = judged(judge_of("", change(name="web")), start("web"))
    assert (found.expected, found.explanation, found.change) == (True, Explanation.CHANGE, "CHG-1")
    assert found.reasons == ("change CHG-1 covers it, approved by carol",)
    assert judged(judge_of("", change(name="web")), start("db")).expected is None


def test_two_changes_that_cover_one_start_are_both_named() -> None:
    judge = judge_of("", change("CHG-1", name="web"), change("CHG-2", login="alice"))
    found = judged(judge, start("web"))
    assert found.change == "CHG-1,CHG-2"
    assert [entry.usage.starts for entry in judge.ledger.entries(NOW)] == [1, 1]


def test_a_change_explains_privileges_by_name_only() -> None:
    event = start("web", security=PRIVILEGED)
    refused = judged(judge_of("", change(name="web")), event)
    assert refused.expected is None
    assert "change CHG-1 covers it but does not allow privileged" in refused.reasons
    assert judged(judge_of("", change(name="web", allows=["privileged"])), event).expected


def known() -> Judge:
    """Return a judge that knows the service ``web`` and its deployer for ten days."""
    judge = judge_of()
    for day in range(10, 0, -1):
        judge.judge(web_start(at=NOW - day * 24 * HOUR))
    judge.take_alerts()
    return judge


def web_start(
    *command: str,
    image: str = "registry.example.com/shop/web:1.2",
    login: str = "deploy",
    at: int = NOW,
) -> Event:
    event = start("web", image, by=initiator(login), at=at)
    assert event.container is not None
    ran = command or ("/app/server",)
    return replace(event, container=replace(event.container, command=ran))


BY_NAME = [
    pytest.param(web_start("sh", "-c", "true"), "entrypoint:sh -c", id="a shell"),
    pytest.param(
        web_start(image="registry.evil.example/shop/web:1.2"),
        "registry:registry.evil.example/shop",
        id="another registry",
    ),
    pytest.param(web_start(login="mallory"), "initiator:login mallory", id="a stranger"),
]
"""What an approval of a service does not mean unless it names it."""


@pytest.mark.parametrize(("event", "atom"), BY_NAME)
def test_a_change_covers_a_shell_a_registry_and_a_stranger_by_name_only(
    event: Event, atom: str
) -> None:
    judge = known()
    judge.ledger.add(change(name="web"), NOW)
    found = judged(judge, event)
    assert found.expected is False
    assert f"change CHG-1 covers it but does not allow {atom}" in found.reasons
    judge = known()
    judge.ledger.add(change(name="web", allows=[atom]), NOW)
    assert judged(judge, event).explanation is Explanation.CHANGE


@pytest.mark.parametrize(("event", "atom"), BY_NAME)
def test_a_rule_that_expects_covers_them_by_name_only(event: Event, atom: str) -> None:
    judge = known()
    judge.policy = policy("[expect.web]\nname = 'web'\n")
    assert judged(judge, event).expected is False
    judge = known()
    judge.policy = policy(f"[expect.web]\nname = 'web'\nallows = ['{atom}']\n")
    assert judged(judge, event).explanation is Explanation.POLICY


def test_a_change_that_names_the_login_covers_a_new_person() -> None:
    judge = known()
    judge.ledger.add(change(name="web", login="mallory"), NOW)
    assert judged(judge, web_start(login="mallory")).explanation is Explanation.CHANGE


def test_a_change_still_covers_a_new_image_of_the_same_service() -> None:
    judge = known()
    judge.ledger.add(change(name="web"), NOW)
    found = judged(judge, web_start("/app/other", image="registry.example.com/shop/web2:1"))
    assert found.explanation is Explanation.CHANGE


def test_a_change_for_everything_explains_and_is_flagged() -> None:
    found = judged(judge_of("", change()), start())
    assert (found.expected, found.findings) == (True, (Finding.WIDE_CHANGE,))


def test_a_change_that_lasts_for_days_is_flagged() -> None:
    long = change(name="web", for_seconds=3 * 86_400)
    assert judged(judge_of("", long), start("web")).findings == (Finding.WIDE_CHANGE,)


def test_a_change_of_the_login_that_starts_is_flagged() -> None:
    own = replace(change(name="web"), added_by="alice")
    assert judged(judge_of("", own), start("web")).findings == (Finding.WIDE_CHANGE,)
    assert judged(judge_of("", own), start("web", by=initiator("bob"))).findings == ()


def test_a_change_explains_no_start_after_its_end_or_before_its_begin() -> None:
    later = change(name="web", not_before="2026-11-30T11:00:00+00:00")
    assert judged(judge_of("", later), start("web")).expected is None
    assert judged(judge_of("", later), start("web", at=NOW + HOUR)).expected is True
    assert judged(judge_of("", change(name="web")), start(at=NOW + 2 * HOUR)).expected is None


def test_a_start_uses_and_names_a_few_of_very_many_changes() -> None:
    judge = judge_of("", *(change(f"CHG-{number:02}", name="web") for number in range(20)))
    found = judged(judge, start("web"))
    assert found.change == ",".join(f"CHG-{number:02}" for number in range(CHANGES_MAX))
    assert sum(entry.usage.starts for entry in judge.ledger.entries(NOW)) == CHANGES_MAX
