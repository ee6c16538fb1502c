"""Where each write is another person's, no pod gets a wrong one."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from sensor.correlate.request_events import WHOLE_INPUT, RequestEvents
from sensor.model.control_plane import ChainConfidence, RequestedBy
from tests.correlate.audit_log import records
from tests.correlate.made_up_cluster import Json, MadeUpCluster

NOW = 1_900_000_000_000_000_000
SEEDS = range(25)
STEPS = 12


def requesters(lines: list[Json]) -> dict[str, RequestedBy]:
    made = RequestEvents(WHOLE_INPUT)
    given = records(b"\n".join(json.dumps(line).encode() for line in lines))
    events = [event for record in given for event in made.feed(record, NOW)]
    found: dict[str, RequestedBy] = {}
    for event in [*events, *made.close(NOW)]:
        place = event.orchestrator
        if place is not None and place.pod_uid is not None and place.requested_by is not None:
            found[place.pod_uid] = place.requested_by
    return found


@pytest.mark.parametrize(
    ("level", "most"), [("RequestResponse", 0.0), ("Request", 0.02), ("Metadata", 0.1)]
)
def test_a_whole_log_names_no_wrong_person(level: str, most: float) -> None:
    """``most``: the part of the pods without a request that may get the author of a write."""
    said: Counter[str] = Counter()
    for seed in SEEDS:
        cluster = MadeUpCluster(seed, level)
        cluster.live(STEPS)
        found = requesters(cluster.lines)
        for uid, who in cluster.truth.items():
            answer = found.get(uid)
            actor = None if answer is None else answer.actor
            if actor == who:
                said["right"] += 1
            elif actor is None:
                said["unknown"] += 1
            else:
                said["named without a request" if who is None else "wrong"] += 1
    whole = sum(said.values())
    assert said["wrong"] == 0, said
    assert said["named without a request"] <= most * whole, said
    assert said["right"] > 0.7 * whole, said


def shifted(line: Json, seconds: float) -> Json:
    """Return a person's line by the clock of another API server."""
    if line["user"]["username"].startswith("system:"):
        return line
    moment = datetime.fromisoformat(line["requestReceivedTimestamp"]) + timedelta(seconds=seconds)
    return {**line, "requestReceivedTimestamp": moment.isoformat(timespec="microseconds")}


@pytest.mark.parametrize("ahead", [0.1, 1.0])
def test_clocks_that_differ_make_no_wrong_person(ahead: float) -> None:
    right = 0
    for seed in SEEDS:
        cluster = MadeUpCluster(seed, "RequestResponse")
        cluster.live(STEPS)
        for uid, answer in requesters([shifted(line, ahead) for line in cluster.lines]).items():
            who = cluster.truth[uid]
            # A second ahead, a write may look like the cause of a pod that has none.
            assert answer.actor in {None, who} or who is None
            right += answer.actor == who
    assert right > 200


@pytest.mark.parametrize("missing", [0.1, 0.4])
def test_a_proven_person_is_right_where_records_are_missing(missing: float) -> None:
    exact = wrong = others = 0
    for seed in SEEDS:
        cluster = MadeUpCluster(seed, "RequestResponse")
        cluster.live(STEPS)
        chance = random.Random(seed)
        kept = [line for line in cluster.lines if chance.random() >= missing]
        for uid, answer in requesters(kept).items():
            if answer.confidence is ChainConfidence.EXACT:
                assert answer.actor == cluster.truth[uid]
                exact += 1
            elif answer.actor is not None:
                others += 1
                wrong += answer.actor != cluster.truth[uid]
    assert exact > 50
    assert wrong < 0.25 * others
