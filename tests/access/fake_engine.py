"""A real process that bears an engine's name and listens, and made-up ones in a made-up procfs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.access.fake import put

LISTEN = """\
import ctypes, json, os, socket, sys
name, path, mode = sys.argv[1:4]
ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME
unix = socket.socket(socket.AF_UNIX)
unix.bind(path)
os.chmod(path, int(mode, 8))
unix.listen()
four = socket.create_server(("127.0.0.1", 0))
six = socket.create_server(("::", 0), family=socket.AF_INET6)
print(json.dumps([one.getsockname()[1] for one in (four, six)]), flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Listening:
    """Where a process listens."""

    pid: int
    path: Path
    local: int
    everywhere: int


@contextmanager
def listening(
    name: str, path: Path, *words: str, mode: int = 0o666, user: int = 0
) -> Iterator[Listening]:
    """Run a process with that comm; ``words`` are further words of its command line."""
    command = [sys.executable, "-I", "-c", LISTEN, name, str(path), oct(mode), *words]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=user or None
    )
    try:
        assert process.stdout is not None
        local, everywhere = json.loads(process.stdout.readline())
        yield Listening(process.pid, path, local, everywhere)
    finally:
        process.kill()
        process.communicate()


def made_up(
    root: Path, pid: int, *arguments: str, uid: int = 0, pids: str = "", **tables: str
) -> None:
    """Write what procfs has of an engine: ``tables`` are net/tcp and net/tcp6."""
    program = arguments[0].rpartition("/")[2]
    put(root, f"proc/{pid}/cmdline", "\0".join(arguments) + "\0")
    put(root, f"proc/{pid}/comm", f"{program[:15]}\n")
    put(root, f"proc/{pid}/status", f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nNSpid:\t{pids or pid}\n")
    for name, text in tables.items():
        put(root, f"proc/{pid}/net/{name}", f"  sl  local_address\n{text}")


def owns(root: Path, pid: int, *inodes: int) -> None:
    """Give a made-up process descriptors of sockets."""
    directory = root / f"proc/{pid}/fd"
    directory.mkdir(parents=True, exist_ok=True)
    for number, inode in enumerate(inodes, 3):
        (directory / str(number)).symlink_to(f"socket:[{inode}]")


def listens(local: str, inode: int, state: str = "0A") -> str:
    """Return a line of net/tcp."""
    rest = (
        f"{'0' * len(local.partition(':')[0])}:0000 {state} 00000000:00000000 00:00000000 00000000"
    )
    return f"   0: {local} {rest}     0        0 {inode} 1 0 100 0 0 10 0\n"
