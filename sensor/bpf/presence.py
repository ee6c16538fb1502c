"""Whether a probe set is still what was loaded: by the kernel's ids, not by paths.

A link's last reference may be its pin: removing that detaches the program, and nothing else
changes. So a running agent holds the links, programs and maps of its set by descriptors of its own.
Pins that are removed, covered by another mount or replaced are then missing for the next agent
alone, and are made anew from what is held. What was detached by bpf(2) is attached again.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, TypeVar

from sensor.bpf import attach, libbpf, pins, programs
from sensor.bpf.libbpf import BpfMap, LinkInfo
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sensor.bpf.pins import PinSet
    from sensor.bpf.programs import Program

Pinned = TypeVar("Pinned")

MAPS = (
    "lifecycle",
    "commands",
    "counters",
    "failures",
    "watched",
    "lineages",
    "lineages_of_others",
    "inits",
    "started_mounts",
    "socket_verdicts",
    "engine_sockets",
    "listening_ports",
    "connections",
    "connections_of_others",
    "reported",
    "settings",
    "ring_positions",
    "attached",
)
"""What user space reads or writes, or a later set takes over: each is pinned."""

DRAINED = ("lifecycle", "commands", "counters", "settings")
"""Without one of these a set cannot be read any more."""


@dataclass(frozen=True, slots=True)
class Absence:
    """What is not as it was loaded; ``detached`` programs see nothing."""

    detached: tuple[str, ...]
    unpinned: tuple[str, ...]
    """Names of pins that are gone, or that lead to something else."""

    def __bool__(self) -> bool:
        return bool(self.detached or self.unpinned)

    @property
    def names(self) -> tuple[str, ...]:
        """All of it, each once."""
        return tuple(dict.fromkeys((*self.detached, *self.unpinned)))


@dataclass(slots=True)
class _Held:
    """A program that was attached, with descriptors that keep it."""

    program: Program
    link: int
    code: int | None
    """None for an agent without CAP_SYS_ADMIN: it cannot attach a program again."""
    info: LinkInfo


def expected(pin_set: PinSet) -> dict[str, LinkInfo]:
    """Return what was attached when a set was loaded; raises FileNotFoundError without the map."""
    attached = BpfMap.pinned(pin_set.map("attached"))
    try:
        found = {}
        for number, program in enumerate(programs.ALL):
            value = int.from_bytes(attached.lookup(number.to_bytes(4, "little")) or b"", "little")
            if value:
                found[program.name] = LinkInfo(value >> 32, value & 0xFFFFFFFF, detached=False)
        return found
    finally:
        attached.close()


def missing(pin_set: PinSet) -> tuple[str, ...]:
    """Return names of programs and maps that a set lacks, by what its loader wrote down."""
    gone = [name for name in MAPS if not pin_set.map(name).exists()]
    try:
        wanted = expected(pin_set)
    except FileNotFoundError:
        return (*gone, *(program.name for program in programs.ALL if program.required))
    return (
        *gone,
        *(name for name, info in wanted.items() if _pinned_link(_pin(pin_set, name)) != info),
    )


def _pin(pin_set: PinSet, program: str) -> Path:
    return pin_set.map(f"{pins.LINK_PREFIX}{program}")


def _pinned_link(path: Path) -> LinkInfo | None:
    try:
        descriptor = libbpf.open_pin(path)
    except OSError:
        return None
    try:
        return libbpf.link_info(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _pinned_map(path: Path) -> int | None:
    try:
        descriptor = libbpf.open_pin(path)
    except OSError:
        return None
    try:
        return libbpf.map_id(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


class Presence:
    """Holds one probe set."""

    def __init__(self, pin_set: PinSet) -> None:
        self._pins = pin_set
        self._maps: dict[str, tuple[int, int]] = {}
        """Descriptor and id."""
        for name in MAPS:
            descriptor = libbpf.open_pin(pin_set.map(name))
            self._maps[name] = (descriptor, libbpf.map_id(descriptor))
        by_name = {program.name: program for program in programs.ALL}
        self._seen: dict[str, tuple[int, int]] = {}
        """Device and inode of the pins that were looked into and led to what was loaded."""
        self._paths = {name: pin_set.map(name) for name in MAPS}
        """Of the pins, by what is pinned: made once, since each round looks at 30 of them."""
        self._held: list[_Held] = []
        for name, info in expected(pin_set).items():
            self._paths[name] = _pin(pin_set, name)
            link = libbpf.open_pin(self._paths[name])
            self._held.append(_Held(by_name[name], link, _code(info.program), info))

    @property
    def attached(self) -> tuple[str, ...]:
        """Names of the programs that the kernel says are attached now."""
        return tuple(sorted(one.program.name for one in self._held if not self._is_detached(one)))

    @staticmethod
    def _is_detached(held: _Held) -> bool:
        return libbpf.link_info(held.link) != held.info

    def check(self) -> Absence:
        """Compare what is there with what was loaded."""
        detached = [one.program.name for one in self._held if self._is_detached(one)]
        unpinned = [
            one.program.name
            for one in self._held
            if one.program.name not in detached
            and not self._leads(one.program.name, _pinned_link, one.info)
        ]
        unpinned += [
            name
            for name, (_, number) in self._maps.items()
            if not self._leads(name, _pinned_map, number)
        ]
        return Absence(tuple(detached), tuple(unpinned))

    def _leads(self, name: str, look: Callable[[Path], Pinned | None], wanted: Pinned) -> bool:
        """Whether a pin leads to what was loaded: one that is as it was seen needs no second look.

        bpffs gives each pin an inode of its own, and what is pinned there cannot change.
        """
        pin = self._paths[name]
        try:
            status = pin.stat()
        except OSError:
            return False
        place = status.st_dev, status.st_ino
        if self._seen.get(name) == place:
            return True
        if look(pin) != wanted:
            return False
        self._seen[name] = place
        return True

    def restore(self, absence: Absence) -> None:
        """Attach again what is detached, and pin again what is unpinned. Raises OSError."""
        self._seen.clear()
        again = [one for one in self._held if one.program.name in absence.detached]
        for held in again:
            link = _attach(held.program, held.code)
            os.close(held.link)
            held.link, held.info = link, libbpf.link_info(link)
        pins.mount_bpffs()
        self._pins.path.parent.mkdir(mode=0o700, exist_ok=True)
        self._pins.path.mkdir(mode=0o700, exist_ok=True)
        for held in self._held:
            if held.program.name in absence.names:
                _repin(held.link, self._paths[held.program.name])
        for name, (descriptor, _) in self._maps.items():
            if name in absence.unpinned:
                _repin(descriptor, self._paths[name])
        self._note_links(again)

    def _note_links(self, again: list[_Held]) -> None:
        attached = BpfMap(os.dup(self._maps["attached"][0]))
        try:
            for held in again:
                number = programs.ALL.index(held.program)
                value = held.info.id << 32 | held.info.program
                attached.update(number.to_bytes(4, "little"), value.to_bytes(8, "little"))
        finally:
            attached.close()

    def close(self) -> None:
        """Let go: the pins keep the set from now on."""
        for held in self._held:
            os.close(held.link)
            if held.code is not None:
                os.close(held.code)
        for descriptor, _ in self._maps.values():
            os.close(descriptor)
        self._held.clear()
        self._maps.clear()


def _repin(descriptor: int, path: Path) -> None:
    path.unlink(missing_ok=True)
    libbpf.pin(descriptor, path)


def _code(number: int) -> int | None:
    try:
        return libbpf.program(number)
    except PermissionError:
        return None


def _attach(program: Program, code: int | None) -> int:
    """Attach a loaded program where it belongs; returns the link's descriptor."""
    if code is None:
        raise PermissionError(errno.EPERM, "only root may attach a program again")
    return attach.link(program, code)
