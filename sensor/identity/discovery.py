"""Where the engines that run on this node keep their containers, read from their processes.

Default places are in settings.py. Engines elsewhere show their own: containerd's shims have
their bundle for a working directory (runtime/v2/shim.go), conmon names it with ``-b``, and dockerd
its data root with ``--data-root`` or in the file of ``--config-file``, containerd its root with
``--root`` or in the file of ``--config``. A process may call itself
what it likes: what it names counts for the containers of its own user only, and only if no other
user can write there (``trust.py``).
"""

from __future__ import annotations

import os
import posixpath
import re
import tomllib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.document import JsonDocument, parse
from sensor.identity.files import Failure, read
from sensor.identity.roots import open_root
from sensor.identity.trust import TrustedDirectories, is_owned, owners_of
from sensor.linux.process import stat_of, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.model.process import ProcessKey

PROCESSES_MAX = 100_000
PROCESSES_OF_USER = 256
"""Processes with an engine's name that are looked at of each user beside root."""

ROOTS_MAX = 64
"""Places of each kind."""

CMDLINE_MAX = 64 * 1024
CONFIG_MAX = 1024 * 1024

STATUS_MAX = 16_384
_TASKS = re.compile(r"(/.{0,1024}/io\.containerd\.runtime\.v[12]\.[a-z]+)/[^/]+/[^/]+")
_STORAGE = re.compile(r"(/.{0,1024})/(?:overlay|vfs|btrfs|zfs|aufs)-containers/[^/]+/userdata")


@dataclass(frozen=True, slots=True)
class Roots:
    """Directories as the host names them, those found first in front."""

    docker: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    storage: tuple[str, ...] = ()
    containerd: tuple[str, ...] = ()


def root_of_bundle(path: str) -> Roots:
    """Return what the place of one bundle says about the others."""
    tasks = _TASKS.fullmatch(path)
    if tasks is not None:
        return Roots(tasks=(tasks[1],))
    storage = _STORAGE.fullmatch(path)
    return Roots(storage=(storage[1],)) if storage is not None else Roots()


def running_roots(proc: Path = Path("/proc")) -> dict[int, Roots]:
    """Look at all processes of the host's mount namespace; about 10 us each. Return them by uid."""
    found: dict[int, tuple[dict[str, None], ...]] = {}
    for process, comm, uid in _supervisors(proc):
        docker, tasks, storage, containerd = found.setdefault(uid, ({}, {}, {}, {}))
        if comm == "dockerd":
            docker.update(dict.fromkeys(_data_roots(_words(process), uid)))
            continue
        if comm == "containerd":
            containerd.update(dict.fromkeys(_containerd_roots(_words(process), uid)))
            continue
        roots = root_of_bundle(_bundle(process, comm))
        tasks.update(dict.fromkeys(roots.tasks))
        storage.update(dict.fromkeys(roots.storage))
    return {
        uid: Roots(*(tuple(places)[:ROOTS_MAX] for places in kinds)) for uid, kinds in found.items()
    }


def _supervisors(proc: Path) -> Iterator[tuple[Path, str, int]]:
    own = _mount_namespace(proc / "self")
    looked_at: Counter[int] = Counter()
    pids = [entry for entry in proc.iterdir() if entry.name.isdigit()]
    for process in pids[:PROCESSES_MAX]:
        try:
            comm = (process / "comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
        except OSError:
            continue
        watched = comm in ("dockerd", "conmon", "containerd") or comm.startswith("containerd-shim")
        uid = user_of(process) if watched else None
        if uid is None:
            continue
        # Rootless Podman has a mount namespace of its own, where its user's paths are the host's.
        if (comm != "conmon" or uid == 0) and _mount_namespace(process) != own:
            continue
        looked_at[uid] += 1
        if uid == 0 or looked_at[uid] <= PROCESSES_OF_USER:
            yield process, comm, uid


def user_of(process: Path) -> int | None:
    """Return the uid for which a process speaks; None if it is gone.

    It is the real one where the effective one differs: a program with the setuid bit runs for the
    user who called it, under a name and with arguments of that user's choice. ``/proc/PID`` itself
    belongs to root for such a process (proc(5), "dumpable"), and says nothing.
    """
    status = status_of(int(process.name), process.parent)
    return status.real_uid if status is not None else None


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


def _data_roots(words: list[str], uid: int) -> Iterator[str]:
    for index, word in enumerate(words):
        name, separator, value = word.partition("=")
        if not separator:
            value = words[index + 1] if index + 1 < len(words) else ""
        if name in ("--data-root", "-g", "--graph") and value.startswith("/"):
            yield value
        elif name == "--config-file" and value.startswith("/"):
            yield from _configured(posixpath.normpath(value), uid)


def _containerd_roots(words: list[str], uid: int) -> Iterator[str]:
    config = "/etc/containerd/config.toml"
    for index, word in enumerate(words):
        name, separator, value = word.partition("=")
        if not separator:
            value = words[index + 1] if index + 1 < len(words) else ""
        if name.lstrip("-") == "root" and value.startswith("/"):
            yield value
        elif name.lstrip("-") in ("config", "c") and value.startswith("/"):
            config = posixpath.normpath(value)
    data = _read_config(config, uid)
    try:
        root = tomllib.loads((data or b"").decode("utf-8", "replace")).get("root")
    except (ValueError, RecursionError):
        return
    if isinstance(root, str) and root.startswith("/"):
        yield root


def _configured(path: str, uid: int) -> Iterator[str]:
    data = _read_config(path, uid)
    document = parse(data) if data is not None else Failure.MISSING
    data_root = document.text("data-root") if isinstance(document, JsonDocument) else None
    if data_root is not None and data_root.startswith("/"):
        yield data_root


def _read_config(path: str, uid: int) -> bytes | None:
    """Read a configuration that a process named, if only its user or root can write it."""
    owners = owners_of(uid)
    root = open_root("/")
    if isinstance(root, Failure):
        return None
    directory: int | Failure = Failure.MISSING
    try:
        directory = TrustedDirectories().open(root, posixpath.dirname(path), owners, host=False)
        if isinstance(directory, Failure):
            return None
        data = read(
            directory, posixpath.basename(path), CONFIG_MAX, partial(is_owned, owners=owners)
        )
    finally:
        os.close(root)
        if not isinstance(directory, Failure):
            os.close(directory)
    return data if isinstance(data, bytes) else None


def supervisor_uid(init: ProcessKey, proc: Path = Path("/proc")) -> int | None:
    """Return for whom the parent of a container's init runs; None if it cannot be seen."""
    stat = stat_of(init.pid, proc)
    return user_of(proc / str(stat.parent)) if stat is not None and stat.parent > 0 else None
