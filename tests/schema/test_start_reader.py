"""Documents of starts read as the events that they were made of, as far as they are judged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.node_life import Life
from sensor.judge.case import facts_of
from sensor.judge.judge import Judge
from sensor.model.container import Orchestrator
from sensor.model.control_plane import Owner
from sensor.model.events import Event
from sensor.model.vocabulary import EventType, Trigger
from sensor.schema.document import encode_line
from sensor.schema.start_reader import document_of, event_of, wall_of
from tests.judge.samples import initiator, mounted, pod_start, start, stop
from tests.outputs.sample_events import EVENTS

EXAMPLES = [
    start("web", by=initiator("alice", "docker", "run", unit="x.service")),
    start("a", candidates=(initiator("alice"), initiator("bob")), digest="sha256:aa"),
    start("b", security=mounted("/"), namespace="moby", restart_policy="always"),
    start(None, None, trigger=Trigger.RESTART_POLICY),
    pod_start("web-5d4f8c9b7d-x2x7k"),
    replace(
        pod_start("web-5d4f8c9b7d-x2x7k"),
        orchestrator=Orchestrator(
            "kubernetes", "shop", "web-5d4f8c9b7d-x2x7k", owner=Owner("Deployment", "shop-web")
        ),
    ),
]


def read_back(event: Event) -> Event:
    found = event_of(json.loads(encode_line(event)))
    assert found is not None
    return found


@pytest.mark.parametrize("event", EXAMPLES)
def test_a_start_that_is_read_back_has_the_same_facts_and_verdict(event: Event) -> None:
    again = read_back(event)
    before, after = facts_of(event), facts_of(again)
    assert before is not None
    assert after is not None
    for name in ("kind", "trigger", "wall", "workload", "image", "image_names", "atoms"):
        assert getattr(after, name) == getattr(before, name)
    assert [one.user for one in after.initiators] == [one.user for one in before.initiators]
    assert [one.unit for one in after.initiators] == [one.unit for one in before.initiators]
    owned = [one.orchestrator and one.orchestrator.owner for one in (again, event)]
    assert owned[0] == owned[1]
    assert Judge().verdict(again) == Judge().verdict(event)


def test_a_log_that_is_judged_again_says_what_was_said() -> None:
    """Else a policy is tried on other verdicts than an agent would give, and learns less."""
    first, again, trial = Judge(), Judge(), Judge(keeping=False)
    planted = set()
    for one in Life(1, 30).happenings():
        read = read_back(one.event)
        found, repeated = first.judge(one.event), again.judge(read)
        assert found.verdict == repeated.verdict
        if one.event.type is EventType.START:
            assert trial.verdict(read) == found.verdict
        else:
            trial.judge(read)
        if found.verdict is not None and found.verdict.findings:
            planted |= {one.planted}
    assert trial.take_alerts() == ()
    assert planted >= {"dormant", "shell", "miner", "sidecar", "privileged_root"}


def test_a_stop_is_read_back() -> None:
    ended = read_back(stop(EXAMPLES[0], oom=True))
    assert ended.stop is not None
    assert ended.stop.oom_killed is True


@pytest.mark.parametrize("name", ["gap", "sensor", "pause", "alert"])
def test_other_events_are_none(name: str) -> None:
    assert event_of(json.loads(encode_line(EVENTS[name]))) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.data())
def test_a_document_of_any_shape_is_read_or_passed_over(data: st.DataObject) -> None:
    document = json.loads(encode_line(EXAMPLES[0]))
    for _ in range(data.draw(st.integers(1, 4))):
        block = document
        while True:
            key = data.draw(st.sampled_from(sorted(block)))
            if not isinstance(block[key], dict) or not block[key] or data.draw(st.booleans()):
                break
            block = block[key]
        block[key] = data.draw(_JSON)
    event = event_of(document)
    if event is not None:
        assert Judge().judge(event).id == event.id


@pytest.mark.parametrize("name", ["start", "gap", "sensor", "alert"])
def test_a_line_is_read_whole_but_for_its_evidence(name: str) -> None:
    line = encode_line(EVENTS[name])
    whole, short = json.loads(line), document_of(line)
    whole.pop("evidence", None)
    short.pop("evidence", None)
    assert short == whole


def test_a_name_that_looks_like_evidence_hides_nothing() -> None:
    hostile = ',"evidence":[{"],"gap":null,"x":"'
    event = start(hostile, by=initiator("alice"))
    line = encode_line(event)
    assert hostile not in line.decode()
    assert document_of(line)["container"]["name"] == hostile
    assert event_of(document_of(line)) == event_of(json.loads(line))


@pytest.mark.parametrize(
    "time", ["2026-11-28T12:33:60.000000000Z", "2026-11-28T12:3:00.000000000Z", "", "now", 7, None]
)
def test_what_is_no_time_of_the_schema_is_unknown(time: object) -> None:
    assert wall_of(time) is None


def test_a_time_has_its_nanoseconds() -> None:
    assert wall_of("1970-01-02T00:01:02.000000003Z") == 86_462_000_000_003
