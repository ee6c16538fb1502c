"""The kernel's encodings of what users choose: strings, arguments, keys, socket addresses. Pure.

An untrusted string (audit_log_untrustedstring() of kernel/audit.c) is quoted, or upper-case hex
when it holds a quote, a space or anything else outside 0x21-0x7e. ``(null)``, ``(none)`` and ``?``
stand for nothing. Text comes out as UTF-8 with surrogateescape; control characters stay, for
the printer to escape. A value that is cut or follows no rule is None.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

ARGV_BYTES_MAX = 64 << 10
"""Bytes of all arguments of one execve together."""

ARGV_WORDS_MAX = 4096
"""Arguments of one execve."""

_NOTHING = frozenset({"(null)", "(none)", "?", ""})
_HEX = re.compile(r"(?:[0-9A-F]{2})+")
_ARGUMENT = re.compile(r"a(\d{1,7})(?:\[(\d{1,5})\]|(_len))?")
_UNSET = 0xFFFFFFFF
_AF_UNIX = 1
_ADDRESS_MIN = 3
"""Family (two bytes) and one byte of path: shorter is an unnamed socket."""


def raw_bytes(value: str) -> bytes | None:
    """Return the bytes of an untrusted string."""
    if value.startswith('"'):
        if len(value) < len('""') or not value.endswith('"'):
            return None
        return value[1:-1].encode("ascii", "replace")
    if _HEX.fullmatch(value):
        return bytes.fromhex(value)
    return None


def text(value: str | None) -> str | None:
    """Return an untrusted string as text."""
    if value is None or value in _NOTHING:
        return None
    found = raw_bytes(value)
    return None if found is None else found.decode("utf-8", "surrogateescape")


def plain(value: str | None) -> str | None:
    """Return a word that the kernel itself chose, such as a terminal's name."""
    return None if value is None or value in _NOTHING else value


def number(value: str | None) -> int | None:
    """Return an id; -1 in 32 bits is unset (AUDIT_UID_UNSET, AUDIT_SID_UNSET)."""
    if (
        value is None
        or not value.isascii()
        or not value.isdigit()
        or len(value) > len("4294967295")
    ):
        return None
    found = int(value)
    return None if found >= _UNSET else found


def keys(values: Iterable[str]) -> str | None:
    """Join the keys of the rules that matched by commas.

    Several keys are one hex string with 0x01 between them (AUDIT_KEY_SEPARATOR); newer auparse
    splits it into several fields.
    """
    found: list[str] = []
    for value in values:
        one = text(value)
        if one is not None:
            found += one.split("\x01")
    return ",".join(found) or None


def unix_path(saddr: str | None) -> str | None:
    """Return the path in a SOCKADDR's ``saddr``: a hex dump of ``struct sockaddr_un``.

    An abstract name is returned with ``@`` in front, as /proc/net/unix does. None for other
    families and unnamed sockets.
    """
    if saddr is None or not _HEX.fullmatch(saddr):
        return None
    address = bytes.fromhex(saddr)
    if len(address) < _ADDRESS_MIN or _AF_UNIX not in (
        int.from_bytes(address[:2], "little"),
        int.from_bytes(address[:2], "big"),
    ):
        return None
    path = address[2:]
    if path[0] == 0:
        return "@" + path[1:].rstrip(b"\0").decode("utf-8", "surrogateescape")
    return path.partition(b"\0")[0].decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Arguments:
    """An execve's arguments.

    ``argv`` is None when any part is missing or cut; ``first`` is argument 0 even then, where it
    is whole. Beyond the limits ``argv`` holds what comes before them.
    """

    argv: tuple[str, ...] | None
    first: str | None


class _Argument:
    """One argument: a value, or numbered pieces and the length that they have together."""

    __slots__ = ("length", "pieces")

    def __init__(self) -> None:
        self.pieces: dict[int, str] = {}
        self.length: int | None = None

    def value(self) -> bytes | None:
        parts: list[bytes] = []
        encoded = 0
        for index in range(len(self.pieces)):
            piece = self.pieces.get(index)
            found = None if piece is None else raw_bytes(piece)
            if piece is None or found is None:
                return None
            encoded += len(found) if piece.startswith('"') else len(piece)
            parts.append(found)
        if not parts or (self.length is not None and encoded != self.length):
            return None
        return b"".join(parts)


def arguments(fields: Iterable[tuple[str, str]], *, cut: bool = False) -> Arguments:
    """Join the fields of all EXECVE records of one event.

    ``argc=3 a0="docker" a1="run" a2_len=18000 a2[0]=…``, and ``a2[1]=…`` in further records once
    one is full (audit_log_execve_info() of kernel/auditsc.c). The order of the records is of no
    account. ``cut`` is set when records beyond a limit were left out: then what is there is kept up
    to the first gap.
    """
    count: int | None = None
    found: dict[int, _Argument] = {}
    for name, value in fields:
        if name == "argc":
            count = number(value)
            continue
        match = _ARGUMENT.fullmatch(name)
        if match is None:
            continue
        argument = found.setdefault(int(match.group(1)), _Argument())
        if match.group(3) is not None:
            argument.length = number(value)
        else:
            argument.pieces[int(match.group(2) or 0)] = value
    first = found[0].value() if 0 in found else None
    words = _whole(found, count, cut=cut)
    return Arguments(
        argv=None if words is None else tuple(_decoded(word) for word in words),
        first=None if first is None else _decoded(first),
    )


def _whole(found: dict[int, _Argument], count: int | None, *, cut: bool) -> list[bytes] | None:
    if count is None:
        return None
    words: list[bytes] = []
    size = 0
    for index in range(min(count, ARGV_WORDS_MAX)):
        argument = found.get(index)
        word = None if argument is None else argument.value()
        if word is None:
            return words if cut and words else None
        if size + len(word) > ARGV_BYTES_MAX:
            words.append(word[: ARGV_BYTES_MAX - size])
            break
        size += len(word)
        words.append(word)
    return words


def _decoded(word: bytes) -> str:
    return word[:ARGV_BYTES_MAX].decode("utf-8", "surrogateescape")
