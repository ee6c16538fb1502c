"""A made engine that listens on a socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sensor.sources.engines.listeners import EngineSocket
from tests.sources.engines.following import socket_at

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EMPTY_LIST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


Answer = Callable[[socket.socket, bytes], None]


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextmanager
def listener(path: Path, answer: Answer, backlog: int = 16) -> Iterator[EngineSocket]:
    """Accept connections for ever; ``answer`` gets each with the request's head, in a thread."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(backlog)
    with ExitStack() as connections:

        def serve(connection: socket.socket) -> None:
            try:
                answer(connection, connection.recv(65_536))
            except OSError:
                return

        def accept() -> None:
            while True:
                try:
                    connection = connections.enter_context(server.accept()[0])
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield socket_at(path)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join(5)


def streaming(*parts: bytes) -> Answer:
    """Answer the list with an empty one, and a subscription with ``parts``, left open."""

    def answer(connection: socket.socket, request: bytes) -> None:
        if b"GET /events" not in request:
            connection.sendall(EMPTY_LIST)
            return
        connection.sendall(HEAD)
        for part in parts:
            connection.sendall(chunked(part))

    return answer


def saying(data: bytes) -> Answer:
    return lambda connection, _: connection.sendall(data)
