"""The few protobuf fields of a request that name a container or a pod.

The wire format is protobuf's (protobuf.dev/programming-guides/encoding). A message may be cut at
its end: a nested message across the cut is read as far as it is known, a text across it is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.engine_api.calls import Action, PodReference
from sensor.correlate.engine_api.methods import Subject
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.engine_api.methods import RpcMethod

FIELDS_MAX = 64
"""Fields of one message that are looked at."""

TEXT_MAX = 512
"""Longest text that is taken from a message, in bytes."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_BYTES = 10
_CONTINUES = 0x80
_INT32_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Named:
    """What a request message names. ``action`` is not the method's where an exec is started."""

    action: Action
    targets: tuple[str, ...] = ()
    pod: PodReference | None = None
    sandbox: str | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """A request that was read from a stream; ``rpc`` is false for Docker's API over HTTP/2."""

    stream: int
    method: str | None
    named: Named
    rpc: bool = True


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    value: int | bytes
    whole: bool = True


_ABSENT = _Field(0, b"")


def read(method: RpcMethod, message: bytes) -> Named:
    """Read what a request of that method names from as much of its message as is known."""
    action = method.action
    if method.subject is Subject.NOTHING:
        return Named(action)
    if method.subject is Subject.SANDBOX_CONFIG:
        return _sandbox(action, _nested(_nested(_Field(0, message), 1), 1))
    if method.subject is Subject.CRI_CREATE:
        metadata = _nested(_nested(_Field(0, message), 2), 1)
        name = _text(metadata, 1)
        return Named(
            action,
            targets=(name,) if name else (),
            sandbox=_text(_Field(0, message), 1),
            attempt=_number(metadata, 2),
        )
    request = _Field(0, message)
    if method.subject is Subject.CONTAINER_RECORD:
        request = _nested(request, 1)
    target = _text(request, 1)
    if method.subject is Subject.TASK_PROCESS and _text(request, 2):
        action = Action.NOTHING
    return Named(action, targets=(target,) if target else ())


def is_complete(method: RpcMethod, message: bytes) -> bool:
    """Whether more bytes of the message could not change what :func:`read` returns.

    True for a message that names one container in its first field and nothing behind it counts.
    """
    if method.subject is Subject.NOTHING:
        return True
    return method.subject is Subject.CONTAINER and _text(_Field(0, message), 1) is not None


def answered_id(message: bytes) -> str | None:
    """Return the id that an answer to ``RunPodSandbox`` or ``CreateContainer`` gives: field 1."""
    return _text(_Field(0, message), 1)


def service_and_method(request: bytes) -> str | None:
    """Return ``service/method`` of a ttrpc request (containerd/ttrpc request.proto)."""
    whole = _Field(0, request)
    service, method = _text(whole, 1), _text(whole, 2)
    return f"{service}/{method}" if service and method else None


def ttrpc_payload(request: bytes) -> bytes:
    """Return as much of a ttrpc request's payload (field 3) as is known."""
    value = _nested(_Field(0, request), 3).value
    return value if isinstance(value, bytes) else b""


def ttrpc_code(response: bytes) -> int:
    """Return the gRPC code of a ttrpc response: its field 1 is a status, absent if OK."""
    return _number(_nested(_Field(0, response), 1), 1) or 0


def ttrpc_message(response: bytes) -> str | None:
    """Return the message of a ttrpc response's status, None when absent or cut."""
    return _text(_nested(_Field(0, response), 1), 2)


def _sandbox(action: Action, metadata: _Field) -> Named:
    pod = PodReference(
        namespace=_text(metadata, 3), name=_text(metadata, 1), uid=_text(metadata, 2)
    )
    known = pod.name or pod.uid
    return Named(action, pod=pod if known else None, attempt=_number(metadata, 4))


def _nested(message: _Field, number: int) -> _Field:
    """Return the first field of that number as a message, as far as it is known."""
    for field in _fields(message):
        if field.number == number and isinstance(field.value, bytes):
            return field
    return _ABSENT


def _text(message: _Field, number: int) -> str | None:
    """Return the first field of that number as text, None when absent, empty, cut or too long."""
    field = _nested(message, number)
    if not field.whole or not isinstance(field.value, bytes) or len(field.value) > TEXT_MAX:
        return None
    return field.value.decode("utf-8", "surrogateescape") or None


def _number(message: _Field, number: int) -> int | None:
    """Return an int32 field; proto3 leaves out a zero, so only a whole message proves one."""
    for field in _fields(message):
        if field.number == number and isinstance(field.value, int):
            return field.value if field.value <= _INT32_MAX else None
    return 0 if message.whole and message is not _ABSENT else None


def _fields(message: _Field) -> Iterator[_Field]:
    data = message.value
    if not isinstance(data, bytes):
        return
    position = 0
    for _ in range(FIELDS_MAX):
        tag, position = _varint(data, position)
        if tag is None:
            return
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            if value is None:
                return
            yield _Field(number, value)
        elif kind == _BYTES:
            length, position = _varint(data, position)
            if length is None:
                return
            end = position + length
            yield _Field(number, data[position:end], end <= len(data))
            position = end
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
        else:
            return


def _varint(data: bytes, position: int) -> tuple[int | None, int]:
    value = 0
    for index, byte in enumerate(data[position : position + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < _CONTINUES:
            return value, position + index + 1
    return None, position
