"""The Debian nats-server with JetStream, started by a test on a free loopback port."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.outputs.rsyslog import free_port

SERVER = "/usr/sbin/nats-server"
DEADLINE_SECONDS = 15.0


@dataclass
class NatsServer:
    """``extra`` are lines of its configuration."""

    directory: Path
    extra: str = ""
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        configuration = self.directory / "nats.conf"
        configuration.write_text(
            f'host: "127.0.0.1"\nport: {self.port}\n'
            f'jetstream {{ store_dir: "{self.directory}/jetstream" }}\n{self.extra}\n'
        )
        with (self.directory / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [SERVER, "-c", configuration], stdout=said, stderr=said
            )
        end = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    if b"INFO" in probe.recv(4) or "tls" in self.extra:
                        return
            except OSError:
                time.sleep(0.02)
        raise AssertionError((self.directory / "said").read_text())

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            self._process.wait(DEADLINE_SECONDS)
            self._process = None
