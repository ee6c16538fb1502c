"""What an event says of its client is taken apart only where that changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.model.control_plane import ActorKind
from sensor.sources.controlplane.json_text import JsonInvalid, parse
from sensor.sources.controlplane.kubernetes_audit import head_of, parsed, read
from sensor.sources.controlplane.kubernetes_caller import MEMBERS, actor, caller, caller_in
from sensor.sources.controlplane.kubernetes_text import without_managed_fields, without_request
from tests.correlate.audit_log import SCENARIO

PLENTY = settings(max_examples=1500, deadline=None)
LINES = [
    line
    for line in (SCENARIO / "audit.log").read_bytes().splitlines()
    if len(line) < 5000 and head_of(line) is not None
]
BEGIN, END = b',"user":{', b',"objectRef":{'
LINE = (
    b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"1","stage":'
    b'"ResponseComplete","requestURI":"/","verb":"create","user":{"username":"ada","groups":'
    b'["dev"]},"sourceIPs":["203.0.113.9"],"userAgent":"kubectl","objectRef":{"resource":"pods"},'
    b'"requestObject":{}}'
)
FRAGMENTS = [
    BEGIN,
    END,
    b',"user":{"username":"eve"}',
    b',"sourceIPs":["198.51.100.1"]',
    b',"stage":"Panic"',
    b',"x":[1,{"user":{}}',
    b'{"a":',
    b'"',
    b"\\",
    b'\\"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\xff",
    b"NaN",
    b"9" * 5000,
]


def takes_nothing_from(line: bytes) -> bool:
    """Check a line against the parser alone; return whether its client was taken apart."""
    head = head_of(line)
    try:
        whole = parse(line)
    except JsonInvalid:
        if unneeded(line):
            return False
        with pytest.raises(JsonInvalid):
            parsed(line, head)
        return False
    rest, who = parsed(line, head)
    if who is None:
        assert rest == whole
        return False
    assert isinstance(whole, dict)
    assert isinstance(rest, dict)
    assert who == caller(whole)
    left = {key: value for key, value in whole.items() if key not in MEMBERS}
    if "requestObject" not in rest:
        left.pop("requestObject", None)
    assert unmanaged(rest) == unmanaged(left)
    return True


def unneeded(line: bytes) -> bool:
    """Return whether a line holds parts that may be left out, and damaged unseen."""
    return without_managed_fields(without_request(line, b"create")) != line


def unmanaged(value: Any) -> Any:
    """Return a value without managed fields, which may be left out."""
    if isinstance(value, list):
        return [unmanaged(one) for one in value]
    if isinstance(value, dict):
        return {key: unmanaged(one) for key, one in value.items() if key != "managedFields"}
    return value


def test_most_events_of_a_log_have_their_client_apart() -> None:
    assert all(takes_nothing_from(line) for line in LINES if BEGIN in line and END in line)


def test_an_event_reads_the_same_with_its_client_apart() -> None:
    rest, who = parsed(LINE, head_of(LINE))
    whole: Any = json.loads(LINE)
    assert isinstance(rest, dict)
    assert "user" not in rest
    assert read(rest, who=who) == read(whole)


@pytest.mark.parametrize(
    "more",
    [
        b'"user":{"username":"eve"}',
        b'"sourceIPs":["198.51.100.1"]',
        b'"userAgent":"curl"',
        b'"impersonatedUser":{"username":"eve"}',
    ],
)
def test_a_key_that_stands_again_behind_the_object_counts(more: bytes) -> None:
    line = LINE[:-1] + b"," + more + b"}"
    assert not takes_nothing_from(line)
    before = LINE.replace(b'"stage"', more + b',"stage"', 1)
    assert not takes_nothing_from(before)


def test_what_is_no_client_is_not_hidden_among_it() -> None:
    for more in (b'"stage":"Panic"', b'"responseStatus":{"code":403}'):
        assert not takes_nothing_from(LINE.replace(END, b"," + more + END, 1))


def test_an_object_of_a_call_inside_of_a_client_cuts_nothing() -> None:
    inside = b'"extra":{"a":["b"],"objectRef":{"resource":"leases"}},"groups"'
    assert not takes_nothing_from(LINE.replace(b'"groups"', inside, 1))


@PLENTY
@given(st.data())
def test_no_damage_to_a_line_is_hidden_and_none_is_made(data: st.DataObject) -> None:
    line = data.draw(st.sampled_from([LINE, *LINES]))
    for _ in range(data.draw(st.integers(1, 3))):
        marks = [at for at, byte in enumerate(line) if byte in b',:{}[]"']
        at = data.draw(st.sampled_from(marks)) + data.draw(st.integers(0, 1))
        gone = data.draw(st.sampled_from([0, 0, 1, 9]))
        line = line[:at] + data.draw(st.sampled_from([b"", *FRAGMENTS])) + line[at + gone :]
    takes_nothing_from(line)


def test_long_texts_about_a_client_are_not_kept() -> None:
    members = b'"user":{"username":"ada"},"userAgent":"%b"'
    assert caller_in(members % b"kubectl") is not None
    assert caller_in(members % (b"x" * 4096)) is None
    assert caller_in(members[:-1] % b"kubectl") is None


def test_the_same_client_is_the_same_object() -> None:
    first, second = (caller(json.loads(LINE)) for _ in range(2))
    assert first.actor is second.actor
    assert first.addresses is second.addresses


def test_an_actor_has_a_kind_and_no_name_makes_none() -> None:
    node = actor("system:node:n1", ("system:nodes",))
    assert node is not None
    assert node.kind is ActorKind.NODE
    assert actor(None) is None
