"""Steps while containers start one after the other: no start is lost, none is reported twice."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.vm.engines import bundle, run
from tests.vm.service import (
    NESTED,
    SERVICE,
    Failed,
    Step,
    active,
    castoff,
    install,
    need,
    quiet,
    show,
    starts,
    until,
)

CONTAINERS = int(os.environ.get("CASTOFF_VM_CONTAINERS", "200"))
"""Containers that at least start in the whole of it; as many as can during each change."""

WORKERS = 2
PACE = 0.5
"""Seconds that each worker rests after a container: an upgrade takes a minute of a guest's time."""

AT_FULL_SPEED = 4000
"""Containers after which the load rests as in a guest: a busy machine takes long for the rest."""

CONTAINERS_MAX = 5000
NAMED_MAX = 10
"""Missing starts that a failure names."""


class Load:
    """Containers that start one after the other in a few threads, until the end."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.errors: list[str] = []
        self._numbers = iter(range(CONTAINERS_MAX))
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        with bundle(["/bin/busybox", "true"]) as directory:
            while not self._ending.is_set() and not self.errors:
                number = next(self._numbers, None)
                if number is None:
                    self.errors.append(f"the changes lasted for more than {CONTAINERS_MAX} starts")
                    return
                name = f"life-{number:04d}"
                try:
                    # crun takes a tenth of runc's instructions, which an emulated processor counts.
                    run("crun", "run", "--bundle", str(directory), name)
                except RuntimeError as error:
                    self.errors.append(str(error)[-300:])
                else:
                    self.ran.append(name)
                self._ending.wait(0.0 if NESTED and number < AT_FULL_SPEED else PACE)

    def more(self, count: int) -> None:
        """Wait until so many more have run."""
        wanted = len(self.ran) + count
        until(lambda: len(self.ran) >= wanted or self.errors, f"{wanted} containers ran", 1800)

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()


class Trial:
    """A load, what was done under it, and how many containers started meanwhile."""

    def __init__(self) -> None:
        self.load = Load()
        self.did: list[str] = []

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        self.load.more(10)
        before = len(self.load.ran)
        yield
        self.did.append(f"{what} (+{len(self.load.ran) - before})")

    def judge(self) -> str:
        """End the load and compare what ran with what was reported."""
        self.load.more(max(10, CONTAINERS - len(self.load.ran)))
        self.load.end()
        need(not self.load.errors, self.load.errors[:3])
        ran = self.load.ran
        with contextlib.suppress(Failed):
            until(lambda: set(starts()) >= set(ran), "every start is reported", 90)
        seen = starts()
        missing = sorted(set(ran) - set(seen))
        twice = sorted(name for name, count in seen.items() if count > 1)
        need(
            not missing and not twice,
            f"{rest()}; {about(missing[:NAMED_MAX])}; {self.did}; of {len(ran)} starts"
            f" {len(missing)} are missing {missing[:NAMED_MAX]}, {len(twice)} came twice"
            f" {twice[:NAMED_MAX]}",
        )
        return f"{len(seen)} starts, 0 missing, 0 twice: {', '.join(self.did)}"


def about(names: list[str]) -> str:
    """What else was reported of containers whose start is missing."""
    found = []
    for name in names:
        lines = castoff("events", "--since", "3h", "--filter", f"container={name}", "-o", "json")
        events = [json.loads(line) for line in lines.stdout.splitlines()]
        found.append((name, [(event["type"], event["time"]) for event in events]))
    return str(found)


def rest() -> str:
    """What else was reported but for the agent's own state: a start under another id, or a gap."""
    lines = castoff("events", "--since", "3h", "-o", "json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    return str(
        [
            {key: event.get(key) for key in ("type", "time", "gap", "container")}
            for event in events
            if event["type"] not in {"alert", "sensor"}
            and not str((event["container"] or {}).get("id")).startswith("life-")
        ]
    )[-6000:]


def no_start_is_lost_or_repeated(kind: str) -> Step:
    def step() -> str:
        trial = Trial()
        try:
            _live(kind, trial)
            return trial.judge()
        finally:
            trial.load.end()

    step.__name__ = "no_start_is_lost_or_repeated"
    return step


def _live(kind: str, trial: Trial) -> None:
    """The older version is of another commit, whose probes are others; the newer one stays."""
    with trial.during("downgrade"):
        install(f"old.{kind}")
        until(active, "active after the downgrade")
    need(castoff("status", "--alive").returncode == 0, "the agent answers")
    before = show("MainPID")
    with trial.during("upgrade"):
        install(f"new.{kind}")
        until(active, "active after the upgrade")
    need(show("MainPID") != before, "the agent was not replaced")
    with trial.during("kill -9"):
        run("systemctl", "kill", "--signal", "KILL", "--kill-whom=main", SERVICE)
        until(lambda: show("NRestarts") != "0" and active(), "active after kill -9")
    with trial.during("stopped"):
        run("systemctl", "stop", SERVICE)
        trial.load.more(10)
        run("systemctl", "start", SERVICE)
    with trial.during("needrestart"):
        _needrestart()
    if not NESTED:
        with trial.during("out of memory"):
            _out_of_memory()
    need(castoff("status", "--alive").returncode == 0, "the agent answers")


def _needrestart() -> None:
    """As after an upgrade of something that the agent has loaded."""
    before = show("MainPID")
    Path("/usr/bin/castoff").touch()
    done = quiet("needrestart", "-v", "-m", "a", "-r", "a")
    need(done.returncode == 0, done.stderr)
    until(active, "active after needrestart")
    need(show("MainPID") != before, done.stdout + done.stderr)


def _out_of_memory() -> None:
    run("systemctl", "reset-failed", SERVICE)
    run("systemctl", "set-property", "--runtime", SERVICE, "MemoryMax=8M")
    until(lambda: show("NRestarts") != "0" or not active(), "the kernel kills it", 60)
    run("systemctl", "set-property", "--runtime", SERVICE, "MemoryMax=256M")
    run("systemctl", "reset-failed", SERVICE)
    run("systemctl", "start", SERVICE)
    until(active, "active after the kernel killed it")
    run("systemctl", "revert", SERVICE)
