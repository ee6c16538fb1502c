"""An event reads the same with and without the parts of its text that no reading needs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.model.control_plane import ControlRecord, RecordRef
from sensor.sources.controlplane import kubernetes_record
from sensor.sources.controlplane.json_text import JsonInvalid, parse
from sensor.sources.controlplane.kubernetes_audit import head_of, is_event, parsed, read
from sensor.sources.controlplane.kubernetes_text import without_managed_fields, without_request
from tests.correlate.audit_log import SCENARIO

LINES = (SCENARIO / "audit.log").read_bytes().splitlines()
WHOLE = [line for line in LINES if b'"level":"RequestResponse"' in line]
REF = RecordRef("audit.log", 1)
FIELDS: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:image": {}}}}}
SIGNS = st.text(alphabet='}]{[",:\\f', max_size=12)
USER = {"username": "alice", "groups": ["system:authenticated"]}
NODE = {"username": "system:node:n1", "groups": ["system:nodes"]}


def pod(name: str | None = "web", fields: dict[str, Any] | None = None, **more: Any) -> Any:
    """Return a pod as an API server writes it."""
    metadata = {
        **({} if name is None else {"name": name}),
        "namespace": "shop",
        "uid": "u-1",
        "managedFields": [
            {"manager": more.pop("manager", "kubectl"), "fieldsV1": fields or FIELDS}
        ],
    }
    spec = {"containers": [{"name": "web", "image": "web:1", "env": more.pop("env", [])}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, **more}


def event(asked: Any, answer: Any, verb: str = "create", **parts: Any) -> bytes:
    """Return a line in the order and the spelling of the API server's log backend."""
    return json.dumps(
        {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "RequestResponse",
            "auditID": "1",
            "stage": "ResponseComplete",
            "requestURI": "/api/v1/namespaces/shop/pods",
            "verb": verb,
            "user": parts.get("user", USER),
            "sourceIPs": ["203.0.113.9"],
            "userAgent": "kubectl",
            "objectRef": {"resource": "pods", "namespace": "shop", **parts.get("target", {})},
            "responseStatus": {"code": parts.get("code", 201)},
            "requestObject": asked,
            "responseObject": answer,
            "requestReceivedTimestamp": "2026-03-02T10:00:00.000000Z",
            "stageTimestamp": "2026-03-02T10:00:00.100000Z",
        },
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


def record(line: bytes, *, whole: bool) -> object:
    """Return the record of a line, by its whole text or without what is not needed."""
    value, who = (parse(line), None) if whole else parsed(line, head_of(line))
    assert is_event(value)
    return kubernetes_record.record(read(value, who=who), REF)


def agrees(line: bytes) -> None:
    assert record(line, whole=False) == record(line, whole=True)


@pytest.mark.parametrize("number", range(0, len(WHOLE), 40))
def test_the_recorded_events_read_the_same(number: int) -> None:
    for line in WHOLE[number : number + 40]:
        agrees(line)


def test_what_is_not_needed_is_left_out() -> None:
    line = event(pod(), pod())
    value, who = parsed(line, head_of(line))
    assert who is not None
    assert is_event(value)
    assert "requestObject" not in value
    assert value["responseObject"]["spec"] == pod()["spec"]
    assert set(value["responseObject"]["metadata"]) == {"name", "namespace", "uid"}


@pytest.mark.parametrize(
    "line",
    [
        event(pod(), {"kind": "Status", "status": "Failure", "code": 409}, code=409),
        event(pod(), {"kind": "Pod", "status": "Failure"}, code=409),
        event(pod(None), pod(None)),
        event({"kind": "Pod", "metadata": {"generateName": "web-"}}, pod(None)),
        event({"kind": "Scale", "spec": {"replicas": 3}}, {"kind": "Scale"}),
        event(pod(), pod(), user=NODE),
        event(pod("mirror"), {"kind": "Binding", "metadata": {"name": "b"}}, user=NODE),
        event(
            {"kind": "Binding", "target": {"name": "n1"}},
            {"kind": "Pod", "metadata": {"name": "web"}},
            target={"subresource": "binding"},
        ),
        event({"spec": {"containers": [{"name": "web", "image": "web:2"}]}}, pod(), verb="patch"),
        event(pod(), pod(), verb="update"),
        event([], pod()),
        event("skipped-too-big-size-object", pod()),
        event(pod(), None),
        event(None, pod()),
        event({"responseObject": {"kind": "x"}}, pod()),
        event({"metadata": {"x": 1, "responseObject": {"kind": "Pod"}}}, pod("other")),
        event({"x": 1, "responseObject": {"kind": "Pod", "metadata": {"name": "b"}}}, pod()),
        event(pod(), {"kind": "PodList", "items": [pod(), pod("b")]}),
    ],
)
def test_a_create_reads_the_same_without_its_request(line: bytes) -> None:
    agrees(line)


def test_a_text_of_a_client_ends_no_cut() -> None:
    """Names of environment variables and of drivers' attributes are any text."""
    for name in ("}]}", '}]},"spec":{"', '}],"managedFields":[', "}]}},", '"}]}', "\\}]}", ':"}]}'):
        fields: dict[str, Any] = {
            "f:spec": {"f:env": {f'k:{{"name":"{name}"}}': {}, f"f:{name}": {}}}
        }
        for manager in ("kubectl", name):
            changed = pod(fields=fields, env=[{"name": name, "value": ":"}], manager=manager)
            agrees(event(changed, changed))
            agrees(event(changed, changed, verb="update"))


CHANGE = {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}


@pytest.mark.parametrize("fields", [[], [{}], [{}, 1], [[]], [{"x": [{}]}], "[{", {}, None])
@pytest.mark.parametrize("more", [{}, {"labels": {}}])
def test_a_patch_hides_nothing_behind_managed_fields(fields: Any, more: dict[str, Any]) -> None:
    """A client may send any list under that name; an empty one clears those of the object."""
    patch = {"metadata": {"uid": "u-1", "managedFields": fields, **more}, **CHANGE}
    for verb in ("patch", "update", "create"):
        line = event(patch, pod(), verb=verb, code=200)
        agrees(line)
        agrees(line.replace(b'"responseObject":{', b'"responseObject":{"managedFields":[{}],'))
    made = record(event(patch, pod(), verb="patch", code=200), whole=False)
    assert isinstance(made, ControlRecord)
    assert [item.image for item in made.request.containers] == ["web:2"]


def test_a_list_that_ends_otherwise_is_not_left_out() -> None:
    """No API server writes these; a collector may write what it got in its own way."""
    line = event(pod(), pod(), verb="update")
    for end in (b"} ]},", b"},1]},", b"},null]},"):
        odd = line.replace(b"}]},", end)
        assert odd != line
        agrees(odd)


def test_a_patch_hides_nothing_behind_an_answer_of_its_own() -> None:
    """Where a policy keeps requests only, a client may send what looks like an answer."""
    own = {"kind": "Pod", "metadata": {"uid": "u-1", "managedFields": [{}, 1]}, **CHANGE}
    for patch in (
        {"x": 1, "responseObject": own, **CHANGE},
        {"x": {"y": 1, "responseObject": own}},
    ):
        line = event(patch, None, verb="patch", code=200).replace(b'"responseObject":null,', b"")
        agrees(line)
    flat = {"x": 1, "responseObject": {"kind": "a", "b": 1, "managedFields": [{}, 1]}, **CHANGE}
    line = event(flat, None, verb="patch", code=200).replace(b'"responseObject":null,', b"")
    agrees(line)


@given(name=SIGNS, manager=SIGNS, value=SIGNS, verb=st.sampled_from(["create", "update"]))
@settings(deadline=None)
def test_any_texts_read_the_same(name: str, manager: str, value: str, verb: str) -> None:
    fields: dict[str, Any] = {
        "f:spec": {f"f:{name}": {}, f'k:{{"name":{json.dumps(name)}}}': {".": {}}}
    }
    odd = pod(fields=fields, env=[{"name": name, "value": value}], manager=manager, status={})
    agrees(event(odd, odd, verb=verb))
    agrees(event(odd, {**odd, value or "x": [{name: value}]}, verb=verb))


@given(st.data())
@settings(deadline=None)
def test_a_damaged_event_is_refused_or_reads_the_same(data: st.DataObject) -> None:
    """What stands in a part that is left out is not checked: it may be damaged unseen."""
    line = event(pod(), pod())
    at = data.draw(st.integers(0, len(line) - 1))
    damaged = line[:at] + data.draw(st.binary(max_size=3)) + line[at + 1 :]
    try:
        value, _ = parsed(damaged, head_of(damaged))
    except JsonInvalid:
        with pytest.raises(JsonInvalid):
            parse(damaged)
        return
    try:
        parse(damaged)
    except JsonInvalid:
        return
    if is_event(value):
        agrees(damaged)


def test_lines_without_these_parts_stay_as_they_are() -> None:
    plain = b'{"a":1}'
    assert without_managed_fields(plain) is plain
    for cut in (b'{"a":1,"managedFields":[{}]}', event(pod(), pod())[:-300]):
        assert without_managed_fields(cut[: cut.find(b"}]")]) == cut[: cut.find(b"}]")]
    asked = event(pod(), None)
    assert without_managed_fields(asked) is asked
    assert without_request(plain, b"create") is plain
    assert without_request(event(pod(), pod()), b"update") == event(pod(), pod())
