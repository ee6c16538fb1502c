"""A layer of other hosts lowers a severity, teaches nothing, and is bounded."""

from __future__ import annotations

import pytest

from sensor.judge.feature import Feature
from sensor.judge.fleet import PART, VALUES_MAX, Fleet
from sensor.judge.lesson import TermKey
from sensor.judge.tuning import FLEET_HOSTS
from sensor.model.alert import AlertSeverity
from tests.judge.past import alerts_of, known_node, verdict_of, web
from tests.judge.samples import initiator

MALLORY = "login mallory"
NODE = ("", "initiator", MALLORY)
WORKLOAD = ("w/name/web", "initiator", MALLORY)


def test_a_value_is_known_from_three_hosts_on() -> None:
    fleet = Fleet()
    term = TermKey(None, Feature.INITIATOR, MALLORY)
    fleet.replace({NODE: FLEET_HOSTS.default - 1}, "test")
    assert not fleet.knows(term)
    fleet.replace({NODE: FLEET_HOSTS.default}, "test")
    assert fleet.knows(term)


@pytest.mark.parametrize(("hosts", "severity"), [(1, AlertSeverity.MEDIUM), (3, AlertSeverity.LOW)])
def test_what_the_fleet_knows_is_less_grave_and_still_an_alert(
    hosts: int, severity: AlertSeverity
) -> None:
    judge = known_node()
    judge.alerting.fleet.replace({NODE: hosts, WORKLOAD: hosts}, "test")
    verdict_of(judge, web(by=initiator("mallory")))
    (alert,) = alerts_of(judge)
    assert alert.severity is severity


def test_a_layer_outlasts_the_judge_and_is_replaced_whole() -> None:
    fleet = Fleet()
    many = {("", "initiator", str(number)): 3 for number in range(2 * PART + 1)}
    fleet.replace(many, "first")
    fleet.replace(dict(list(many.items())[:PART]), "second")
    rows = {(kind, key): row for kind, key, row in fleet.rows}
    kept = {key: row for key, row in rows.items() if row is not None}
    successor = Fleet()
    assert successor.restore(kept) == []
    assert (len(successor), successor.origin) == (PART, "second")
    assert successor.restore({("fleet", "x"): b"1"}) == [("fleet", "x")]


def test_too_large_a_layer_is_refused() -> None:
    values = {("", "initiator", str(number)): 1 for number in range(VALUES_MAX + 1)}
    with pytest.raises(ValueError, match="at most"):
        Fleet().replace(values, "x")
