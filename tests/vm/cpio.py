"""Write a cpio archive in the "newc" format, which the kernel unpacks as its initramfs.

Format: the kernel tree's Documentation/driver-api/early-userspace/buffer-format.rst. Each member is
a header of thirteen 8-digit hexadecimal numbers, its name and its data, both padded to four bytes.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file, or a directory when ``data`` is None."""

    name: str
    data: bytes | None
    executable: bool = False

    @property
    def mode(self) -> int:
        """Type and permission bits."""
        if self.data is None:
            return stat.S_IFDIR | 0o755
        return stat.S_IFREG | (0o755 if self.executable else 0o644)


def archive(members: tuple[Member, ...]) -> bytes:
    """Return the archive of ``members``; a directory must come before what lies in it."""
    parts = [_encode(inode, member) for inode, member in enumerate(members, start=1)]
    parts.append(_encode(0, Member(_TRAILER, b"")))
    return b"".join(parts)


def _encode(inode: int, member: Member) -> bytes:
    name = member.name.encode() + b"\0"
    data = member.data or b""
    links = 2 if member.data is None else 1
    numbers = (inode, member.mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
    header = _MAGIC + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name) + _padded(data)


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % 4)
