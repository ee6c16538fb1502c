"""A guest's job: load the probes, run the agent, act out the scenarios, report to the host.

Runs inside the guest as root, on the distribution's Python, from the tree that machine.py packed:

    python3 -m tests.vm.guest [PART-OF-A-SCENARIO'S-NAME...]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import termios
import time
import tty
from dataclasses import asdict
from pathlib import Path

from tests.vm import clocks, other_engines  # noqa: F401 - their scenarios come last
from tests.vm.engines import Skip, prepare, run, versions
from tests.vm.observer import TREE, Agent
from tests.vm.scenarios import SCENARIOS, Scenario, wanted
from tests.vm.story import Report

REPORTS = Path(os.environ.get("CASTOFF_VM_REPORTS", "/dev/ttyS1"))
LEGACY = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
"""Whether the guest mounts the controllers of cgroup v1."""

COMMAND = TREE / "bin" / "castoff"


class Port:
    """The serial port that the host reads: one JSON document a line."""

    def __init__(self) -> None:
        self.descriptor = os.open(REPORTS, os.O_RDWR | os.O_NOCTTY | os.O_APPEND)
        if os.isatty(self.descriptor):
            tty.setraw(self.descriptor)

    def say(self, what: str, **fields: object) -> None:
        line = json.dumps({"what": what, **fields}).encode() + b"\n"
        while line:
            line = line[os.write(self.descriptor, line) :]
        if os.isatty(self.descriptor):
            termios.tcdrain(self.descriptor)


def act(function: Scenario, agent: Agent) -> Report:
    """Play one scenario and collect the events that it caused."""
    report = Report(function.__name__)
    began = time.monotonic()
    try:
        report.expected = function(agent)
        for expected in report.expected if LEGACY else ():
            # Engines name their cgroups differently there.
            expected.cgroup = None
    except Skip as reason:
        report.skipped = str(reason)
    except Exception as error:  # noqa: BLE001 - a broken scenario must not end the others
        report.error = f"{type(error).__name__}: {error}"
    try:
        report.events = agent.fence()
    except (TimeoutError, RuntimeError) as error:
        report.error = f"{report.error or ''} fence: {error}".strip()
    report.seconds = round(time.monotonic() - began, 1)
    return report


def main(parts: list[str]) -> None:
    """Run the scenarios whose names contain one of ``wanted``, or all."""
    port = Port()
    port.say("boot", kernel=os.uname().release, versions=versions(), legacy=LEGACY)
    try:
        began = time.monotonic()
        loaded = subprocess.run([COMMAND, "probes", "load"], capture_output=True, check=False)
        port.say(
            "load",
            code=loaded.returncode,
            text=(loaded.stdout + loaded.stderr).decode(errors="replace")[-20000:],
            seconds=round(time.monotonic() - began, 1),
        )
        if loaded.returncode:
            return
        # All that follows has the programs that were kept, as after each boot but the first.
        run(str(COMMAND), "probes", "unload")
        port.say("reload", text=run(str(COMMAND), "probes", "load"))
        prepare()
        port.say("prepared", seconds=round(time.monotonic() - began, 1))
        agent = Agent()
        # The containers of prepare() belong to no scenario, nor does what the agent says of itself.
        agent.fence()
        for function in SCENARIOS:
            if wanted(function.__name__, parts):
                port.say("scenario", **asdict(act(function, agent)))
        status = run(str(COMMAND), "probes", "status", "-o", "json", check=False)
        code = agent.stop()
        port.say("agent", code=code, errors=agent.errors(), probes=status)
    except Exception as error:  # noqa: BLE001 - whatever it is, the host must hear of it
        port.say("broken", text=f"{type(error).__name__}: {error}")
    finally:
        port.say("end")


if __name__ == "__main__":
    main(sys.argv[1:])
