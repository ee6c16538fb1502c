"""HTTP/2 (RFC 9113) in both directions: gRPC's calls, and Docker's API with prior knowledge.

gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md): a request is HEADERS with ``:path``, then DATA with a
prefix of five bytes. A unary answer is HEADERS, DATA, and HEADERS with ``grpc-status``; an error is
one HEADERS frame that ends the stream. Engines are Go programs, whose servers send a message only
with status 0: where the status stands in an unknown part of the dynamic table, the shape decides.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sensor.correlate.engine_api.calls import MESSAGE_MAX, Action, CallOutcome
from sensor.correlate.engine_api.http2_frames import Blocks, ids_in
from sensor.correlate.engine_api.messages import (
    EngineRequest,
    Named,
    answered_id,
    is_complete,
    read,
)
from sensor.correlate.engine_api.methods import http_method, is_rpc, rpc_method
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.engine_api.header_block import HeaderField
    from sensor.correlate.engine_api.methods import RpcMethod

STREAMS_MAX = 256
"""Streams of one connection whose request or answer is still incomplete; the oldest is ended."""

REQUEST_MAX = 1024
"""Bytes of a message that are read."""

ANSWER_MAX = 256
"""Bytes of an answer's message that are read."""

_PREFIX = 5
"""Bytes before a message of gRPC."""
_STATUS_MAX = 3
"""Digits of a status, of HTTP (RFC 9110 section 15) and of gRPC alike."""
_FINAL, _MULTIPLE, _NOT_MODIFIED = 200, 300, 304


@dataclass(slots=True)
class _Request:
    method: str | None
    rpc: RpcMethod | None
    message: bytearray = field(default_factory=bytearray)


class Http2Requests(Blocks):
    """The client's direction."""

    def __init__(self, found: Callable[[EngineRequest], None]) -> None:
        super().__init__()
        self._found = found
        self._waiting: OrderedDict[int, _Request] = OrderedDict()

    def headers(self, stream: int, fields: list[HeaderField], *, ends: bool) -> None:
        """Take a request's headers."""
        if stream in self._waiting:
            # Trailers of a request.
            self.ended(stream)
            return
        path, verb = _value(fields, ":path"), _value(fields, ":method")
        if path is not None and not is_rpc(path):
            http = http_method(verb or "", path)
            named = Named(http.action, http.targets)
            self._found(EngineRequest(stream, http.method, named, rpc=False))
            return
        rpc = rpc_method(path[1:]) if path is not None else None
        request = _Request(path[1:] if path is not None else None, rpc)
        if ends or (rpc is not None and is_complete(rpc, b"")):
            self._emit(stream, request)
            return
        self._waiting[stream] = request
        if len(self._waiting) > STREAMS_MAX:
            self._emit(*self._waiting.popitem(last=False))

    def data(self, stream: int, data: bytes) -> None:
        """Take bytes of a request's message."""
        request = self._waiting.get(stream)
        if request is None:
            return
        request.message += data[: REQUEST_MAX - len(request.message)]
        message = request.message
        whole = len(message) >= _PREFIX and len(message) >= _PREFIX + _length(message)
        named = request.rpc is not None and is_complete(request.rpc, bytes(message[_PREFIX:]))
        if whole or named or len(message) >= REQUEST_MAX:
            self.ended(stream)

    def ended(self, stream: int) -> None:
        """Report a request with what is known of it."""
        request = self._waiting.pop(stream, None)
        if request is not None:
            self._emit(stream, request)

    def flush(self) -> None:
        """Report all requests that wait for more bytes."""
        while self._waiting:
            self._emit(*self._waiting.popitem(last=False))

    def _emit(self, stream: int, request: _Request) -> None:
        message = bytes(request.message)
        plain = message[_PREFIX : _PREFIX + _length(message)] if message[:1] == b"\0" else b""
        if request.rpc is None:
            named = Named(Action.UNKNOWN, ids_in(plain))
        else:
            named = read(request.rpc, plain)
        self._found(EngineRequest(stream, request.method, named))


@dataclass(slots=True)
class _Answer:
    started: bool = False
    message: bytearray = field(default_factory=bytearray)


class Http2Answers(Blocks):
    """The engine's direction.

    ``is_rpc_call`` says of a stream whether its call is gRPC, None for a stream without a call.
    ``found`` takes the stream, the outcome, the status, the id and the message of the answer.
    """

    def __init__(
        self,
        is_rpc_call: Callable[[int], bool | None],
        found: Callable[[int, CallOutcome, int | None, str | None, str | None], None],
    ) -> None:
        super().__init__()
        self._is_rpc = is_rpc_call
        self._found = found
        self._open: OrderedDict[int, _Answer] = OrderedDict()

    def headers(self, stream: int, fields: list[HeaderField], *, ends: bool) -> None:
        """Take an answer's headers or trailers."""
        rpc = self._is_rpc(stream)
        if rpc is None:
            return
        status = _digits(_value(fields, ":status"))
        code = _digits(_value(fields, "grpc-status"))
        message = _value(fields, "grpc-message")
        if not rpc:
            if status is None or status >= _FINAL:
                self._found(stream, http_outcome(status), status, None, None)
            return
        answer = self._open.get(stream) or _Answer()
        if code is not None:
            self._finish(
                stream, CallOutcome.REFUSED if code else CallOutcome.ACCEPTED, code, message
            )
        elif status is not None and status >= _MULTIPLE:
            self._finish(stream, CallOutcome.REFUSED, None, message)
        elif ends and not answer.started:
            # One frame alone is an error: an answer without one has a message.
            self._finish(stream, CallOutcome.REFUSED, None, message)
        elif ends:
            self._finish(
                stream, CallOutcome.ACCEPTED if answer.message else CallOutcome.UNKNOWN, None
            )
        else:
            answer.started = True
            self._open[stream] = answer
            if len(self._open) > STREAMS_MAX:
                self._open.popitem(last=False)

    def data(self, stream: int, data: bytes) -> None:
        """Take bytes of an answer's message."""
        answer = self._open.get(stream)
        if answer is None and self._is_rpc(stream):
            # The headers were missed; a message is still an answer without an error.
            answer = self._open.setdefault(stream, _Answer(started=True))
        if answer is not None:
            answer.message += data[: ANSWER_MAX - len(answer.message)]

    def ended(self, stream: int) -> None:
        """Decide by what is known, since the trailers cannot be."""
        answer = self._open.get(stream)
        if answer is not None and answer.message:
            self._finish(stream, CallOutcome.ACCEPTED, None)

    def flush(self) -> None:
        """Decide all answers of which a message was seen."""
        for stream in list(self._open):
            self.ended(stream)
        self._open.clear()

    def _finish(
        self, stream: int, outcome: CallOutcome, code: int | None, said: str | None = None
    ) -> None:
        answer = self._open.pop(stream, None)
        message = bytes(answer.message) if answer is not None else b""
        plain = message[_PREFIX : _PREFIX + _length(message)] if message[:1] == b"\0" else b""
        made = answered_id(plain) if outcome is CallOutcome.ACCEPTED else None
        # gRPC percent-encodes what is not printable ASCII (PROTOCOL-HTTP2.md, Status-Message).
        refusal = unquote(said)[:MESSAGE_MAX] if said and outcome is CallOutcome.REFUSED else None
        self._found(stream, outcome, code, made, refusal)


def http_outcome(status: int | None) -> CallOutcome:
    """Return what an HTTP status means for a request to change a container's state."""
    if status is None:
        return CallOutcome.UNKNOWN
    if status == _NOT_MODIFIED:
        return CallOutcome.UNCHANGED
    return CallOutcome.ACCEPTED if status < _MULTIPLE else CallOutcome.REFUSED


def _length(message: bytes | bytearray) -> int:
    return int.from_bytes(message[1:_PREFIX])


def _value(fields: list[HeaderField], name: str) -> str | None:
    return next((one.value for one in fields if one.name == name), None)


def _digits(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _STATUS_MAX:
        return None
    return int(text)
