"""The loaded probes, attached and detached in a moment.

Loading compiles and takes a second, so that measurements without and with the probes would lie
seconds apart, and on a shared machine that decides what they show. Here the programs are loaded
once; detaching closes their links and attaching makes new ones, a few milliseconds each. Detached,
a program costs the kernel nothing: its tracepoint is as if there had never been one.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.node import held
from sensor.bpf import libbpf, loader
from sensor.bpf.cgroup_link import cgroup2_root
from sensor.bpf.pins import LINK_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

RAW_TRACEPOINT, CGROUP = 1, 3
"""``enum bpf_link_type``, include/uapi/linux/bpf.h."""
NAME_LEN = 128
STATS_RUN_TIME = 0
"""``enum bpf_stats_type``."""


class _LinkInfo(ctypes.Structure):
    """``struct bpf_link_info`` for a raw tracepoint: type, id, prog_id, name and its length.

    In a cgroup's, attach_type stands where name_len does: 8 bytes after the union's begin.
    """

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("prog_id", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("name", ctypes.c_uint64),
        ("name_len_or_attach_type", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * 64),
    )


@dataclass(frozen=True, slots=True)
class Program:
    """A loaded program. ``place`` is its tracepoint, or None for the cgroup hierarchy's root."""

    name: str
    descriptor: int
    place: bytes | None
    attach_type: int

    def runs(self) -> tuple[int, int]:
        """How often it ran, and for how many ns, while statistics were on."""
        lines = Path(f"/proc/self/fdinfo/{self.descriptor}").read_text(encoding="ascii")
        counters = dict(line.split(":", 1) for line in lines.splitlines())
        return int(counters["run_cnt"]), int(counters["run_time_ns"])


class Attachment:
    """All programs of the current probe set; detached to begin with. No agent may run."""

    def __init__(self, programs: tuple[Program, ...]) -> None:
        self._programs = programs
        self._links: list[int] = []

    @property
    def programs(self) -> tuple[Program, ...]:
        """What is attached and detached."""
        return self._programs

    def switch(self, *, on: bool) -> None:
        """Attach or detach; nothing happens when that is so already."""
        if on and not self._links:
            self._links = [_attach(program) for program in self._programs]
        elif not on:
            while self._links:
                os.close(self._links.pop())


@contextmanager
def timed() -> Iterator[None]:
    """Have the kernel time every program meanwhile (since Linux 5.8)."""
    descriptor = libbpf.call("bpf_enable_stats", STATS_RUN_TIME)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def attachment() -> Iterator[Attachment]:
    """Load the probes, take their programs over, and leave nothing of them at the end."""
    with held():
        pin_set = loader.load()
        programs = tuple(
            _program(name, pin_set.path / f"{LINK_PREFIX}{name}") for name in pin_set.links()
        )
        pin_set.detach()
        taken = Attachment(programs)
        try:
            yield taken
        finally:
            taken.switch(on=False)
            for program in programs:
                os.close(program.descriptor)
            loader.unload()


def _program(name: str, pin: os.PathLike[str]) -> Program:
    """Open the program behind a pinned link."""
    link = libbpf.call("bpf_obj_get", os.fsencode(pin))
    try:
        place = ctypes.create_string_buffer(NAME_LEN)
        info = _LinkInfo(name=ctypes.addressof(place), name_len_or_attach_type=NAME_LEN)
        size = ctypes.c_uint32(ctypes.sizeof(info))
        libbpf.call("bpf_obj_get_info_by_fd", link, ctypes.byref(info), ctypes.byref(size))
    finally:
        os.close(link)
    descriptor = libbpf.call("bpf_prog_get_fd_by_id", info.prog_id)
    if info.type == RAW_TRACEPOINT:
        return Program(name, descriptor, place.value, 0)
    if info.type == CGROUP:
        return Program(name, descriptor, None, info.name_len_or_attach_type)
    raise RuntimeError(f"{name} is attached in a way that this bench does not know: {info.type}")


def _attach(program: Program) -> int:
    if program.place is not None:
        return libbpf.call("bpf_raw_tracepoint_open", program.place, program.descriptor)
    root = os.open(cgroup2_root(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return libbpf.call("bpf_link_create", program.descriptor, root, program.attach_type, None)
    finally:
        os.close(root)
