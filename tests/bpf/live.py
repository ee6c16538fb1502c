"""Drive real probes: listen to them for a while, run containers under them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sensor.bpf import loader, pins
from sensor.bpf.counters import Counters, KindCount, RingSpace
from sensor.bpf.layout import RecordKind
from sensor.bpf.pins import PinSet
from sensor.bpf.record import KernelObservation, decode
from sensor.bpf.ring import Ring
from sensor.model.kernel_records import CgroupBirth, CommandExec, CommandExit, InitExec, InitExit
from sensor.model.process import ProcessFacts, ProcessKey

PATIENCE = 10.0
"""Seconds after which what has not been reported never will be."""

_Kind = TypeVar("_Kind", InitExec, CommandExec, CgroupBirth)


def take(ring: Ring) -> list[bytes]:
    """Take what is in a ring, and give the space back."""
    records = ring.drain()
    ring.release(ring.position)
    return records


class Probes:
    """A loaded probe set and its readers."""

    def __init__(self, pins: PinSet) -> None:
        self.pins = pins
        self.lifecycle = Ring(pins.map("lifecycle"))
        self.commands = Ring(pins.map("commands"))
        self.counters = Counters.of(pins)
        self.space = RingSpace.of(pins)

    def drain(self) -> list[KernelObservation]:
        """Take what is in both rings, and give the space back."""
        found = [decode(data) for ring in (self.lifecycle, self.commands) for data in take(ring)]
        if self.space is not None:
            self.space.note(self.lifecycle.position, self.commands.position)
        return found

    def count(self, kind: RecordKind) -> KindCount:
        return next(count for count in self.counters.read() if count.kind is kind)

    def close(self) -> None:
        self.lifecycle.close()
        self.commands.close()
        self.counters.close()
        if self.space is not None:
            self.space.close()


@contextmanager
def loaded_probes(name: str, *, lifecycle_pages: int, commands_pages: int) -> Iterator[Probes]:
    """Load the probes with rings of so many pages, and unload them on the way out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "LIFECYCLE_PAGES", lifecycle_pages)
        patch.setattr(loader, "COMMANDS_PAGES", commands_pages)
        root = pins.BPFFS / f"castoff-test-{name}-{os.getpid()}"
        loaded = Probes(loader.load(root))
    yield loaded
    loaded.close()
    loader.unload(root)


class Listener:
    """Gathers what the probes report of this process's descendants."""

    def __init__(self, probes: Probes) -> None:
        self.probes = probes
        probes.drain()
        self._all: list[KernelObservation] = []
        self._poll = select.poll()
        for ring in (probes.lifecycle, probes.commands):
            self._poll.register(ring.descriptor, select.POLLIN)

    def _take(self) -> None:
        self._all += self.probes.drain()

    @staticmethod
    def _own(process: ProcessFacts) -> bool:
        return any(ancestor.pid == os.getpid() for ancestor in process.ancestors)

    def _of(self, kind: type[_Kind]) -> list[_Kind]:
        self._take()
        found = [one for one in self._all if isinstance(one, kind)]
        return [one for one in found if self._own(_actor(one))]

    @property
    def inits(self) -> list[InitExec]:
        """Own inits; one that was created before it is started has lost its ancestors by then."""
        own = self._of(InitExec)
        roots = {one.process.key for one in self.commands}
        found = [one for one in self._all if isinstance(one, InitExec)]
        return [one for one in found if one in own or one.root in roots]

    @property
    def commands(self) -> list[CommandExec]:
        return self._of(CommandExec)

    @property
    def births(self) -> list[CgroupBirth]:
        return self._of(CgroupBirth)

    @property
    def exits(self) -> list[InitExit]:
        """Ends of own inits, and of what descends from own commands."""
        inits = {one.process.key for one in self.inits}
        roots = {one.process.key for one in self.commands}
        found = [one for one in self._all if isinstance(one, InitExit)]
        return [one for one in found if one.process in inits or one.root in roots]

    @property
    def all_exits(self) -> list[InitExit]:
        """Ends of inits of any container."""
        self._take()
        return [one for one in self._all if isinstance(one, InitExit)]

    @property
    def command_exits(self) -> list[CommandExit]:
        roots: set[ProcessKey] = {one.process.key for one in self.commands}
        found = [one for one in self._all if isinstance(one, CommandExit)]
        return [one for one in found if one.process in roots]

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait for records until ``condition`` holds; returns whether it came to that."""
        end = time.monotonic() + PATIENCE
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._poll.poll(left * 1000)
        return True


def _actor(one: InitExec | CommandExec | CgroupBirth) -> ProcessFacts:
    return one.maker if isinstance(one, CgroupBirth) else one.process


class Bundle:
    """An OCI bundle, and its only container."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = f"castoff-test-{uuid.uuid4().hex[:12]}"
        self.root = path / "runc-state"
        self.config: dict[str, Any] = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": ["/bin/true"],
                "env": ["PATH=/bin"],
                "cwd": "/",
            },
            "root": {"path": "rootfs"},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {
                "cgroupsPath": f"/castoff-test/{self.id}",
                "namespaces": [
                    {"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")
                ],
            },
        }

    def write(self, *args: str, shared: Sequence[str] = ()) -> None:
        """Set the entrypoint, and which namespaces the container shares with the host."""
        self.config["process"]["args"] = list(args)
        namespaces = self.config["linux"]["namespaces"]
        self.config["linux"]["namespaces"] = [n for n in namespaces if n["type"] not in shared]
        (self.path / "config.json").write_text(json.dumps(self.config))

    def runc(
        self, *words: str, program: str | Path = "runc", wrapper: Sequence[str | Path] = ()
    ) -> int:
        """Run a command of the runtime to its end; returns the exit code.

        Its messages go to a file, since what a detached container inherits may not be waited for.
        """
        with (self.path / "messages").open("ab") as messages:
            return subprocess.run(
                [*wrapper, program, "--root", self.root, *words],
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                check=False,
                timeout=60,
            ).returncode

    def run(
        self,
        *args: str,
        shared: Sequence[str] = (),
        program: str | Path = "runc",
        wrapper: Sequence[str | Path] = (),
    ) -> int:
        """Run the container in the foreground; returns the exit code."""
        self.write(*args, shared=shared)
        words = ("run", "--no-pivot", "--bundle", str(self.path), self.id)
        return self.runc(*words, program=program, wrapper=wrapper)

    def init_pid(self) -> int:
        """The pid of its init, as the runtime wrote it down."""
        state = json.loads((self.root / self.id / "state.json").read_text())
        return int(state["init_process_pid"])

    def delete(self) -> None:
        """Remove what is left of it."""
        self.runc("delete", "--force", self.id)
