"""Debian's syslog-ng, unpacked by ``make setup-test``: it cannot be installed beside rsyslog."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.requirements import cannot
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = Path(sys.prefix) / "syslog-ng"
PROGRAM = PLACE / "usr/sbin/syslog-ng"
LIBRARIES = PLACE / "usr/lib/syslog-ng"


@contextmanager
def running(directory: Path, configuration: str, port: int) -> Iterator[None]:
    """Run it with a configuration until the block ends; it listens on that port of the loopback."""
    if not PROGRAM.exists():
        cannot("syslog-ng not unpacked; fix: make setup-test")
    config = directory / "syslog-ng.conf"
    config.write_text(configuration)
    modules = next(LIBRARIES.glob("3.*"))
    log = directory / "syslog-ng.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [
                *(PROGRAM, "--foreground", "--no-caps", "--stderr"),
                *(f"--cfgfile={config}", f"--module-path={modules}"),
                f"--persist-file={directory}/syslog-ng.persist",
                f"--pidfile={directory}/syslog-ng.pid",
                f"--control={directory}/syslog-ng.ctl",
            ],
            stdout=said,
            stderr=said,
            env={**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)},
        )
    wanted = f":{port:04X} "

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return any(wanted in row[:40] and row.split()[3] == "0A" for row in rows)

    try:
        until(listens, "syslog-ng listens")
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
