"""Where the engines that run on this node keep their containers, read from their processes.

Default places are in settings.py. Engines elsewhere tell by themselves: containerd's shims have
their bundle for a working directory (runtime/v2/shim.go), conmon names it with ``-b``, and dockerd
its data root with ``--data-root`` or in the file of ``--config-file``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES_MAX = 100_000
ROOTS_MAX = 64
"""Places of each kind."""

CMDLINE_MAX = 64 * 1024
CONFIG_MAX = 1024 * 1024

_TASKS = re.compile(r"(/.{0,1024}/io\.containerd\.runtime\.v[12]\.[a-z]+)/[^/]+/[^/]+")
_STORAGE = re.compile(r"(/.{0,1024})/(?:overlay|vfs|btrfs|zfs|aufs)-containers/[^/]+/userdata")


@dataclass(frozen=True, slots=True)
class Roots:
    """Directories as the host names them, those found first in front."""

    docker: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    storage: tuple[str, ...] = ()


def root_of_bundle(path: str) -> Roots:
    """Tell what the place of one bundle says about the others."""
    tasks = _TASKS.fullmatch(path)
    if tasks is not None:
        return Roots(tasks=(tasks[1],))
    storage = _STORAGE.fullmatch(path)
    return Roots(storage=(storage[1],)) if storage is not None else Roots()


def running_roots(proc: Path = Path("/proc")) -> Roots:
    """Look at all processes of the host's mount namespace; about 10 us each."""
    docker: dict[str, None] = {}
    tasks: dict[str, None] = {}
    storage: dict[str, None] = {}
    for process, comm in _supervisors(proc):
        if comm == "dockerd":
            docker.update(dict.fromkeys(_data_roots(_words(process))))
            continue
        found = root_of_bundle(_bundle(process, comm))
        tasks.update(dict.fromkeys(found.tasks))
        storage.update(dict.fromkeys(found.storage))
    return Roots(*(tuple(places)[:ROOTS_MAX] for places in (docker, tasks, storage)))


def _supervisors(proc: Path) -> Iterator[tuple[Path, str]]:
    own = _mount_namespace(proc / "self")
    pids = [entry for entry in proc.iterdir() if entry.name.isdigit()]
    for process in pids[:PROCESSES_MAX]:
        try:
            comm = (process / "comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
        except OSError:
            continue
        watched = comm in ("dockerd", "conmon") or comm.startswith("containerd-shim")
        if watched and _mount_namespace(process) == own:
            yield process, comm


def _mount_namespace(process: Path) -> str | None:
    try:
        return str((process / "ns/mnt").readlink())
    except OSError:
        return None


def _bundle(process: Path, comm: str) -> str:
    if comm == "conmon":
        words = _words(process)
        return next((words[i + 1] for i, w in enumerate(words[:-1]) if w in ("-b", "--bundle")), "")
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""


def _words(process: Path) -> list[str]:
    try:
        with (process / "cmdline").open("rb") as file:
            data = file.read(CMDLINE_MAX)
    except OSError:
        return []
    return data.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")


def _data_roots(words: list[str]) -> Iterator[str]:
    for index, word in enumerate(words):
        name, separator, value = word.partition("=")
        if not separator:
            value = words[index + 1] if index + 1 < len(words) else ""
        if name in ("--data-root", "-g", "--graph") and value.startswith("/"):
            yield value
        elif name == "--config-file" and value.startswith("/"):
            yield from _configured(Path(value))


def _configured(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(CONFIG_MAX))
    except (OSError, ValueError, RecursionError):
        return
    root = document.get("data-root") if isinstance(document, dict) else None
    if isinstance(root, str) and root.startswith("/"):
        yield root
