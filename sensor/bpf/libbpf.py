"""The few libbpf calls that a running agent needs: open pins, read and write maps.

libbpf.so.1 is a dependency of every bcc package. Nothing here pulls in LLVM.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import CompilerMissing, PermissionMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

BPF_ANY = 0
_NO_BATCHES = frozenset({errno.EINVAL, errno.EPERM, 524})
"""What kernels without them answer; 524 is ENOTSUPP of include/linux/errno.h."""
_NAME_LEN = 16


class _MapInfo(ctypes.Structure):
    """The leading part of ``struct bpf_map_info`` (include/uapi/linux/bpf.h)."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("name", ctypes.c_char * _NAME_LEN),
    )


class _LinkInfo(ctypes.Structure):
    """The leading part of ``struct bpf_link_info``; ``cgroup_id`` of a cgroup link only."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("prog_id", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("cgroup_id", ctypes.c_uint64),
        ("rest", ctypes.c_uint64 * 8),
    )


_LINK_OF_CGROUP = 3
"""``BPF_LINK_TYPE_CGROUP`` of ``enum bpf_link_type``."""


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """What the kernel says of a link. Ids are not used again while the kernel runs."""

    id: int
    program: int
    """The id of its program."""
    detached: bool
    """It is there and leads nowhere: BPF_LINK_DETACH, or its cgroup is gone."""


@dataclass(frozen=True, slots=True)
class MapShape:
    """Sizes in bytes, and the number of entries (of bytes, for a ring buffer)."""

    key_size: int
    value_size: int
    max_entries: int


@dataclass(frozen=True, slots=True)
class MapInfo:
    """What the kernel says of a map; ``type`` is a number of ``enum bpf_map_type``."""

    type: int
    id: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str
    """At most 15 characters: the kernel keeps no more."""


@cache
def _load() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        problem = f"libbpf.so.1 cannot be loaded: {error}"
        raise CompilerMissing(problem, "Install it: apt-get install libbpf1") from error


def call(name: str, *arguments: object) -> int:
    """Call a libbpf function; returns its result and raises OSError for a negative one."""
    result = int(getattr(_load(), name)(*arguments))
    if result < 0:
        number = ctypes.get_errno() or -result
        raise OSError(number, os.strerror(number))
    return result


def open_pin(path: Path) -> int:
    """File descriptor of the object pinned at ``path``; the caller closes it.

    Raises FileNotFoundError when nothing is pinned there, :class:`PermissionMissing` without
    the rights.
    """
    try:
        return call("bpf_obj_get", os.fsencode(path))
    except PermissionError as error:
        problem = f"may not open {path}: {error.strerror}"
        raise PermissionMissing(problem, "Run as root, or with CAP_BPF.") from error


def pin(descriptor: int, path: Path) -> None:
    """Pin a map or link at ``path``."""
    call("bpf_obj_pin", descriptor, os.fsencode(path))


def link_info(descriptor: int) -> LinkInfo:
    """Ask the kernel what a link is. Raises OSError if it is not a link."""
    info = _LinkInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    call("bpf_obj_get_info_by_fd", descriptor, ctypes.byref(info), ctypes.byref(size))
    detached = info.type == _LINK_OF_CGROUP and not info.cgroup_id
    return LinkInfo(int(info.id), int(info.prog_id), detached)


def map_info(descriptor: int) -> MapInfo:
    """Ask the kernel what a map is. Raises OSError if it is not a map."""
    info = _MapInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    call("bpf_obj_get_info_by_fd", descriptor, ctypes.byref(info), ctypes.byref(size))
    return MapInfo(
        type=info.type,
        id=info.id,
        key_size=info.key_size,
        value_size=info.value_size,
        max_entries=info.max_entries,
        flags=info.map_flags,
        name=info.name.decode("ascii", "replace"),
    )


def map_id(descriptor: int) -> int:
    """Ask the kernel which map a descriptor is. Raises OSError if it is not a map."""
    return map_info(descriptor).id


def program(number: int) -> int:
    """Return a descriptor of the program of that id; raises OSError when it is gone."""
    return call("bpf_prog_get_fd_by_id", ctypes.c_uint32(number))


def attach_raw(tracepoint: str, code: int) -> int:
    """Attach a program to a raw tracepoint; an fentry or fexit program knows where without one.

    Returns the link's descriptor; raises OSError.
    """
    return call("bpf_raw_tracepoint_open", tracepoint.encode() or None, code)


class BpfMap:
    """An open map of fixed-size keys and values, as bytes."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        info = map_info(descriptor)
        self.shape = MapShape(info.key_size, info.value_size, info.max_entries)
        self._batches = True
        """Until the kernel has said that it has none."""

    @classmethod
    def pinned(cls, path: Path) -> BpfMap:
        """Open the map pinned at ``path``."""
        return cls(open_pin(path))

    def lookup(self, key: bytes, copies: int = 1) -> bytes | None:
        """Value of ``key``; for a per-CPU map ``copies`` is the number of possible CPUs.

        Per-CPU values come padded to 8 bytes each, one after the other.
        """
        buffer = ctypes.create_string_buffer((self.shape.value_size + 7 & ~7) * copies)
        try:
            call("bpf_map_lookup_elem", self.descriptor, key, buffer)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return buffer.raw

    def array(self, copies: int = 1) -> bytes:
        """Return all values of an array, in order, each as :meth:`lookup` gives it.

        One system call where the kernel has batches for such a map (Linux 5.13).
        """
        size = (self.shape.value_size + 7 & ~7) * copies
        if self._batches:
            try:
                return self._batch(size)
            except OSError as error:
                if error.errno not in _NO_BATCHES:
                    raise
                self._batches = False
        numbers = range(self.shape.max_entries)
        values = (self.lookup(number.to_bytes(4, "little"), copies) for number in numbers)
        return b"".join(value or bytes(size) for value in values)

    def _batch(self, size: int) -> bytes:
        count = ctypes.c_uint32(self.shape.max_entries)
        keys = ctypes.create_string_buffer(self.shape.key_size * count.value)
        values = ctypes.create_string_buffer(size * count.value)
        after = ctypes.c_uint32()
        arguments = (None, ctypes.byref(after), keys, values, ctypes.byref(count), None)
        try:
            call("bpf_map_lookup_batch", self.descriptor, *arguments)
        except OSError as error:
            # Some kernels say so at the end of the map.
            if error.errno != errno.ENOENT or count.value != self.shape.max_entries:
                raise
        return values.raw

    def update(self, key: bytes, value: bytes) -> None:
        """Set ``key`` to ``value``."""
        call("bpf_map_update_elem", self.descriptor, key, value, ctypes.c_uint64(BPF_ANY))

    def delete(self, key: bytes) -> None:
        """Remove ``key`` if it is present."""
        try:
            call("bpf_map_delete_elem", self.descriptor, key)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def walk(self) -> Iterator[bytes]:
        """Yield the keys; bounded by the map's size even while others insert."""
        current: bytes | None = None
        following = ctypes.create_string_buffer(self.shape.key_size)
        for _ in range(self.shape.max_entries):
            try:
                call("bpf_map_get_next_key", self.descriptor, current, following)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return
                raise
            current = following.raw
            yield current

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


def possible_cpus(path: Path = Path("/sys/devices/system/cpu/possible")) -> int:
    """Count of possible CPUs: the number of copies in a per-CPU map."""
    last = path.read_text(encoding="ascii").strip().replace(",", "-").split("-")[-1]
    return int(last) + 1
