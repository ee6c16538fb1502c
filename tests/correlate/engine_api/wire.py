"""Both ends of a connection to an engine, and what the probes copy of what they write."""

from __future__ import annotations

from collections.abc import Iterable

import h2.config
import h2.connection

from sensor.correlate.engine_api.calls import CallAnswer, EngineCall, Segment
from sensor.correlate.engine_api.connections import EngineCalls

ID = "0123456789abcdef" * 4
OTHER_ID = "fedcba9876543210" * 4
COPIED = 512
COPIED_OF_ANSWERS = 256


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: str | bytes | int) -> bytes:
    """One protobuf field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def sandbox_request(namespace: str, name: str, uid: str, attempt: int = 0) -> bytes:
    metadata = field(1, name) + field(2, uid) + field(3, namespace)
    if attempt:
        metadata += field(4, attempt)
    return field(1, field(1, metadata) + field(2, "host" * 500))


def create_request(sandbox: str, name: str, attempt: int = 0) -> bytes:
    metadata = field(1, name) + (field(2, attempt) if attempt else b"")
    return field(1, sandbox) + field(2, field(1, metadata) + field(2, "image" * 500))


def ttrpc(kind: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(4) + stream.to_bytes(4) + bytes([kind, 0]) + content


def ttrpc_request(stream: int, service: str, method: str, payload: bytes) -> bytes:
    return ttrpc(1, stream, field(1, service) + field(2, method) + field(3, payload))


class Watched:
    """One watched connection: bytes in, calls and answers out."""

    def __init__(self, calls: EngineCalls | None = None, number: int = 1) -> None:
        self.calls = calls if calls is not None else EngineCalls()
        self._number = number
        self._sent = 0
        self._answered = 0
        self.time = 0

    def write(self, data: bytes, copied: int = COPIED) -> tuple[EngineCall, ...]:
        """The client writes ``data`` at once."""
        self.time += 1
        segment = Segment(self.time, self._sent, data[:copied], cut=len(data) > copied)
        self._sent += len(data)
        return self.calls.sent(self._number, "owner", segment)

    def write_each(self, pieces: Iterable[bytes]) -> tuple[EngineCall, ...]:
        return tuple(call for piece in pieces for call in self.write(piece))

    def unseen(self, count: int) -> None:
        """The client writes bytes that the probes do not report."""
        self._sent += count

    def answer(self, data: bytes, copied: int = COPIED_OF_ANSWERS) -> tuple[CallAnswer, ...]:
        self.time += 1
        segment = Segment(self.time, self._answered, data[:copied], cut=len(data) > copied)
        self._answered += len(data)
        return self.calls.answered(self._number, segment)

    def answer_unseen(self, count: int) -> None:
        self._answered += count


class Grpc:
    """A gRPC client and server on h2, whose HPACK tables are real."""

    def __init__(self) -> None:
        self.client = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding=None)
        )
        self.server = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        self.client.initiate_connection()
        self.server.initiate_connection()

    def take(self) -> bytes:
        """What the client writes now."""
        data: bytes = self.client.data_to_send()
        self.server.receive_data(data)
        return data

    def take_answer(self) -> bytes:
        data: bytes = self.server.data_to_send()
        self.client.receive_data(data)
        return data

    def request(self, path: str, message: bytes, **more: str) -> int:
        stream: int = self.client.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("user-agent", "grpc-go/1.71.0"),
            ("te", "trailers"),
            *more.items(),
        ]
        self.client.send_headers(stream, headers)
        self.client.send_data(stream, prefixed(message), end_stream=True)
        return stream

    def accept(self, stream: int, message: bytes = b"") -> None:
        self.server.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        self.server.send_data(stream, prefixed(message))
        self.server.send_headers(
            stream, [("grpc-status", "0"), ("grpc-message", "")], end_stream=True
        )

    def refuse(self, stream: int, code: int) -> None:
        headers = [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", str(code)),
            ("grpc-message", "no such container"),
        ]
        self.server.send_headers(stream, headers, end_stream=True)


def prefixed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message
