"""The one directory that a test run writes into, and the removal of what a killed run left.

Rules:

- every engine keeps its roots, sockets and logs below the run's directory, so that no engine that
  a person uses is touched, and so that whatever belongs to a run is known by its path;
- a run holds a lock in its directory while it lives: a directory whose lock is free is stale;
- a process is stopped only when its command line or environment names the run's directory, when
  it descends from such a process, or when it sits in the cgroup of one of the run's containers;
- a container's id is an engine's own 64 digits or comes from :func:`unique`, so that a cgroup of
  that name cannot belong to another run.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import processes
from lab.waiting import until

BASE = Path(tempfile.gettempdir()) / "castoff-e2e"
POD_LOGS = Path("/var/log/pods")
CONTAINER_LOGS = Path("/var/log/containers")
CGROUP_PARENT = "/castoff-tests"
"""Above the containers whose cgroup a test names itself."""

_OCTAL = re.compile(r"\\([0-7]{3})")
_OURS = re.compile(
    r"castoff-.+-[0-9a-f]{12}|[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


def unique(name: str) -> str:
    """Return an id that no container had before: of no run, and of no other user."""
    return f"castoff-{name}-{secrets.token_hex(6)}"


class Lab:
    """The directory of this run. ``logs`` names the files to show when a test fails."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logs: dict[str, Path] = {}

    def sub(self, *names: str) -> Path:
        """Return a directory below the run's own, made when it is not there."""
        path = self.directory.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def mark(self) -> dict[str, str]:
        """Environment by which a process is known to belong to this run."""
        return {"CASTOFF_E2E": f"{self.directory}/"}


@contextmanager
def opened() -> Iterator[Lab]:
    """Sweep what killed runs left, then yield a lab of this run's own and sweep it at the end."""
    BASE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (BASE / "lock").open("w") as base_lock:
        fcntl.flock(base_lock, fcntl.LOCK_EX)
        for entry in BASE.iterdir():
            if entry.is_dir() and _is_stale(entry):
                sweep(entry)
        directory = Path(tempfile.mkdtemp(prefix="r", dir=BASE))
        lock = (directory / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield Lab(directory)
    finally:
        sweep(directory)
        lock.close()


def _is_stale(directory: Path) -> bool:
    try:
        with (directory / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep(directory: Path) -> None:
    """Remove a run: its containers' processes, its engines, mounts, cgroups and files."""
    cgroups = _cgroups_of(_leaf_names(directory))
    for cgroup in cgroups:
        _thaw(cgroup)
    spared = processes.lineage(os.getpid())
    until(lambda: not _kill_round(directory, cgroups, spared), f"processes of {directory} end")
    for point in sorted(_mounts_below(directory), key=len, reverse=True):
        processes.run(["umount", "--lazy", point], check=False)
    cgroups.extend(parent for root in cgroup_roots() for parent in _parents_of_tests(root))
    for cgroup in sorted(cgroups, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):
            cgroup.rmdir()
    for uid in _names(directory / "pods"):
        for logs in POD_LOGS.glob(f"*_{uid}"):
            namespace, name, _ = logs.name.split("_")
            for link in CONTAINER_LOGS.glob(f"{name}_{namespace}_*.log"):
                link.unlink(missing_ok=True)
            shutil.rmtree(logs, ignore_errors=True)
    with suppress(OSError):
        POD_LOGS.rmdir()
    with suppress(OSError):
        CONTAINER_LOGS.rmdir()
    shutil.rmtree(directory)


def _kill_round(directory: Path, cgroups: list[Path], spared: set[int]) -> set[int]:
    victims = processes.descendants(processes.mentioning(f"{directory}/"))
    for cgroup in cgroups:
        with suppress(OSError):
            victims |= {int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()}
    victims = {pid for pid in victims - spared if processes.runs(pid)}
    processes.kill(victims)
    return victims


def _names(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir()] if directory.is_dir() else []


def _leaf_names(directory: Path) -> set[str]:
    """Return the names by which this run's containers and pods are known in the cgroup tree."""
    found: set[str] = set()
    for pattern in (
        "containerd/state/io.containerd.runtime.v2.task/*/*",
        "docker/root/containers/*",
        "podman/root/overlay-containers/*",
        "runc/*/*",
        "pods/*",
    ):
        found.update(entry.name for entry in directory.glob(pattern) if _OURS.fullmatch(entry.name))
    return found


def _cgroups_of(names: set[str]) -> list[Path]:
    """Return the cgroups in every hierarchy whose last name is, or ends in, one of ``names``."""
    found: list[Path] = []
    for root in cgroup_roots():
        for current, children, _ in os.walk(root):
            found.extend(
                Path(current, child)
                for child in children
                if any(child == name or child.endswith(f"-{name}") for name in names)
                or (child.startswith("pod") and child[3:] in names)
            )
    return found


def _parents_of_tests(root: Path) -> list[Path]:
    parent = root / CGROUP_PARENT.lstrip("/")
    return [Path(current) for current, _, _ in os.walk(parent)]


def cgroup_roots() -> list[Path]:
    """Return where the cgroup hierarchies are mounted, v1 and v2 alike."""
    return [
        Path(point)
        for point, kind in _mounts()
        if kind in {"cgroup", "cgroup2"} and point.startswith("/sys/fs/cgroup")
    ]


def _thaw(cgroup: Path) -> None:
    """Let a paused container go on: a frozen process does not even die of SIGKILL on v1."""
    for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        if (cgroup / name).exists():
            with suppress(OSError):
                (cgroup / name).write_text(value)


def _mounts() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), before.split()[4])
        found.append((point, after.split()[0]))
    return found


def _mounts_below(directory: Path) -> list[str]:
    return [point for point, _ in _mounts() if point.startswith(f"{directory}/")]
