"""What is skipped without decoding concerns no container: the full decoder is the judge."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.model.control_plane import ControlRecord
from sensor.sources.controlplane.json_text import JsonInvalid, parse
from sensor.sources.controlplane.kubernetes_audit import is_event, skim
from sensor.sources.controlplane.reader import Reader, concerns_containers, read
from tests.correlate.audit_log import SCENARIO

PLENTY = settings(max_examples=600, deadline=None)
LINES = (SCENARIO / "audit.log").read_bytes().splitlines()
SHORT = [line for line in LINES if len(line) < 3000]


def event(verb: str, uri: str, target: dict[str, Any] | None, **parts: Any) -> bytes:
    """Return a line in the order and the spelling of the API server's log backend."""
    value = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": parts.get("audit_id", "1"),
        "stage": parts.get("stage", "ResponseComplete"),
        "requestURI": uri,
        "verb": verb,
        "user": parts.get("user", {"username": "mallory", "groups": ["system:authenticated"]}),
        "sourceIPs": ["203.0.113.9"],
        "userAgent": parts.get("agent", "curl"),
        **({} if target is None else {"objectRef": target}),
        "responseStatus": {"code": 201},
        "requestObject": parts.get("body", {}),
        "responseObject": parts.get("answer", {}),
        "requestReceivedTimestamp": "2026-03-02T10:00:00.000000Z",
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def of(resource: str, subresource: str | None = None, name: str = "x") -> dict[str, Any]:
    more = {} if subresource is None else {"subresource": subresource}
    return {"resource": resource, "namespace": "shop", "name": name, "apiVersion": "v1", **more}


def concerned(line: bytes) -> bool:
    """Return whether the full decoder finds that a line concerns containers."""
    found = list(read([line + b"\n"], Reader("audit.log", whole=True)))
    return any(isinstance(one, ControlRecord) and concerns_containers(one) for one in found)


def agrees(line: bytes) -> None:
    """Check that what is skipped concerns no container. A line that is not an event is refused."""
    if skim(line) is None:
        return
    try:
        value = parse(line)
    except JsonInvalid:
        return
    assert not is_event(value) or not concerned(line)


def test_reads_leases_and_statuses_are_skipped_by_their_operation() -> None:
    assert skim(event("get", "/api/v1/namespaces/shop/pods/x", of("pods"))) == "get pods"
    assert skim(event("update", "/apis/coordination.k8s.io/v1/", of("leases"))) == "update leases"
    status = event("patch", "/apis/apps/v1/", of("deployments", "status"))
    assert skim(status) == "patch deployments/status"
    assert skim(event("get", "/version", None)) == "get -"


def test_events_of_a_posted_list_are_skipped_as_those_of_a_log_are() -> None:
    """They have no kind of their own."""
    head = b'"kind":"Event","apiVersion":"audit.k8s.io/v1",'
    for verb, target in (("update", of("leases")), ("get", of("pods")), ("create", of("pods"))):
        line = event(verb, "/", target)
        assert skim(line.replace(head, b"")) == skim(line)
    leases = event("update", "/", of("leases")).replace(head, b"")
    pods = event("create", "/", of("pods")).replace(head, b"")
    listed = b'{"kind":"EventList","items":[' + leases + b"," + pods + b"]}"
    reader = Reader("push")
    (found,) = read([listed], reader)
    assert isinstance(found, ControlRecord)
    assert found.request.ref is not None
    assert (found.request.ref.line, found.request.ref.item) == (1, 1)
    assert (reader.counts.records, reader.counts.skipped["update leases"]) == (2, 1)


def test_an_escape_in_an_id_or_in_a_uri_is_skipped_all_the_same() -> None:
    for text in ('a"b', "a\\", '","stage":"Panic","requestURI":"/","verb":"create"'):
        line = event("get", "/" + text, of("leases"), audit_id=text)
        assert skim(line) == "get leases"
    # Here the quote that ends the id is escaped: the line is broken, and counted as that.
    assert (
        skim(event("get", "/", of("leases")).replace(b'"auditID":"1"', b'"auditID":"1\\"')) is None
    )


def test_an_encoded_uri_hides_no_pod() -> None:
    for uri in (
        "/api/v1/namespaces/shop/%70ods",
        "//api/v1/namespaces/shop/pods",
        "/api/v1/names%70aces/shop/pods/",
    ):
        assert skim(event("create", uri, of("pods"))) is None


def test_a_workload_with_the_name_of_a_part_is_read() -> None:
    uri = "/apis/apps/v1/namespaces/shop/deployments/status"
    assert skim(event("patch", uri, of("deployments", name="status"))) is None


def test_a_name_that_ends_like_an_object_hides_nothing() -> None:
    name = 'x","subresource":"status"}'
    assert skim(event("patch", "/", of("deployments", name=name))) is None


def test_keys_that_stand_twice_are_left_to_the_decoder() -> None:
    line = event("get", "/", of("leases"))
    for more in (b'"verb":"create"', b'"stage":"Panic"', b'"objectRef":{"resource":"pods"}'):
        assert skim(line) is not None
        assert skim(line[:-1] + b"," + more + b"}") is None
    inside = line.replace(b'"resource":"leases"', b'"resource":"leases","resource":"pods"')
    assert skim(inside) is None


WORDS = st.sampled_from(
    [
        "pods",
        "status",
        "leases",
        '"verb":"get"',
        '"objectRef":{"resource":"leases"}',
        '\\","objectRef":{"resource":"leases"},"x":"',
        '"},"objectRef":{"resource":"leases"',
        "}",
        "{",
        "\\",
        '"',
        "é",
        "\x7f",
        "//",
        "%70ods",
        "?x=",
    ]
)
TEXTS = st.lists(WORDS, max_size=5).map("".join)
VALUES = st.recursive(
    TEXTS | st.none() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)
WANTED = st.sampled_from(
    [
        of("pods"),
        of("pods", "status"),
        of("pods", "binding"),
        of("pods", "exec"),
        of("pods", "ephemeralcontainers"),
        of("deployments"),
        of("deployments", "scale"),
        of("deployments", "status"),
        of("cronjobs", "status"),
        of("nodes"),
        of("leases"),
    ]
)


@PLENTY
@given(st.data())
def test_whatever_a_client_may_choose_no_call_that_concerns_containers_is_skipped(
    data: st.DataObject,
) -> None:
    target = {**data.draw(WANTED), "name": data.draw(TEXTS)}
    user = {"username": data.draw(TEXTS), "extra": {data.draw(TEXTS): [data.draw(TEXTS)]}}
    agrees(
        event(
            data.draw(st.sampled_from(["create", "patch", "update", "delete", "get"])),
            "/" + data.draw(TEXTS),
            target,
            audit_id=data.draw(TEXTS),
            stage=data.draw(st.sampled_from(["RequestReceived", "ResponseComplete", "Panic"])),
            user=user,
            agent=data.draw(TEXTS),
            body={"spec": data.draw(VALUES), "replicas": 2},
            answer={"kind": "Deployment", "spec": data.draw(VALUES)},
        )
    )


@PLENTY
@given(st.data())
def test_a_line_that_was_cut_and_pasted_is_skipped_only_where_the_decoder_agrees(
    data: st.DataObject,
) -> None:
    line = data.draw(st.sampled_from(SHORT))
    for _ in range(data.draw(st.integers(1, 3))):
        other = data.draw(st.sampled_from(SHORT))
        at = data.draw(st.integers(0, len(line)))
        start = data.draw(st.integers(0, len(other)))
        end = data.draw(st.integers(start, min(len(other), start + 400)))
        line = line[:at] + other[start:end] + line[at + data.draw(st.integers(0, 60)) :]
    agrees(line)


@PLENTY
@given(st.data())
def test_a_key_more_at_any_place_is_skipped_only_where_the_decoder_agrees(
    data: st.DataObject,
) -> None:
    line = data.draw(st.sampled_from(SHORT))
    places = [at for at in range(len(line)) if line[at : at + 2] in (b'{"', b',"')]
    key = data.draw(st.sampled_from(["verb", "stage", "objectRef", "resource", "subresource"]))
    value = data.draw(st.sampled_from(["create", "pods", "status", of("pods"), None]))
    at = data.draw(st.sampled_from(places)) + 1
    more = f'"{key}":{json.dumps(value, separators=(",", ":"))},'.encode()
    agrees(line[:at] + more + line[at:])
