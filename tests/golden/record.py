"""Make the golden captures anew, from real engines.

    python -m tests.golden.record [NAME ...]   record these behaviours, all by default; needs root
    python -m tests.golden.record --replay     only write the lines anew that the captures replay to

Nothing is written unless the sanitised capture shows the same story as the recording, is small, and
names nothing of this machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from lab import engines as labs
from lab import processes
from lab.agent import CHECKOUT, unload_probes
from lab.kubelet import package_places
from sensor.sources.capture import Arrival
from tests.golden import captures
from tests.golden.behaviours import BEHAVIOURS, Behaviour
from tests.golden.sanitise import (
    PACKAGES,
    Scope,
    UnusableError,
    events_of,
    is_common,
    own_cgroups,
    sanitised,
    story,
    thinned,
)
from tests.golden.stage import Engines, Recorder

ATTEMPTS = 5
"""Another program of this machine may speak to an engine in the wrong moment."""


def record(behaviour: Behaviour, engines: Engines) -> tuple[list[Arrival], Scope]:
    """Let the behaviour happen under a recording agent; returns what it saw of everything."""
    getattr(engines, behaviour.needs)
    recorder = Recorder(engines, behaviour.name)
    try:
        if not behaviour.agents:
            recorder.start()
        containers = frozenset(behaviour.act(engines, recorder))
        recorder.stop()
    finally:
        recorder.close()
        engines.clear()
    scope = Scope(
        containers=containers,
        recording=os.getpid(),
        agents=frozenset(recorder.pids),
        directory=str(engines.lab.directory),
        checkout=str(CHECKOUT),
        host_name=platform.node(),
        cgroups=own_cgroups(),
        packages=package_places(),
    )
    return captures.read(recorder.capture), scope


def reduced(raw: list[Arrival], scope: Scope) -> list[Arrival]:
    """Sanitise a recording and see that it shows the same story."""
    arrivals = sanitised(raw, scope)
    before = story(events_of(raw), scope.containers)
    after = story(events_of(arrivals), scope.containers)
    if before != after:
        found_words = "\n".join(map(str, (*before, "became", *after)))
        raise UnusableError(f"sanitising changes the story:\n{found_words}")
    return arrivals


def check(capture: Path, scope: Scope) -> None:
    """Refuse a capture that is large or shows the machine that it comes from."""
    size = capture.stat().st_size
    if size > captures.SIZE_MAX:
        raise UnusableError(f"{capture.name} has {size} bytes")
    text = repr(captures.read(capture)) + captures.lines_of(capture).read_text(encoding="utf-8")
    found_words = [word for word in _machine_words(scope) if word in text]
    if found_words:
        raise UnusableError(f"{capture.name} shows {found_words}")


def _machine_words(scope: Scope) -> Iterator[str]:
    """Yield what only this machine would say: names, ids and the programs above this one."""
    yield scope.directory
    yield scope.checkout
    yield from (place for place in scope.packages if place != PACKAGES)
    for path in (
        "/etc/machine-id",
        "/proc/sys/kernel/random/boot_id",
        "/proc/sys/kernel/osrelease",
    ):
        if Path(path).exists():
            yield Path(path).read_text(encoding="utf-8").strip()
    for pid in processes.lineage(os.getpid()):
        comm = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        if not is_common(comm):
            yield comm
    yield from scope.cgroups


def make(behaviour: Behaviour, engines: Engines) -> None:
    """Record a behaviour until it is usable, and write its files."""
    arrivals, scope = _usable(behaviour, engines)
    if behaviour.edit is not None:
        arrivals = behaviour.edit(arrivals)
    capture = captures.write(behaviour.name, arrivals)
    if capture.stat().st_size > captures.SMALL:
        capture = captures.write(behaviour.name, thinned(arrivals))
    check(capture, scope)
    print(f"{capture.name}: {capture.stat().st_size} bytes", flush=True)  # noqa: T201 - a program that reports


def _usable(behaviour: Behaviour, engines: Engines) -> tuple[list[Arrival], Scope]:
    attempt = 1
    while True:
        raw, scope = record(behaviour, engines)
        try:
            return reduced(raw, scope), scope
        except UnusableError as error:
            if attempt == ATTEMPTS:
                raise
            print(f"{behaviour.name}: once more: {error}", file=sys.stderr)  # noqa: T201 - a program that reports
            attempt += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BEHAVIOURS))
    parser.add_argument("--replay", action="store_true", help="keep the captures")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BEHAVIOURS):
        parser.error(f"no such behaviour: {', '.join(sorted(unknown))}")
    if options.replay:
        for capture in captures.captures():
            captures.write_lines(capture)
        return
    with labs.opened() as lab, ExitStack() as stack:
        engines = Engines(lab, stack)
        try:
            for name in options.names or BEHAVIOURS:
                make(BEHAVIOURS[name], engines)
        finally:
            unload_probes()


if __name__ == "__main__":
    main()
