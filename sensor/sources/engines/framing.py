"""Cut a stream of bytes into gRPC messages, within a bound; pure, no I/O.

What is longer than the limit is skipped to its end and counted, never kept.
"""

from __future__ import annotations

from sensor.sources.engines.session import EngineLost

_GRPC_PREFIX = 5
"""gRPC over HTTP/2, "Length-Prefixed-Message": one byte of flags, four of length, big-endian."""


class MessageSplitter:
    """Messages of one gRPC call, without their prefix."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._skip = 0
        self.oversized = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived and return the messages that are whole now.

        :raises EngineLost: a compressed message, which was not asked for.
        """
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._rest += memoryview(data)[skipped:]
        found: list[bytes] = []
        while len(self._rest) >= _GRPC_PREFIX:
            if self._rest[0] != 0:
                raise EngineLost("the engine sends compressed messages")
            length = int.from_bytes(self._rest[1:_GRPC_PREFIX], "big")
            end = _GRPC_PREFIX + length
            if length > self._limit:
                self.oversized += 1
                self._skip = max(0, end - len(self._rest))
                del self._rest[:end]
            elif len(self._rest) < end:
                break
            else:
                found.append(bytes(self._rest[_GRPC_PREFIX:end]))
                del self._rest[:end]
        return found
