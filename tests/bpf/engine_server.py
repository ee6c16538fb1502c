"""Programs that ask an engine for something, and a server that listens where one would."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

from sensor.bpf.socket_filter import EngineSockets

SEND = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(bytes.fromhex(sys.argv[2]))
connection.recv(1)
"""
PYTHON = (sys.executable, "-I", "-c", SEND)
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
POST = b"POST /v1.43/containers/web/start HTTP/1.1\r\nHost: docker\r\n\r\n"
PAYLOAD_MAX = 511
IN_PAGES = POST.ljust(4096, b"x")
"""A write whose bytes lie in pages of their own (unix_stream_sendmsg), not in the packet."""

WAYS = {
    "write": "os.write(connection.fileno(), data)",
    "send": "connection.sendall(data)",
    "writev": "os.writev(connection.fileno(), [b'', data[:70], data[70:]])",
    "sendmsg": "connection.sendmsg([data[:70], b'', data[70:]])",
}
SEND_BY = """
import os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
data = bytes.fromhex(sys.argv[2])
{way}
connection.recv(1)
"""

ENGINES = {
    "podman's service": ("podman", 0, [POST]),
    "dockerd": ("dockerd", 0, [POST]),
    "another program": ("panel", 0, []),
    "a plain user's dockerd": ("dockerd", 65_534, []),
}
"""What the process that listens is called, whose it is, and what is read of a request to it."""

TAKES_AT_ONCE = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print(flush=True)
while True:
    connection, _ = listener.accept()
    connection.setblocking(False)
    while True:
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            continue
        if not data:
            break
        connection.send(b"!")
"""
"""A server that never sleeps while a connection is open: it takes what it is sent at once."""

FORGED_ANSWERS = """
import os, socket, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print(flush=True)
sys.stdin.read()
for _ in range(20):
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    engine, _ = listener.accept()
    client.send(bytes.fromhex(sys.argv[2]))
    engine.recv(4096)
    engine.send(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    client.close()
    engine.close()
    one, other = socket.socketpair()
    one.send(b"HTTP/1.1 404 Not Found\\r\\n\\r\\n")
    other.send(b"HTTP/1.1 404 Not Found\\r\\n\\r\\n")
    one.close()
    other.close()
"""
"""Each pair of sockets is put where the connection before it was, on the same processor."""

MANY = """
import socket, sys
for _ in range(int(sys.argv[3])):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    for _ in range(10):
        connection.sendall(bytes.fromhex(sys.argv[2]))
        connection.recv(1)
    connection.close()
"""


class Server:
    """Reads what it is sent, as an engine does, and answers with one byte."""

    def __init__(self, path: Path, sockets: EngineSockets) -> None:
        self.path = path
        self.until = b""
        """What a request ends with; the answer comes then."""
        self.answer = b"!"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.sockets = sockets

    def watched_as(self, api: int) -> None:
        status = self.path.stat()
        self.sockets.replace([(status.st_dev, status.st_ino, api)])

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                data = connection.recv(1 << 20)
                if not data:
                    return
                while self.until not in data:
                    data += connection.recv(1 << 20)
                connection.sendall(self.answer)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
        self._thread.join()
        self._listener.close()


IN_PIECES = """
import socket, sys, time
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
for piece in sys.argv[2:]:
    connection.sendall(bytes.fromhex(piece))
    time.sleep(0.02)
connection.recv(1)
"""
REFUSED = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
except PermissionError:
    raise SystemExit(7)
"""
