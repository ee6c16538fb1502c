"""A real OTLP receiver: rotel, which PyPI has as a binary."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 20.0


@dataclass(frozen=True)
class Rotel:
    url: str
    log: Path

    def said(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace"))

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
    """Run it on free ports of the loopback; every record that it takes is printed to its log."""
    log = directory / "rotel.log"
    http, grpc = free_port(), free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                binary(),
                "start",
                "--otlp-http-endpoint",
                f"127.0.0.1:{http}",
                "--otlp-grpc-endpoint",
                f"127.0.0.1:{grpc}",
                "--exporter",
                "blackhole",
                "--debug-log",
                "logs",
                "--debug-log-verbosity",
                "detailed",
            ],
            cwd=directory,
            env={"PATH": "/usr/bin:/bin", "HOME": str(directory)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        running = Rotel(f"http://127.0.0.1:{http}", log)
        end = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.socket() as probe:
                probe.connect(("127.0.0.1", http))
                break
            assert process.poll() is None, running.said()
            assert time.monotonic() < end, running.said()
            time.sleep(0.02)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
