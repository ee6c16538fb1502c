"""What the audit rules cost a process that they are not about: ``python -m bench.audit_cost``.

Two loops (spawn /bin/true; getppid and a one-byte write), each as a process without a login and as
one of a logged-in user, under each condition of the table. Every run is paired with one a moment
away in which no task has an audit context, what a task costs on a host that never enabled audit:
``-a never,task`` is put in front of the rules for it. The table shows the medians of the ratios of
the pairs, and quartiles. The row "no audit" pairs that with itself: the noise.

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
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.audit_rules.auditctl import Auditctl, Loaded
from sensor.audit_rules.host import Host
from sensor.audit_rules.installer import Installer
from sensor.audit_rules.template import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(__file__).with_suffix(".c")
ROUNDS = 5
PAIRS = 8
"""Pairs of a condition in one round."""
LOOPS = {"exec": 150, "syscalls": 300_000}
"""Iterations: some 80 ms."""
USERS = {"no login": "4294967295", "logged in": "4242"}

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
    """Nanoseconds of CPU time of one iteration."""
    user, loop = case
    words = [str(program), USERS[user], loop, str(LOOPS[loop])]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


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
    else:
        yield 0


@contextmanager
def no_context() -> Iterator[None]:
    """No task that is forked meanwhile is audited, whatever rules there are."""
    subprocess.run(["auditctl", "-A", "never,task"], check=True)
    try:
        yield
    finally:
        subprocess.run(["auditctl", "-d", "never,task"], check=True)


def pair(program: Path, name: str, case: Case, *, base_first: bool) -> float:
    """Return the ratio of a run under the condition to one without audit."""
    found: dict[bool, float] = {}
    for base in (base_first, not base_first):
        with no_context() if base or name == NO_AUDIT else nullcontext():
            found[base] = measure(program, case)
    return found[False] / found[True]


def table(rounds: int, scratch: Path, say: Callable[[str], None]) -> None:
    """Measure and print."""
    program = scratch / "audit_cost"
    subprocess.run(["gcc", "-O2", "-o", program, SOURCE], check=True)
    cases = list(itertools.product(USERS, LOOPS))
    names = [NO_AUDIT, ENABLED, *FORMS]
    counts: dict[str, int] = {}
    ratios: dict[tuple[str, Case], list[float]] = {}
    with enabled():
        for _, name in itertools.product(range(rounds), names):
            with condition(name, scratch) as counts[name]:
                for turn, case in itertools.product(range(PAIRS), cases):
                    ratio = pair(program, name, case, base_first=turn % 2 == 0)
                    ratios.setdefault((name, case), []).append(ratio)
    say(f"{machine()}; CPU time, medians of {rounds * PAIRS} paired ratios (quartiles)")
    say("")
    say("| condition | " + " | ".join(f"{user}: {loop}" for user, loop in cases) + " |")
    say("|---" * (len(cases) + 1) + "|")
    for name in names:
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
