"""Filters mean what they mean for docker events: the same key is or, different keys are and."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.schema.filters import KEYS, VALUE_MAX, event_type, parse
from tests.api.sample_agent import WEB, line

DOCUMENT = json.loads(line(1)) | {
    "initiator": {"user": {"uid": 0, "name": "root", "auid": 1000, "auid_name": "alice"}},
    "orchestrator": {"pod": "web-0", "namespace": "shop"},
}
DOCUMENT["container"]["image"] = {"name": "host:5000/team/nginx:1.25", "id": "sha256:abcd"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["container=web"], True),
        (["container=we"], False),
        ([f"container={WEB[:3]}"], True),
        (["name=web"], True),
        (["name=w*"], True),
        (["name=w?"], False),
        (["name=w[de]b"], True),
        (["image=host:5000/team/nginx:1.25"], True),
        (["image=host:5000/team/nginx"], True),
        (["image=*nginx*"], True),
        (["image=nginx"], False),
        (["image=abc"], True),
        (["image=sha256:ab"], True),
        (["label=tier"], True),
        (["label=tier=front"], True),
        (["label=tier=back"], False),
        (["label=other"], False),
        (["runtime=docker"], True),
        (["runtime=runc"], True),
        (["kind=first"], True),
        (["trigger=user_command"], True),
        (["user=alice"], True),
        (["user=root"], True),
        (["user=1000"], True),
        (["user=1001"], False),
        (["pod=web-0", "namespace=shop"], True),
        (["name=web", "name=db"], True),
        (["name=web", "runtime=podman"], False),
        (["type=start"], True),
        (["type=stop"], False),
    ],
    ids=str,
)
def test_an_event_fits_if_each_key_has_one_of_its_values(
    filters: list[str],
    expected: bool,
) -> None:
    assert parse(filters).matcher()(DOCUMENT) is expected


@pytest.mark.parametrize("text", ["", "=", "name", "name=", "=x", "nope=1", "kind=x", "type=x"])
def test_what_is_not_a_filter(text: str) -> None:
    with pytest.raises(ValueError, match=r"filter|kind|type"):
        parse([text])


def test_a_long_value_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        parse(["name=" + "x" * (VALUE_MAX + 1)])


def test_types_are_taken_with_and_without_their_prefix() -> None:
    assert event_type("start") == event_type("container.start") == "container.start"
    assert parse([], ["stop,gap", "alert"]).types == {"container.stop", "gap", "alert"}


SCALARS = st.none() | st.integers() | st.text(max_size=5) | st.booleans()
ODD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
NAMES = ("type", "container", "start", "initiator", "orchestrator")


@given(
    st.lists(
        st.builds("{}={}".format, st.sampled_from(KEYS), st.text(min_size=1, max_size=20)),
        max_size=3,
    ),
    st.dictionaries(st.sampled_from(NAMES), ODD),
)
def test_any_filter_is_refused_or_looks_at_any_document(
    filters: list[str], document: dict[str, object]
) -> None:
    try:
        matches = parse(filters).matcher()
    except ValueError:
        return
    assert matches(document) in {True, False}


@given(st.text(max_size=300))
def test_any_text_is_a_filter_or_is_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse([text])


VERDICT = {
    "expected": True,
    "explanation": "change",
    "findings": ["wide-change"],
    "workload": "compose/shop/web",
    "change": "CHG-1,CHG-2",
}
UNEXPLAINED: dict[str, object] = {
    "expected": None, "explanation": None, "findings": [], "workload": None, "change": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "verdict", "fits"),
    [
        ("explanation=change", VERDICT, True),
        ("explanation=policy", VERDICT, False),
        ("explanation=none", VERDICT, False),
        ("explanation=none", UNEXPLAINED, True),
        ("expected=true", VERDICT, True),
        ("expected=false", VERDICT, False),
        ("expected=null", UNEXPLAINED, True),
        ("finding=wide-change", VERDICT, True),
        ("finding=forbidden", VERDICT, False),
        ("workload=compose/shop/*", VERDICT, True),
        ("workload=compose/*", UNEXPLAINED, False),
        ("change=CHG-2", VERDICT, True),
        ("change=CHG", VERDICT, False),
    ],
)
def test_verdicts_are_filtered(wanted: str, verdict: dict[str, object], *, fits: bool) -> None:
    document = {"type": "container.start", "container": {"id": "a"}, "verdict": verdict}
    assert parse([wanted]).matcher()(document) is fits


def test_a_pause_container_and_another_event_have_no_explanation_to_lack() -> None:
    pause = {"type": "container.start", "container": {"sandbox": True}, "verdict": UNEXPLAINED}
    other = {"type": "alert", "container": None, "verdict": UNEXPLAINED}
    for wanted in ("explanation=none", "expected=null"):
        assert not parse([wanted]).matcher()(other)
    assert not parse(["explanation=none"]).matcher()(pause)


@pytest.mark.parametrize("wrong", ["explanation=x", "expected=maybe", "finding=x"])
def test_a_value_that_no_verdict_has_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a value of "):
        parse([wrong])


@pytest.mark.parametrize(
    ("pair", "fits"),
    [
        ("pod=web-1", True),
        ("pod=shop/web-1", True),
        ("pod=shop/*", True),
        ("pod=test/web-1", False),
        ("owner=web", True),
        ("owner=Deployment/web", True),
        ("owner=shop/web", True),
        ("owner=StatefulSet/web", False),
        ("sandbox=no", True),
        ("sandbox=yes", False),
    ],
)
def test_pods_are_filtered_by_their_names_and_their_workloads(pair: str, fits: bool) -> None:
    event = {
        "type": "container.start",
        "container": {"id": "a", "name": "app", "sandbox": False},
        "orchestrator": {
            "namespace": "shop",
            "pod": "web-1",
            "owner": {"kind": "Deployment", "name": "web", "uid": None},
        },
    }
    assert parse([pair]).matcher()(event) is fits


def test_what_is_not_a_containers_event_is_not_a_sandboxs_either() -> None:
    assert parse(["sandbox=no"]).matcher()({"type": "gap", "container": None})
    with pytest.raises(ValueError, match="yes or no"):
        parse(["sandbox=maybe"])


ALERTED = {
    "type": "alert",
    "verdict": {"findings": []},
    "alert": {"finding": "burst", "severity": "high", "state": "update"},
}


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("finding=burst", True),
        ("finding=dormant", False),
        ("severity=high", True),
        ("severity=medium", True),
        ("severity=critical", False),
        ("state=update", True),
        ("state=new", False),
    ],
)
def test_alerts_are_filtered(wanted: str, *, fits: bool) -> None:
    matches = parse([wanted]).matcher()
    assert matches(ALERTED) is fits
    assert not matches({"type": "container.start", "verdict": None, "alert": None})


@pytest.mark.parametrize("wrong", ["severity=loud", "state=gone"])
def test_words_that_no_alert_has_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="use one of"):
        parse([wrong])
