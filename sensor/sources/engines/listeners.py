"""Which unix sockets container engines listen on, read from procfs.

- An engine is a process whose file or comm bears the name of one; its descriptors name its sockets
  (proc(5), ``/proc/PID/fd``), and ``/proc/PID/net/unix`` names the path of each.
- A socket that systemd holds for an engine that does not run (docker.socket, podman.socket) has no
  engine's process. Such are found at the well-known paths, with ``pid`` None: connecting to
  one of them *starts* the engine.
- A plain user can run any number of processes with an engine's name. Engines of the host come
  first, those of others last, and each origin (uid, user and pid namespace) has its own limit.
- Binding a path with a newline in it forges a line of net/unix. The forger cannot
  hide a true line, only add a path, so every path that a socket seems to have is taken.
"""

from __future__ import annotations

import os
import re
import stat
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.linux import inode, path_walk
from sensor.linux.inode import Inode, Miss
from sensor.sources.engines import known
from sensor.sources.engines.processes import engines_among, pids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensor.model import vocabulary
    from sensor.sources.engines.known import Api
    from sensor.sources.engines.processes import Engine

DESCRIPTORS_MAX = 16_384
"""Descriptors of one process looked at."""

TABLE_BYTES_MAX = 16 << 20
"""Bytes of one net/unix that are read; a line has about 60."""

SOCKETS_MAX = 256
"""Sockets returned by one scan; beyond it those of nested engines are left out first."""

SOCKETS_OF_ORIGIN = 16
"""Sockets of one origin that is not the host's root. A node's own engines have no such limit."""

PROCESSES_OF_ORIGIN = 16
"""Processes of one such origin that are looked at."""

DESCRIPTORS_OF_ORIGIN = 4096
"""Descriptors of all processes of one such origin that are looked at."""

STATUS_BYTES_MAX = 16_384
"""Bytes of /proc/PID/status that are read; it has about 1,500."""

USERS_MAX = 1024
"""Directories of /run/user looked at."""

_HOST_ROOT = re.compile(rb"^Uid:\s+0\s", re.MULTILINE)
_HOST_PID = re.compile(rb"^NSpid:\s+\d+$", re.MULTILINE)
_SOCKET_LINK = re.compile(r"socket:\[(\d+)\]")
_TABLE_LINE = re.compile(
    rb"[0-9a-f]+: [0-9A-F]{8} [0-9A-F]{8} 00010000 0001 [0-9A-F]{2} +(\d+) (/.*)", re.DOTALL
)
"""A listening (__SO_ACCEPTCON, 00010000) stream (0001) socket with a path (net/unix/af_unix.c)."""


@dataclass(frozen=True, slots=True)
class EngineSocket:
    """A unix socket that asks an engine for containers."""

    path: str
    """As the engine sees it."""
    engine: vocabulary.Engine | str
    """The engine, or the program's name where the model has none for it."""
    device: int
    """``st_dev`` as of stat(2): major and minor in glibc's coding, not in the kernel's."""
    inode: int
    api: Api
    pid: int | None = None
    """The engine's process; None where only the well-known path was found, maybe unserved."""
    nested: bool = False
    """The engine runs inside a container, or is not root's: what it says is its own affair."""

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode: what the path leads to, whatever its name."""
        return self.device, self.inode


def engine_sockets(
    programs: frozenset[str], proc: Path = Path("/proc")
) -> tuple[EngineSocket, ...]:
    """Find the sockets of all engines that run, then those at well-known paths.

    ``programs`` are names as in ``probes/watched.toml``. About 12 microseconds for each process of
    the node.
    """
    engines = engines_among(pids(proc), programs | known.SERVICE_PROGRAMS, proc)
    return sockets_of_engines(engines, proc)


def sockets_of_engines(
    engines: Iterable[Engine], proc: Path = Path("/proc")
) -> tuple[EngineSocket, ...]:
    """Find the sockets of these engines, then those at well-known paths.

    One entry for each inode: the host's engines sorted by path, then nested ones. Never raises for
    a process that ends meanwhile.
    """
    found: dict[tuple[int, int], EngineSocket] = {}
    tables: dict[int | Miss, dict[int, list[str]]] = {}
    named = [(pid, program, _origin(proc / str(pid))) for pid, program in engines]
    shares: dict[Origin, _Share] = {}
    for pid, program, origin in sorted(named, key=lambda one: one[2] is not None):
        share = shares.setdefault(origin, _Share()) if origin is not None else None
        if share is not None and not share.has_room():
            continue
        for socket in _sockets_of(pid, program, proc, tables, share):
            if share is not None:
                share.sockets += 1
                if share.sockets > SOCKETS_OF_ORIGIN:
                    break
            found.setdefault(socket.key, socket)
    for socket in _well_known(proc):
        found.setdefault(socket.key, socket)
    ranked = sorted(found.values(), key=lambda socket: (socket.nested, socket.path))
    return tuple(ranked[:SOCKETS_MAX])


def is_hosts(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether an engine is root's, in the host's pid namespace."""
    return _origin(proc / str(pid)) is None


Origin = tuple[int | None, int | None, int | None]
"""Whose an engine is that is not the host's: uid, inodes of its user and its pid namespace."""


@dataclass(slots=True)
class _Share:
    """What one origin has taken of the scan."""

    processes: int = 0
    descriptors: int = 0
    sockets: int = 0

    def has_room(self) -> bool:
        """Count one more process; false when the origin has had its share."""
        self.processes += 1
        return (
            self.processes <= PROCESSES_OF_ORIGIN
            and self.descriptors < DESCRIPTORS_OF_ORIGIN
            and self.sockets < SOCKETS_OF_ORIGIN
        )


def _origin(process: Path) -> Origin | None:
    """Return whose an engine's process is, None for root in the host's pid namespace."""
    if not _is_nested(process / "status"):
        return None
    namespaces: list[int | None] = []
    for name in ("user", "pid"):
        try:
            namespaces.append((process / "ns" / name).stat().st_ino)
        except OSError:
            namespaces.append(None)
    try:
        uid: int | None = process.stat().st_uid
    except OSError:
        uid = None
    return uid, namespaces[0], namespaces[1]


def _sockets_of(
    pid: int,
    program: str,
    proc: Path,
    tables: dict[int | Miss, dict[int, list[str]]],
    share: _Share | None,
) -> Iterator[EngineSocket]:
    """Find the sockets of one process. ``share`` is its origin's, None for the host's engines."""
    engine, api = known.engine_called(program)
    try:
        process = inode.open_process(pid, proc)
    except OSError:
        return
    root: int | Miss = Miss.PROCESS_GONE
    try:
        network = inode.namespace(process, "net")
        if network not in tables:
            tables[network] = _listening(proc / str(pid) / "net/unix")
        table = tables[network]
        root = inode.open_directory(process, "root")
        nested = share is not None
        for number in _socket_numbers(proc / str(pid) / "fd", share):
            for path in table.get(number, ()):
                if isinstance(root, Miss) or not known.is_api(path):
                    continue
                at = path_walk.look_up(process, root, path)
                if at is Miss.UNCACHED and not nested:
                    # The host's own file systems may be asked; those of a container may not.
                    at = inode.look_up(root, path, may_wait=True)
                if isinstance(at, Inode) and at.is_socket:
                    kind: Api = "ttrpc" if path.endswith(".ttrpc") else api
                    yield EngineSocket(path, engine, at.device, at.number, kind, pid, nested)
    finally:
        if not isinstance(root, Miss):
            os.close(root)
        os.close(process)


def _is_nested(status: Path) -> bool:
    """Whether the process is not the host's: below this pid namespace, or another user's than root.

    ``NSpid`` of proc(5) has one number for each pid namespace from the reader's downwards.
    """
    try:
        with status.open("rb", buffering=0) as file:
            text = file.read(STATUS_BYTES_MAX)
    except OSError:
        return True
    return _HOST_ROOT.search(text) is None or _HOST_PID.search(text) is None


def _socket_numbers(directory: Path, share: _Share | None) -> Iterator[int]:
    limit = DESCRIPTORS_MAX
    if share is not None:
        limit = DESCRIPTORS_OF_ORIGIN - share.descriptors
    try:
        descriptors = list(islice(directory.iterdir(), max(0, limit)))
    except OSError:
        return
    if share is not None:
        share.descriptors += len(descriptors)
    for descriptor in descriptors:
        try:
            link = _SOCKET_LINK.fullmatch(str(descriptor.readlink()))
        except OSError:
            continue
        if link is not None:
            yield int(link[1])


def _listening(table: Path) -> dict[int, list[str]]:
    """Read one network namespace's listening stream sockets: paths by socket number."""
    found: dict[int, list[str]] = {}
    size = 0
    try:
        with table.open("rb") as file:
            for line in file:
                size += len(line)
                if size > TABLE_BYTES_MAX:
                    break
                match = _TABLE_LINE.fullmatch(line.removesuffix(b"\n"))
                if match is not None:
                    path = match[2].decode("utf-8", "surrogateescape")
                    found.setdefault(int(match[1]), []).append(path)
    except OSError:
        return found
    return found


def _well_known(proc: Path) -> Iterator[EngineSocket]:
    """Look at the well-known paths of the host, which is what pid 1 sees, else of this process."""
    root = proc / "1/root"
    base = str(root) if os.access(root / "run", os.X_OK) else ""
    candidates = list(known.WELL_KNOWN)
    try:
        users = list(islice(Path(f"{base}/run/user").iterdir(), USERS_MAX))
    except OSError:
        users = []
    for user in users:
        candidates += [
            (f"/run/user/{user.name}/{p}", e, a) for p, e, a in known.WELL_KNOWN_OF_USERS
        ]
    for path, engine, api in candidates:
        try:
            status = os.lstat(base + path)
        except OSError:
            continue
        if stat.S_ISSOCK(status.st_mode):
            nested = path.startswith("/run/user/")
            yield EngineSocket(path, engine, status.st_dev, status.st_ino, api, None, nested)
