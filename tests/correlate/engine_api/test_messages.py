"""The fields of protobuf messages, whole and cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.engine_api.calls import Action, PodReference
from sensor.correlate.engine_api.messages import (
    Named,
    is_complete,
    read,
    service_and_method,
    ttrpc_code,
)
from sensor.correlate.engine_api.methods import RPC_METHODS, rpc_method
from tests.correlate.engine_api.wire import ID, create_request, field, sandbox_request

RUN_POD = rpc_method("runtime.v1.RuntimeService/RunPodSandbox")
CREATE = rpc_method("runtime.v1.RuntimeService/CreateContainer")
START = rpc_method("runtime.v1.RuntimeService/StartContainer")


@settings(deadline=None)
@given(st.integers(0, 3000))
def test_a_cut_message_never_gives_a_part_of_a_name(cut: int) -> None:
    named = read(RUN_POD, sandbox_request("shop", "web-0", "u-1", 2)[:cut])
    pod = named.pod or PodReference(None, None, None)
    assert pod.name in ("web-0", None)
    assert pod.namespace in ("shop", None)
    assert pod.uid in ("u-1", None)
    assert named.attempt in (2, None)
    created = read(CREATE, create_request(ID, "app", 3)[:cut])
    assert created.targets in (("app",), ())
    assert created.sandbox in (ID, None)
    assert created.attempt in (3, None)


def test_an_attempt_that_is_left_out_is_zero() -> None:
    assert read(RUN_POD, sandbox_request("shop", "web-0", "u-1")).attempt == 0
    assert read(CREATE, create_request(ID, "app")).attempt == 0
    assert read(CREATE, b"").attempt is None


def test_an_id_is_complete_as_soon_as_it_is_whole() -> None:
    message = field(1, ID)
    assert is_complete(START, message)
    assert not is_complete(START, message[:-1])
    assert read(START, message[:-1]) == Named(Action.START)


def test_service_and_method_need_both_names() -> None:
    assert service_and_method(field(1, "a.B") + field(2, "C")) == "a.B/C"
    assert service_and_method(field(1, "a.B")) is None
    assert ttrpc_code(field(1, field(1, 7))) == 7


@settings(deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(sorted(RPC_METHODS)))
def test_any_message_is_survived(message: bytes, name: str) -> None:
    assert len(read(rpc_method(name), message).targets) <= 1
