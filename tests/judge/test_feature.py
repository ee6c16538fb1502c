"""Features hold what a start is made of, and nothing that changes from one to the next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.feature import VALUE_MAX, WhoKind, features_of, who_of
from sensor.model.events import Initiator
from sensor.model.process import Ancestor
from sensor.model.vocabulary import ContainerId, Trigger
from tests.judge.past import pod, running
from tests.judge.samples import by_itself, facts, initiator, start


def unknown(_id: str) -> str | None:
    return None


WEB_SERVER = (Ancestor(5, 1, "sh", "/bin/sh"), Ancestor(4, 1, "apache", "/usr/sbin/apache2"))


@pytest.mark.parametrize(
    ("one", "kind", "value"),
    [
        (initiator("alice"), WhoKind.PERSON, "login alice"),
        (initiator("alice", unit="cron.service"), WhoKind.UNIT, "unit cron.service"),
        (initiator(None, unit="run-u123.service"), WhoKind.UNIT, "unit run-*.service"),
        (initiator(None, unit="run-p12-i345.service"), WhoKind.UNIT, "unit run-*.service"),
        (initiator(None, unit="run-p23981-i26981.service"), WhoKind.UNIT, "unit run-*.service"),
        (initiator(None, unit="run-parts.service"), WhoKind.UNIT, "unit run-parts.service"),
        (
            initiator(None, unit="ci@3-10.0.0.1:22-10.0.0.2:51234.service"),
            WhoKind.UNIT,
            "unit ci@*.service",
        ),
        (initiator(None, unit="ci@12-4711-1000.service"), WhoKind.UNIT, "unit ci@*.service"),
        (initiator(None, unit="ci@1-2.service"), WhoKind.UNIT, "unit ci@1-2.service"),
        (initiator(None, unit="ci@shop-a-web.service"), WhoKind.UNIT, "unit ci@shop-a-web.service"),
        (
            initiator(None, unit="dbus-:1.23-org.example.Pods@7.service"),
            WhoKind.UNIT,
            "unit dbus-:*-org.example.Pods@*.service",
        ),
        (
            replace(initiator(None, account="www-data"), ancestors=WEB_SERVER),
            WhoKind.ACCOUNT,
            "account www-data by /usr/sbin/apache2",
        ),
        (initiator(None), WhoKind.ACCOUNT, "account root by /usr/bin/docker"),
    ],
)
def test_who_it_is_by_what_the_kernel_says(one: Initiator, kind: WhoKind, value: str) -> None:
    found = who_of(one, unknown)
    assert found is not None
    assert (found.kind, found.value) == (kind, value)


def test_a_caller_in_a_container_is_its_workload() -> None:
    one = replace(initiator(None), container_id=ContainerId("ab" * 32))
    found = who_of(one, {"ab" * 32: "compose/shop/web"}.get)
    assert found is not None
    assert (found.value, found.named) == ("container compose/shop/web", True)
    stranger = who_of(one, unknown)
    assert stranger is not None
    assert (stranger.value, stranger.named) == (
        "container abababababab of an unknown workload",
        False,
    )


def test_nothing_is_known_of_a_process_without_a_user() -> None:
    assert who_of(replace(initiator(None), user=None), unknown) is None


def test_what_starts_by_itself_is_the_engine_or_the_kubelet() -> None:
    crash = by_itself(start(trigger=Trigger.RESTART_POLICY))
    assert [one.value for one in features_of(facts(crash), unknown, 30).whos] == ["engine"]
    assert features_of(facts(pod("main")), unknown, 30).by_engine


@pytest.mark.parametrize("hostile", ["a" * 10_000, "\udcff\x00\x1b[2J", "*" * 300, "\n"])
def test_hostile_names_are_bounded_and_storable(hostile: str) -> None:
    event = running(start(hostile, f"registry.example.com/{hostile}:1"), hostile)
    found = features_of(facts(event), unknown, 30)
    for value in (found.repository, found.organisation, found.entrypoint):
        assert value is not None
        assert len(value) <= 6 * VALUE_MAX
        value.encode("utf-8")
