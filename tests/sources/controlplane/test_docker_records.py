"""Calls in the debug log of dockerd, as versions 20 and 28 write them; bodies are never read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.model.control_plane import ControlRecord, Effect, RecordRef, Standing
from sensor.sources.controlplane.docker_records import (
    is_debug_line,
    read_event,
    read_line,
    read_object,
)

REF = RecordRef("dockerd.log", 1)
TIME = 'time="2026-03-02T09:15:27.328983302Z" level=debug '
ID = "4c5d" * 16


def new(method: str, url: str, form: str = "") -> str:
    """Return a line of version 28. A value with other letters than those of a path is quoted."""
    quoted = f'"{url}"' if set(url) & set('?=%&"') else url
    body = f"form-data={form} " if form else ""
    return (
        f'{TIME}msg="handling {method} request" {body}method={method} module=api'
        f' request-url={quoted} vars="map[version:1.48]"'
    )


def old(method: str, url: str) -> str:
    return f'{TIME}msg="Calling {method} {url}"'


def called(line: str) -> ControlRecord | None:
    assert is_debug_line(line.encode())
    return read_line(line.encode(), REF)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/containers/{ID}/start"),
        ("POST", "/containers/web/restart?t=5"),
        ("POST", "/containers/create?name=web"),
        ("POST", "/containers/web/stop"),
        ("POST", f"/exec/{ID}/start"),
        ("GET", "/containers/json?all=1"),
        ("GET", "/info"),
    ],
)
def test_both_forms_of_a_call_read_alike(method: str, path: str) -> None:
    before, after = called(old(method, "/v1.41" + path)), called(new(method, "/v1.48" + path))
    assert before is not None
    assert before == after


def test_a_start_is_a_request() -> None:
    found = called(new("POST", "/v1.48/containers/web/start"))
    assert found is not None
    assert (found.standing, found.request.effect) == (Standing.REQUESTED, Effect.START)
    assert found.request.action == "POST /containers/{id}/start"


@pytest.mark.parametrize(
    ("query", "effect"),
    [("", Effect.NONE), ("?v=1&force=1", Effect.STOP), ("?force=0", Effect.NONE)],
)
def test_a_container_that_is_removed_by_force_is_stopped(query: str, effect: Effect) -> None:
    found = called(old("DELETE", f"/v1.41/containers/web{query}"))
    assert found is not None
    assert (found.request.action, found.request.effect) == ("DELETE /containers/{id}", effect)
    assert found.request.workload is not None
    assert found.request.workload.name == "web"


def test_a_body_is_no_part_of_the_record_and_names_no_other_call() -> None:
    form = (
        r'"{\"Env\":[\"TOKEN=s3cret\"],\"x\":\" method=DELETE request-url=/containers/db/kill\"}"'
    )
    found = called(new("POST", "/v1.48/containers/create?name=web", form))
    assert found is not None
    assert found.request.effect is Effect.CREATE
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        'msg="form data: {\\"Env\\":[]}"',
        'msg="handling POST request"',
        'msg="handling POST request" method=POST module=api',
        'msg="handling POST request" form-data="{ method=POST request-url=/containers/a/start',
        'msg="something else" method=POST request-url=/containers/a/start',
    ],
)
def test_every_other_line_is_none_of_ours(line: str) -> None:
    assert called(TIME + line) is None


@given(st.text(alphabet='ab= "\\/-', max_size=60))
def test_any_fields_are_walked_to_their_end(fields: str) -> None:
    called(f'{TIME}msg="handling POST request" {fields}')


@pytest.mark.parametrize("query", ["", "?t=5"])
def test_a_log_in_json_reads_as_the_one_in_text(query: str) -> None:
    url, stamp = f"/v1.48/containers/web/start{query}", "2026-03-02T09:15:27.328983302Z"
    said = {"level": "debug", "time": stamp, "form-data": {"Env": ["TOKEN=x"]}}
    one = read_object(said | {"msg": f"Calling POST {url}"}, REF)
    other = read_object(
        said | {"msg": "handling POST request", "method": "POST", "request-url": url}, REF
    )
    text = called(new("POST", url))
    assert text is not None
    assert one is not None
    assert other == text
    assert (one.standing, one.request.action) == (text.standing, text.request.action)


@pytest.mark.parametrize(
    "value",
    [
        {"level": "info", "msg": "Calling POST /containers/web/start", "time": "t"},
        {"level": "debug", "msg": "Calling POST /containers/web/start"},
        {"level": "debug", "msg": "I was Calling POST /x", "time": "t"},
        {"level": "debug", "msg": "handling POST request", "time": "t"},
    ],
)
def test_other_objects_are_no_calls(value: dict[str, object]) -> None:
    assert read_object(value, REF) is None


@pytest.mark.parametrize("kind", ["container", "service"])
def test_an_event_with_the_second_alone_has_that_time(kind: str) -> None:
    """``timeNano`` may have been left out by what carried the event on."""
    actor = {"ID": "abc", "Attributes": {"name": "web"}}
    one = read_event({"Type": kind, "Action": "create", "Actor": actor, "time": 1_790_000_000}, REF)
    assert one is not None
    assert one.request is not None
    assert one.request.requested == 1_790_000_000 * 10**9


@pytest.mark.parametrize(
    ("action", "attributes", "reads"),
    [
        ("create", {}, (Standing.RELATED, Effect.START)),
        ("remove", {}, (Standing.NO, Effect.STOP)),
        (
            "update",
            {"replicas.new": "3", "replicas.old": "1"},
            (Standing.RELATED, Effect.SCALE_UP),
        ),
        ("update", {"replicas.new": "1", "replicas.old": "3"}, (Standing.NO, Effect.SCALE_DOWN)),
        ("update", {"image.new": "web:2"}, (Standing.RELATED, Effect.ROLLOUT)),
        ("update", {"updatestate.new": "completed"}, (Standing.NO, Effect.NONE)),
    ],
)
def test_a_service_of_swarm_is_what_containers_come_from(
    action: str, attributes: dict[str, str], reads: tuple[Standing, Effect]
) -> None:
    actor = {"ID": "0f", "Attributes": {"name": "web", **attributes}}
    one = read_event({"Type": "service", "Action": action, "Actor": actor, "timeNano": 1}, REF)
    assert (one.standing, one.request.effect) == reads
    workload = one.request.workload
    assert workload is not None
    assert (workload.kind, workload.name) == ("Service", "web")
