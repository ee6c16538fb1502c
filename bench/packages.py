"""What the package weighs, how soon its service is ready, and what it takes then.

    make bench-packages        as root; needs what `make deb` needs

The agent runs as a service does: as another account, with the unit's capabilities, reporting to
a notification socket. tests/vm runs the same under systemd.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.command import reporting
from bench.rows import Row
from sensor.bpf import loader, pins

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "packaging/systemd/castoff.service"
RESULTS = ROOT / "build/bench/packages.json"
COMMAND = "make bench-packages"

PACKAGE_MIB = 1.5
READY_SECONDS = 3.0
PSS_MIB = 40.0
EXPOSURE = 2.5
RUNS = 5
ACCOUNT = 65534
SETTLE_SECONDS = 5.0
MIB = 1024 * 1024


def sizes(directory: Path) -> list[Row]:
    """Build the Debian packages and weigh that of a node, and all of them."""
    subprocess.run([ROOT / "packaging/build-deb.sh", directory], check=True)
    weights = {}
    for package in directory.glob("*.deb"):
        name = package.name.partition("_")[0]
        tree = directory / name
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
        weights[name] = sum(p.stat().st_size for p in tree.rglob("*") if p.is_file()) / MIB
    (node,) = directory.glob("castoff_*.deb")
    packed = node.stat().st_size / MIB
    core, total = weights["castoff"], sum(weights.values())
    return [
        Row("Debian package of a node", f"{packed:.2f} MiB", None, None, COMMAND, {"mib": packed}),
        Row(
            "installed, without optional packages",
            f"{core:.2f} MiB (all of it {total:.2f} MiB)",
            f"{PACKAGE_MIB} MiB",
            core <= PACKAGE_MIB,
            COMMAND,
            {"core_mib": core, "all_mib": total},
        ),
    ]


def exposure() -> Row:
    """Ask systemd how exposed the unit is."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"exposure level for \S+: ([\d.]+)", text)
    value = float(found.group(1)) if found else 10.0
    met = value <= EXPOSURE
    return Row(
        "systemd-analyze security", f"{value}", f"{EXPOSURE}", met, COMMAND, {"value": value}
    )


class Service:
    """One run of the agent with the unit's account and rights."""

    def __init__(self, directory: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = directory / "notify"
        self._listener.bind(str(address))
        address.chmod(0o777)
        self._listener.settimeout(60)
        for name in ("state", "run"):
            (directory / name).mkdir()
            os.chown(directory / name, ACCOUNT, ACCOUNT)
        config = directory / "castoff.toml"
        config.write_text(
            f'[agent]\nstate_dir = "{directory}/state"\nrun_dir = "{directory}/run"\n'
            f'[socket]\npath = "{directory}/run/castoff.sock"\ngroup = "nogroup"\n'
        )
        directory.chmod(0o755)
        found = re.search(r"^AmbientCapabilities=(.*)$", UNIT.read_text(), re.MULTILINE)
        names = found.group(1).split() if found else []
        wanted = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in names)])
        user = ["--reuid", str(ACCOUNT), "--regid", str(ACCOUNT), "--clear-groups"]
        rights = [f"--{kind}={wanted}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
        launcher = (
            "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
            "runpy.run_module('sensor', run_name='__main__', alter_sys=True)"
        )
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [
                *("setpriv", "--no-new-privs", *user, *rights),
                *("/usr/bin/python3", "-I", "-c", launcher, str(ROOT)),
                *("run", "--output", "none", "--config", str(config)),
            ],
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
        )

    def ready(self) -> float:
        """Wait for READY; returns the seconds that it took."""
        while b"READY=1" not in self._listener.recv(4096):
            pass
        return time.monotonic() - self.began

    def pss_mib(self) -> float:
        """Return the process's share of memory."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(encoding="ascii")
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        return int(found.group(1)) / 1024 if found else 0.0

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()
        self._listener.close()


def service() -> list[Row]:
    """Measure loading, readiness and memory."""
    began = time.monotonic()
    loader.load()
    loading = time.monotonic() - began
    pins.hand_over(pins.PIN_ROOT, ACCOUNT, ACCOUNT)
    took, memory = [], 0.0
    try:
        for run in range(RUNS):
            with tempfile.TemporaryDirectory(prefix="castoff-bench-") as directory:
                one = Service(Path(directory))
                took.append(one.ready())
                if run == RUNS - 1:
                    time.sleep(SETTLE_SECONDS)
                    memory = one.pss_mib()
                one.end()
    finally:
        loader.unload()
    worst = max(took)
    return [
        Row("loading the probes", f"{loading:.2f} s", None, None, COMMAND, {"seconds": loading}),
        Row(
            f"service start to ready, worst of {RUNS}",
            f"{worst:.2f} s",
            f"{READY_SECONDS:g} s",
            worst <= READY_SECONDS,
            COMMAND,
            {"seconds": worst},
        ),
        Row(
            "PSS of the service",
            f"{memory:.1f} MiB",
            f"{PSS_MIB:g} MiB",
            memory <= PSS_MIB,
            COMMAND,
            {"pss_mib": memory},
        ),
    ]


def main() -> None:
    """Measure all of it and print the table."""
    if pins.loaded_sets():
        sys.exit("probes are loaded on this node; fix: castoff probes unload")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with reporting(RESULTS) as rows, tempfile.TemporaryDirectory() as directory:
        rows += [*sizes(Path(directory)), exposure(), *service()]


if __name__ == "__main__":
    main()
