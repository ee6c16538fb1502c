"""Where the probes live between agents: one directory of pins a probe set, in bpffs.

    /sys/fs/bpf/castoff/<fingerprint>/{lifecycle,commands,counters,…,link-on_exec,…}

A set is built under a ``staging-`` name and renamed when it is whole, so that a reader never finds
half a set. (bpffs refuses names with dots: kernel/bpf/inode.c, bpf_lookup.) Several sets may stand
side by side while one replaces another.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from sensor.dataclass import dataclass
from sensor.errors import KernelUnsupported, PermissionMissing

BPFFS = Path("/sys/fs/bpf")
PIN_ROOT = BPFFS / "castoff"
LINK_PREFIX = "link-"
STAGING_PREFIX = "staging-"
_BPF_FS_MAGIC = 0xCAFE4A11


@dataclass(frozen=True, slots=True)
class PinSet:
    """One probe set: ``path`` is its directory, named by the fingerprint of what was loaded."""

    path: Path

    @property
    def fingerprint(self) -> str:
        """Digest of source, kernel and options (see loader.fingerprint)."""
        return self.path.name

    def map(self, name: str) -> Path:
        """Path of a pinned map."""
        return self.path / name

    def links(self) -> tuple[str, ...]:
        """Names of the programs that are attached; none of a set that is gone."""
        try:
            names = [entry.name for entry in self.path.iterdir()]
        except FileNotFoundError:
            return ()
        return tuple(
            sorted(n.removeprefix(LINK_PREFIX) for n in names if n.startswith(LINK_PREFIX))
        )

    def detach(self) -> None:
        """Unpin the links: the probes stop, what is in the rings stays readable."""
        for name in self.links():
            (self.path / f"{LINK_PREFIX}{name}").unlink(missing_ok=True)

    def remove(self) -> None:
        """Unpin everything."""
        self.detach()
        for entry in self.path.iterdir():
            entry.unlink(missing_ok=True)
        self.path.rmdir()


def _filesystem_type(path: Path) -> int:
    # os.statvfs lacks f_type; stat(1) has it and is in every base system.
    result = subprocess.run(
        ["/usr/bin/stat", "-f", "-c", "%t", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    return int(result.stdout.strip() or "0", 16)


def mount_bpffs(path: Path = BPFFS) -> bool:
    """Mount bpffs at ``path`` when it is not; returns whether it did.

    Raises :class:`PermissionMissing` or :class:`KernelUnsupported`.
    """
    if not path.is_dir():
        problem = f"{path} does not exist"
        raise KernelUnsupported(problem, "The kernel needs CONFIG_BPF_SYSCALL=y and sysfs mounted.")
    if _filesystem_type(path) == _BPF_FS_MAGIC:
        return False
    result = subprocess.run(
        ["/bin/mount", "-t", "bpf", "-o", "mode=0700,nosuid,nodev,noexec", "bpf", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        problem = f"cannot mount bpffs at {path}: {result.stderr.strip()}"
        raise PermissionMissing(problem, "Run as root (CAP_SYS_ADMIN), or mount it beforehand.")
    return True


def loaded_sets(root: Path = PIN_ROOT) -> tuple[PinSet, ...]:
    """List the whole probe sets under ``root``, oldest first."""
    try:
        entries = [entry for entry in root.iterdir() if not entry.name.startswith(STAGING_PREFIX)]
    except FileNotFoundError:
        return ()
    except PermissionError as error:
        problem = f"may not read {root}"
        raise PermissionMissing(problem, "Run as root.") from error
    found: list[tuple[int, Path]] = []
    for entry in entries:
        # A set that an agent retires in this moment is gone.
        with suppress(FileNotFoundError):
            found.append((entry.stat().st_mtime_ns, entry))
    found.sort(key=lambda one: one[0])
    return tuple(PinSet(entry) for _, entry in found)


def make_newest(chosen: PinSet, root: Path = PIN_ROOT) -> None:
    """Let readers keep this set and retire the others: after a downgrade it may be the older one.

    Without the right to, the order stays.
    """
    if loaded_sets(root)[-1:] != (chosen,):
        with contextlib.suppress(PermissionError):
            os.utime(chosen.path)


def hand_over(root: Path, uid: int, gid: int) -> None:
    """Give every probe set to an account: an agent that is not root reads and retires them."""
    for path in (root, *(entry for loaded in loaded_sets(root) for entry in _entries(loaded))):
        os.chown(path, uid, gid, follow_symlinks=False)


def _entries(loaded: PinSet) -> tuple[Path, ...]:
    return (loaded.path, *loaded.path.iterdir())


def staging(root: Path, fingerprint: str) -> PinSet:
    """Make an empty directory for a new set."""
    root.mkdir(mode=0o700, exist_ok=True)
    remove_leftovers(root)
    path = root / f"{STAGING_PREFIX}{fingerprint}-{os.getpid()}"
    path.mkdir(mode=0o700)
    return PinSet(path)


def remove_leftovers(root: Path) -> None:
    """Remove the unfinished sets of loaders that are dead: their programs may be attached."""
    for entry in root.glob(f"{STAGING_PREFIX}*"):
        pid = entry.name.rsplit("-", 1)[-1]
        if not Path(f"/proc/{pid}").exists():
            # Another loader may remove it in this moment.
            with suppress(FileNotFoundError):
                PinSet(entry).remove()


def publish(staged: PinSet, root: Path, fingerprint: str) -> PinSet:
    """Give a finished set its name. Where another loader was faster, its set counts."""
    target = root / fingerprint
    try:
        staged.path.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        staged.remove()
    return PinSet(target)
