"""What the audit rules cost a process that they are not about: ``python -m bench.audit_cost``.

Two loops (spawn /bin/true; getppid and a one-byte write), each as a process without a login and as
one of a logged-in user, under each condition of the table. A round measures all conditions, in an
order that rotates; a ratio is that of a condition to the same round's "no audit", in which no task
has an audit context (``-a never,task``: what a task costs on a host that never enabled audit). The
table shows medians over the rounds, and quartiles. The row "no audit" is a second measurement of
the same: the noise.

Needs root, auditctl, gcc, and a host without audit rules. Rules are loaded for some seconds at a
time. Kernel audit is enabled while it runs and afterwards left as it was.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.rules.auditctl import Auditctl, Loaded
from sensor.rules.host import Host
from sensor.rules.installer import Installer
from sensor.rules.template import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(__file__).with_suffix(".c")
ROUNDS = 9
LOOPS = {"exec": 100, "syscalls": 200_000}
"""Iterations: some 60 ms."""
RUNS = 5
USERS = {"no login": "4294967295", "logged in": "4242"}

BASE = "base"
"""What the others are divided by: the same as :data:`NO_AUDIT`, measured at another moment."""
NO_AUDIT = "no audit"
ENABLED = "audit enabled, no rules"
FORMS = tuple(form.value for form in Form)

Case = tuple[str, str]
"""User and loop."""


def machine() -> str:
    """Name what the numbers were measured on."""
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    )
    return f"{cpu}, {os.cpu_count()} CPUs, Linux {os.uname().release}"


def measure(program: Path, case: Case) -> float:
    """Nanoseconds of CPU time of one iteration, the least of several runs."""
    user, loop = case
    words = [str(program), USERS[user], loop, str(LOOPS[loop])]
    return min(
        float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        for _ in range(RUNS)
    )


@contextmanager
def enabled() -> Iterator[None]:
    """Kernel audit switched on, and back afterwards."""
    before = Auditctl().status().enabled
    subprocess.run(["auditctl", "-e", "1"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run(["auditctl", "-e", str(before)], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def condition(name: str, scratch: Path) -> Iterator[int]:
    """Load what a condition's name says; yields how many rules of ours that is."""
    if name in FORMS:
        host = Host(rules_d=scratch / "rules.d", state_dir=scratch / "state")
        installer = Installer(host, Auditctl())
        try:
            yield installer.install(Form(name)).rules
        finally:
            installer.uninstall()
    elif name == ENABLED:
        yield 0
    else:
        subprocess.run(["auditctl", "-a", "never,task"], check=True)
        try:
            yield 0
        finally:
            subprocess.run(["auditctl", "-d", "never,task"], check=True)


def table(rounds: int, scratch: Path, say: Callable[[str], None]) -> None:
    """Measure and print."""
    program = scratch / "audit_cost"
    subprocess.run(["gcc", "-O2", "-o", program, SOURCE], check=True)
    cases = list(itertools.product(USERS, LOOPS))
    names = [BASE, NO_AUDIT, ENABLED, *FORMS]
    counts: dict[str, int] = {}
    ratios: dict[tuple[str, Case], list[float]] = {}
    with enabled():
        for turn in range(rounds):
            found: dict[tuple[str, Case], float] = {}
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                with condition(name, scratch) as counts[name]:
                    for case in cases:
                        found[name, case] = measure(program, case)
            for name, case in itertools.product(names, cases):
                ratio = found[name, case] / found[BASE, case]
                ratios.setdefault((name, case), []).append(ratio)
    say(f"{machine()}; CPU time, median of {rounds} paired ratios (quartiles)")
    say("")
    say("| condition | " + " | ".join(f"{user}: {loop}" for user, loop in cases) + " |")
    say("|---" * (len(cases) + 1) + "|")
    for name in names[1:]:
        cells: list[str] = []
        for case in cases:
            low, middle, high = statistics.quantiles(ratios[name, case], n=4)
            cells.append(f"{middle:.3f} ({low:.2f}-{high:.2f})")
        label = f"{name} form, {counts[name]} rules" if counts[name] else name
        say(f"| {label} | " + " | ".join(cells) + " |")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if Auditctl().loaded() != Loaded((), people=False, foreign=()):
        sys.exit("this host has audit rules: measure on one that has none")
    with tempfile.TemporaryDirectory() as scratch:
        table(arguments.rounds, Path(scratch), print)


if __name__ == "__main__":
    main()
