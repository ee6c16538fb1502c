"""The tail of a record: what follows the fixed part, and the texts in both.

The same programs, ancestors and cgroups come again and again, so their decoded forms are kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sensor.bpf.layout import ANCESTOR
from sensor.errors import RecordMalformed
from sensor.model.process import Ancestor, CgroupPaths

if TYPE_CHECKING:
    from sensor.bpf.layout import Fixed

REMEMBERED = 256
"""Ancestors and cgroups whose decoded forms are remembered: a record costs half as much."""

DEFECT = "This is a defect of Castoff, or of the kernel's BTF: report the kernel's version."
"""What a record that does not fit asks for."""

_make = tuple.__new__


class RecordTail(NamedTuple):
    """What follows the fixed part, in its order."""

    ancestors: bytes
    cgroup_v1: bytes
    cgroup_v2: bytes
    text: bytes
    payload: bytes
    argv: bytes


def cut_tail(data: bytes, fixed: Fixed, start: int) -> RecordTail:
    """Cut the tail into its parts, which fill it."""
    ancestors = start + fixed.ancestor_count * ANCESTOR.size
    v1 = ancestors + fixed.cgroup_v1_len
    v2 = v1 + fixed.cgroup_v2_len
    text = v2 + fixed.text_len
    payload = text + fixed.payload_len
    argv = payload + fixed.argv_len
    if argv != len(data):
        problem = f"record of kind {fixed.kind}: parts of {argv} bytes in {len(data)}"
        raise RecordMalformed(problem, DEFECT)
    parts = data[start:ancestors], data[ancestors:v1], data[v1:v2]
    return _make(RecordTail, (*parts, data[v2:text], data[text:payload], data[payload:]))


@lru_cache(REMEMBERED)
def name_of(raw: bytes) -> str:
    """Decode a NUL-padded name of a program or a terminal: few, and records share them."""
    return text_of(raw)


def text_of(raw: bytes) -> str:
    """Decode a NUL-padded field."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def path_of(names: bytes) -> str | None:
    """Join names, innermost first, into a path; None for a root, which has no name."""
    if not names:
        return None
    parts = names.split(b"\0")[:-1]
    parts.reverse()
    return "/" + b"/".join(parts).decode("utf-8", "surrogateescape")


@lru_cache(REMEMBERED)
def _ancestor(raw: bytes) -> Ancestor:
    """Decode one ancestor: engines and shells stand above many processes."""
    pid, _pad, start_time, comm, exe = ANCESTOR.unpack(raw)
    return Ancestor(pid, start_time, name_of(comm), name_of(exe) or None)


@lru_cache(REMEMBERED)
def ancestors_of(raw: bytes) -> tuple[Ancestor, ...]:
    """Decode all ancestors: each record of a process repeats them."""
    return tuple(
        _ancestor(raw[start : start + ANCESTOR.size]) for start in range(0, len(raw), ANCESTOR.size)
    )


@lru_cache(REMEMBERED)
def cgroup_of(v1: bytes, v2: bytes) -> CgroupPaths:
    """Decode the paths of both hierarchies."""
    return CgroupPaths(path_of(v1), path_of(v2))


@lru_cache(REMEMBERED)
def argv_of(raw: bytes) -> tuple[str, ...]:
    """Split a command line as procfs does: NUL-terminated arguments.

    A client's execve and its connects have the same one.
    """
    if not raw:
        return ()
    parts = raw.decode("utf-8", "surrogateescape").split("\0")
    if parts[-1] == "":
        parts.pop()
    return tuple(parts)
