"""A user's own program that has Docker start a container: no docker command, no SDK.

Run as a script with a login uid, the engine's socket and the container's name. Ends with 0 when the
engine started it.
"""

from __future__ import annotations

import http.client
import socket
import sys
from http import HTTPStatus
from pathlib import Path


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of to the host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def main() -> None:
    """Log in as a user and ask."""
    login, path, name = sys.argv[1:]
    Path("/proc/self/loginuid").write_text(login, encoding="ascii")
    connection = UnixConnection(path)
    connection.request("POST", f"/containers/{name}/start")
    sys.exit(connection.getresponse().status != HTTPStatus.NO_CONTENT)


if __name__ == "__main__":
    main()
