"""How long the probes take to load into a kernel that has none: compiled, and as kept."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.agent import COMMAND
from bench.node import held
from bench.progress import say
from bench.rows import Row
from lab.waiting import until
from sensor.bpf import libbpf, loader
from sensor.bpf.kept_files import DIRECTORY
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

LOAD_SECONDS = 2.0
KEPT_SECONDS = 1.0
KEPT_MIB = 40.0
MAPS_MIB = 64.0
"""With two processors; each further one adds 0.26 MiB."""
LOADS = 3
FREED_SECONDS = 10.0

_PEAK = """
import json, resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
taken = time.monotonic() - began
print(json.dumps((taken, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)))
"""
"""Seconds and peak in KiB of a command and its children. A process of its own measures: of a child
the kernel also counts what its parent had when it was forked, and a bench is large."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one load took."""

    seconds: float
    mib: float
    """Peak of the largest process of the command."""


def rows(command: str) -> list[Row]:
    """Load them a few times, in turn; what is measured is the whole command."""
    say(f"loading the probes {2 * LOADS} times")
    with _as_it_was():
        pairs = [(_load("--compile"), _load()) for _ in range(LOADS)]
        of_maps = _of_maps()
    compiled, kept = ([pair[number] for pair in pairs] for number in (0, 1))
    return [
        _seconds("loading the probes, all from anew", compiled, LOAD_SECONDS, command),
        _seconds("loading the probes, from kept programs", kept, KEPT_SECONDS, command),
        _memory("memory of a load, all from anew", compiled, None, command),
        _memory("memory of a load, from kept programs", kept, KEPT_MIB, command),
        Row(
            f"memory of the kernel for rings and maps, {libbpf.possible_cpus()} processors",
            f"{of_maps:.1f} MiB",
            f"{MAPS_MIB:.0f} MiB",
            of_maps <= MAPS_MIB,
            command,
            {"maps_mib": of_maps, "processors": libbpf.possible_cpus()},
        ),
    ]


def _of_maps() -> float:
    """Unload the probes, and return how much less the kernel's maps take then."""
    loaded = _maps_mib()
    with held():
        loader.unload()
    # The kernel frees them a moment after the last program is gone.
    until(lambda: loaded - _maps_mib() > 1, "the maps of the probes are gone", FREED_SECONDS)
    return loaded - _maps_mib()


def _maps_mib() -> float:
    """Return what all maps of the kernel take; exact since Linux 6.4."""
    shown = subprocess.run(["bpftool", "-j", "map", "show"], check=True, capture_output=True)
    taken: int = sum(one["bytes_memlock"] for one in json.loads(shown.stdout))
    return taken / (1 << 20)


def _seconds(name: str, loads: list[Load], goal: float, command: str) -> Row:
    seconds = [load.seconds for load in loads]
    median, most = statistics.median(seconds), max(seconds)
    return Row(
        name,
        f"median {median:.2f} s, max {most:.2f} s of {len(loads)}",
        f"{goal:.0f} s",
        median <= goal,
        command,
        {"median_s": median, "max_s": most, "loads": len(loads)},
    )


def _memory(name: str, loads: list[Load], goal: float | None, command: str) -> Row:
    most = max(load.mib for load in loads)
    return Row(
        name,
        f"peak {most:.0f} MiB",
        None if goal is None else f"{goal:.0f} MiB",
        None if goal is None else most <= goal,
        command,
        {"peak_mib": most},
    )


def _load(*options: str) -> Load:
    with held():
        loader.unload()
    command = [str(COMMAND), "probes", "load", *options]
    done = subprocess.run(
        [sys.executable, "-I", "-c", _PEAK, *command], check=True, capture_output=True
    )
    seconds, kib = json.loads(done.stdout)
    return Load(seconds, kib / 1024)


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Leave no kept programs where none were."""
    was_there = DIRECTORY.exists()
    try:
        yield
    finally:
        if not was_there:
            shutil.rmtree(DIRECTORY, ignore_errors=True)
