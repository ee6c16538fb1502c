"""A real OTLP receiver: rotel, which PyPI has as a binary."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 20.0


class Rotel:
    """The receiver on ports of its own; every record that it takes is printed to its log."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._http, self._grpc = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._http}"
        self.log = directory / "rotel.log"

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    binary(),
                    "start",
                    "--otlp-http-endpoint",
                    f"127.0.0.1:{self._http}",
                    "--otlp-grpc-endpoint",
                    f"127.0.0.1:{self._grpc}",
                    "--exporter",
                    "blackhole",
                    "--debug-log",
                    "logs",
                    "--debug-log-verbosity",
                    "detailed",
                ],
                cwd=self._directory,
                env={"PATH": "/usr/bin:/bin", "HOME": str(self._directory)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.socket() as probe:
                probe.connect(("127.0.0.1", self._http))
                return
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in good order: what it took is printed."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace"))

    def ids(self) -> list[str]:
        """Return the ids of the events that it took, in its order."""
        return re.findall(r"log\.record\.uid: Str\((\w+)\)", self.said())

    def wait_for(self, text: str, after: str = "") -> str:
        """Return what it printed, from the last ``after`` on, once ``text`` is in that."""
        end = time.monotonic() + START_SECONDS
        while True:
            said = self.said()
            found = said.rfind(after) if after else 0
            if found >= 0 and text in said[found:]:
                return said[found:]
            assert time.monotonic() < end, said[-2000:]
            time.sleep(0.02)


def binary() -> Path:
    found = importlib.util.find_spec("rotel")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "rotel-agent"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def rotel(directory: Path) -> Iterator[Rotel]:
    """Run it for as long as the block lasts."""
    running = Rotel(directory)
    running.start()
    try:
        yield running
    finally:
        running.stop()
