"""ttrpc on a shim's or containerd's socket."""

from __future__ import annotations

import pytest

from sensor.correlate.engine_api.calls import Action, CallOutcome
from tests.correlate.engine_api.wire import ID, Watched, field, ttrpc, ttrpc_request


@pytest.mark.parametrize(
    ("service", "method", "action"),
    [
        ("containerd.task.v2.Task", "Create", Action.PREPARE),
        ("containerd.task.v2.Task", "Start", Action.START),
        ("containerd.task.v2.Task", "State", Action.NOTHING),
        ("containerd.services.events.ttrpc.v1.Events", "Forward", Action.NOTHING),
    ],
)
def test_ttrpc_is_read_by_service_and_method(service: str, method: str, action: Action) -> None:
    watched = Watched()
    (call,) = watched.write(ttrpc_request(1, service, method, field(1, ID)))
    assert (call.action, call.method) == (action, f"{service}/{method}")
    (answer,) = watched.answer(ttrpc(2, 1, field(1, field(1, 5) + field(2, "not found"))))
    assert (answer.number, answer.outcome, answer.status) == (call.number, CallOutcome.REFUSED, 5)


def test_a_ttrpc_request_in_two_segments_is_one_request() -> None:
    data = ttrpc_request(3, "containerd.task.v2.Task", "Start", field(1, ID))
    (call,) = Watched().write_each([data[:20], data[20:]])
    assert (call.action, call.targets) == (Action.START, (ID,))


def test_a_ttrpc_answer_without_a_status_is_accepted() -> None:
    watched = Watched()
    watched.write(ttrpc_request(1, "containerd.task.v2.Task", "Start", field(1, ID)))
    (answer,) = watched.answer(ttrpc(2, 1, field(2, field(1, 4711))))
    assert answer.outcome is CallOutcome.ACCEPTED
