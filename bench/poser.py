"""A plain user who imitates what others do with containers: run as that user, until killed.

    python -I poser.py DIRECTORY SOCKET

DIRECTORY is the user's, with copies of bash called docker, runc, crun and dockerd. The user repeats
what /proc shows of others, as the attacks of tests/attack do. Of a docker command: the same words
under the name docker. Of a container's id: a request to SOCKET, which refuses it, one to a socket
of the user's own, and a runtime's commands. Prints how much was imitated when SIGTERM comes.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ID = re.compile(r"[0-9a-f]{64}")
PAUSE = 0.01
LINGER = 2
"""Seconds for which an imitated command goes on."""
VERBS = ("create", "start", "pause", "resume", "kill", "delete", "restore")
AT_ONCE = 24
"""Imitations that run at a time."""


class Poser:
    """What was seen, and what was made of it."""

    def __init__(self, directory: Path, engine: str) -> None:
        self.made = 0
        self._directory = directory
        self._engine = engine
        self._own = str(directory / "docker.sock")
        self._seen: set[str] = set()
        self._running: list[subprocess.Popen[bytes]] = []

    def serve(self) -> None:
        """Answer like an engine that did what it was asked for, at a socket of the user's own."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._own)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    def look(self) -> None:
        """Imitate what is new among the command lines of others."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if entry.stat().st_uid == os.getuid():
                    continue
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            words = line.split("\0")[:-1]
            if words and words[0].rpartition("/")[2] == "docker" and line not in self._seen:
                self._seen.add(line)
                self._pose("docker", words[1:])
            for container in ID.findall(line):
                if container not in self._seen:
                    self._seen.add(container)
                    self._claim(container)

    def _pose(self, name: str, words: list[str]) -> None:
        """Go on for a while under a name and a command line."""
        self._running = [one for one in self._running if one.poll() is None]
        if len(self._running) >= AT_ONCE:
            return
        script = f'sleep {LINGER}; : "$@"'
        argv = [str(self._directory / name), "-c", script, *words]
        self._running.append(
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        self.made += 1

    def _claim(self, container: str) -> None:
        """Ask for a container where that is refused and where not, and give runtime commands."""
        for path in (self._engine, self._own):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                request = f"POST /v1.41/containers/{container}/start HTTP/1.1\r\nHost: d\r\n\r\n"
                connection.sendall(request.encode())
                connection.recv(512)
        for verb in VERBS:
            self._pose("runc" if verb != "restore" else "crun", [verb, container])
        self._pose("dockerd", [])
        self._pose("docker", ["start", container])


def main() -> None:
    """Imitate until SIGTERM."""
    poser = Poser(Path(sys.argv[1]), sys.argv[2])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    threading.Thread(target=poser.serve, daemon=True).start()
    while not ended.is_set():
        poser.look()
        time.sleep(PAUSE)
    print(poser.made, flush=True)


if __name__ == "__main__":
    main()
