"""The npm package's FluentServer as a process: a receiver of Forward that others wrote."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("server.js")
LIBRARY = SCRIPT.parents[2] / "npm" / "node_modules" / "@fluent-org" / "logger"
MISSING = (
    None
    if LIBRARY.is_dir() and shutil.which("node")
    else "the npm packages of tests/npm are not installed: make setup-test"
)
if MISSING is not None and os.environ.get("CASTOFF_E2E") == "required":
    raise RuntimeError(MISSING)


class Collector:
    """One server; :func:`collector` starts it. ``received`` are its lines, each a chunk."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self._path = path
        self._options = {"print": "entries", **options, "path": str(path)}
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self.port = int(options.get("port", 0))

    def start(self) -> None:
        """Start it, again on the port that it had."""
        options = {**self._options, "port": self.port}
        self._process = subprocess.Popen(
            ["node", str(SCRIPT), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.port = json.loads(self._process.stdout.readline())["listening"]

    def stop(self) -> None:
        """Have it stand still, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Kill it as kill -9 does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()

    def new(self) -> list[dict[str, Any]]:
        """Return the chunks since this was asked last."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            # A line that was cut by a kill belongs to a chunk that was not acknowledged.
            whole, _, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.splitlines()]

    def received(self) -> list[dict[str, Any]]:
        """Return all chunks so far, in the order of their coming."""
        self._read = 0
        return self.new()


@contextmanager
def collector(directory: Path, **options: Any) -> Iterator[Collector]:
    """Run a server."""
    running = Collector(directory / "received.jsonl", options)
    running.start()
    try:
        yield running
    finally:
        running.kill()
