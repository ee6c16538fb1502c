"""The Debian rsyslogd, started by a test with a configuration of its own, on loopback only."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DAEMON = "/usr/sbin/rsyslogd"
DEADLINE_SECONDS = 15.0
COMMON = """
global(workDirectory="{directory}" maxMessageSize="256k" net.enableDNS="off")
# Direct: what was read is written before more is read, so nothing is lost inside of rsyslogd.
main_queue(queue.type="Direct")
template(name="whole" type="string" string="%pri%\\t%hostname%\\t%app-name%\\t%procid%\\t%msgid%\\t\
%structured-data%\\t%timereported:::date-rfc3339%\\t%msg%\\n")
*.* action(type="omfile" file="{directory}/received" template="whole")
"""
_WHOLE = re.compile(rb'"id":\s?"([^"]+)"')


@dataclass
class Rsyslog:
    """``inputs`` are the lines that load and open its listeners."""

    directory: Path
    inputs: str
    port: int | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        configuration = self.directory / "rsyslog.conf"
        configuration.write_text(self.inputs + COMMON.format(directory=self.directory))
        (self.directory / "received").touch()
        (self.directory / "log").unlink(missing_ok=True)
        with (self.directory / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [DAEMON, "-n", "-f", configuration, "-i", self.directory / "pid"],
                stdout=said,
                stderr=said,
            )
        self._await_listening()

    def stop(self, *, kill: bool = False) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(DEADLINE_SECONDS)
        self._process = None

    def received(self) -> list[list[str]]:
        """Return the fields of each message: see the template."""
        data = (self.directory / "received").read_bytes()
        lines = data.decode().split("\n")[:-1]
        return [line.split("\t", 7) for line in lines]

    def ids(self) -> list[str]:
        return [
            match[1].decode()
            for line in (self.directory / "received").read_bytes().splitlines()
            if (match := _WHOLE.search(line, line.find(b"\t{")))
        ]

    def await_ids(self, wanted: set[str], seconds: float = DEADLINE_SECONDS) -> list[str]:
        end = time.monotonic() + seconds
        while not wanted <= set(found := self.ids()) and time.monotonic() < end:
            time.sleep(0.02)
        return found

    def _await_listening(self) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                break
            if self._is_listening():
                return
            time.sleep(0.02)
        raise AssertionError((self.directory / "said").read_text())

    def _is_listening(self) -> bool:
        unix = self.directory / "log"
        if self.port is None:
            return unix.exists()
        table = "udp" if "imudp" in self.inputs else "tcp"
        state = "07" if table == "udp" else "0A"
        wanted = f":{self.port:04X} "
        return any(
            wanted in (line := row[:40]) and row.split()[3] == state and line
            for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        )


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that no outgoing connection is given: a server may stop and come back to it."""
    first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    while True:
        port = random.randrange(10_000, 65_536)
        if int(first) <= port <= int(last):
            continue
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def over_unix(directory: Path) -> Rsyslog:
    # Without the special parser, whose format of local messages is older than RFC 5424.
    return Rsyslog(
        directory,
        f'module(load="imuxsock" sysSock.use="off")\n'
        f'input(type="imuxsock" socket="{directory}/log" useSpecialParser="off"'
        f' parseHostname="on" useSysTimeStamp="off" ignoreTimestamp="off"'
        f' rateLimit.interval="0" unlink="on")',
    )


def over_udp(directory: Path) -> Rsyslog:
    port = free_port(socket.SOCK_DGRAM)
    return Rsyslog(
        directory,
        f'module(load="imudp")\n'
        f'input(type="imudp" address="127.0.0.1" port="{port}" rcvbufSize="8m")',
        port,
    )


def over_tcp(directory: Path) -> Rsyslog:
    port = free_port()
    return Rsyslog(
        directory,
        f'module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="{port}")',
        port,
    )


def over_tls(directory: Path, *, driver: str, files: Any, mode: str = "anon") -> Rsyslog:
    """``driver`` is gtls or ossl; mode anon asks for no certificate, x509/certvalid for one."""
    port = free_port()
    return Rsyslog(
        directory,
        f'global(defaultNetstreamDriverCAFile="{files.ca}"'
        f' defaultNetstreamDriverCertFile="{files.certificate}"'
        f' defaultNetstreamDriverKeyFile="{files.key}")\n'
        f'module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1"'
        f' streamDriver.authMode="{mode}")\n'
        f'input(type="imtcp" address="127.0.0.1" port="{port}")',
        port,
    )
