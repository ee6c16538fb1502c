"""ttrpc (containerd/ttrpc PROTOCOL.md) in both directions.

A frame has a header of ten bytes: length, stream id, type, flags. Its content is one protobuf
message: ``Request`` with service, method and payload, or ``Response`` with a status.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from sensor.correlate.engine_api.calls import Action, CallOutcome
from sensor.correlate.engine_api.http2_frames import ids_in
from sensor.correlate.engine_api.messages import (
    EngineRequest,
    Named,
    read,
    service_and_method,
    ttrpc_code,
    ttrpc_message,
    ttrpc_payload,
)
from sensor.correlate.engine_api.methods import rpc_method

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER_SIZE = 10

LENGTH_MAX = 4 << 20
"""Longest message that ttrpc allows (channel.go, messageLengthMax)."""

CONTENT_MAX = 1024
"""Bytes of a message that are read."""

REQUEST, RESPONSE, DATA = 1, 2, 3
_FLAGS_MAX = 7
_SERVICE_FIELD = b"\x0a"
"""How a ``Request`` begins: field 1, length-delimited (request.proto, ``string service = 1``)."""


def is_plausible(header: bytes) -> bool:
    """Whether ten bytes look like a frame's header. Client streams are odd."""
    return (
        len(header) == HEADER_SIZE
        and int.from_bytes(header[:4]) <= LENGTH_MAX
        and bool(int.from_bytes(header[4:8]) & 1)
        and header[8] in (REQUEST, RESPONSE, DATA)
        and header[9] <= _FLAGS_MAX
    )


def begins_request(data: bytes) -> bool:
    """Whether bytes begin with a frame's header and the first field of a ``Request``."""
    return is_plausible(data[:HEADER_SIZE]) and data[HEADER_SIZE:].startswith(_SERVICE_FIELD)


class _Frames(ABC):
    """Frames of one direction; only those of one type are read."""

    def __init__(self, kind: int) -> None:
        self._wanted = kind
        self._kind = 0
        self._stream = 0
        self._content = bytearray()

    def opens(self, header: bytes, *, sound: bool) -> int | None:
        """Take a frame's header."""
        del sound
        if not is_plausible(header):
            return None
        self._stream, self._kind = int.from_bytes(header[4:8]), header[8]
        self._content.clear()
        return int.from_bytes(header[:4])

    def content(self, data: bytes) -> None:
        """Take a piece of a frame."""
        self._content += data[: CONTENT_MAX - len(self._content)]

    def missing(self) -> None:
        """End the frame with what is known of it."""
        self.closes()

    def closes(self) -> None:
        """Take the end of a frame."""
        if self._kind == self._wanted:
            self.message(self._stream, bytes(self._content))

    def lost(self) -> None:
        """Nothing depends on frames that were missed."""
        return

    def may_miss(self, count: int) -> bool:
        """Whether so many bytes hold no request: a frame of any size may hold one."""
        del count
        return False

    @abstractmethod
    def message(self, stream: int, content: bytes) -> None:
        """Take as much of a message as is known."""


class TtrpcRequests(_Frames):
    """The client's direction."""

    def __init__(self, found: Callable[[EngineRequest], None]) -> None:
        super().__init__(REQUEST)
        self._found = found

    def message(self, stream: int, content: bytes) -> None:
        """Report a request."""
        method = service_and_method(content)
        if method is None:
            named = Named(Action.UNKNOWN, ids_in(content))
        else:
            named = read(rpc_method(method), ttrpc_payload(content))
        self._found(EngineRequest(stream, method, named))


class TtrpcAnswers(_Frames):
    """The server's direction.

    ``found`` takes the stream, the outcome, the code, no id, and the message of a refusal.
    """

    def __init__(
        self, found: Callable[[int, CallOutcome, int | None, str | None, str | None], None]
    ) -> None:
        super().__init__(RESPONSE)
        self._found = found

    def message(self, stream: int, content: bytes) -> None:
        """Report an answer."""
        code = ttrpc_code(content)
        outcome = CallOutcome.REFUSED if code else CallOutcome.ACCEPTED
        self._found(stream, outcome, code, None, ttrpc_message(content) if code else None)
