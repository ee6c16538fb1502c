"""Build one probe set from programs, compiled or kept: pin, attach, seed, publish."""

from __future__ import annotations

from pathlib import Path

from sensor import clock
from sensor.bpf import libbpf, pins, presence, programs, seed, watched
from sensor.bpf.attach import Attacher, Code
from sensor.dataclass import dataclass

_LOADED_AT, _CONFIRMS = 0, 4
"""Of ``enum setting``."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which set is wanted: paths as strings since it travels as JSON."""

    watched: str
    pin_root: str
    fingerprint: str
    predecessor: str | None
    requests: bool = True
    """Whether to read what is asked of engines."""


@dataclass(frozen=True, slots=True)
class Built:
    """What came of it; ``missing`` names optional programs that this kernel refused."""

    path: str | None = None
    missing: tuple[str, ...] = ()
    error: str | None = None
    problem: str | None = None
    fix: str | None = None
    unkept: str | None = None
    """Why the programs are not kept for the next boot."""


class Incomplete(Exception):
    """The kernel refuses a program that it took before."""


def build(code: Code, target: Target, *, expected: tuple[str, ...] | None = None) -> Built:
    """Build and publish a set.

    Raises :class:`Incomplete` where other programs than the ``expected`` ones are missing.
    """
    root = Path(target.pin_root)
    staged = pins.staging(root, target.fingerprint)
    try:
        missing = _populate(code, staged, target)
        if expected is not None:
            _require_all_but(expected, missing)
        published = pins.publish(staged, root, target.fingerprint)
    except BaseException:
        staged.remove()
        raise
    return Built(path=str(published.path), missing=missing)


def _require_all_but(expected: tuple[str, ...], missing: tuple[str, ...]) -> None:
    refused = sorted(set(missing) - set(expected))
    if refused:
        raise Incomplete(f"the kernel refuses {', '.join(refused)}")


def _populate(code: Code, staged: pins.PinSet, target: Target) -> tuple[str, ...]:
    maps: dict[str, libbpf.BpfMap] = {}
    for name in presence.MAPS:
        descriptor = code.map(name)
        libbpf.pin(descriptor, staged.map(name))
        maps[name] = libbpf.BpfMap(descriptor)
    names = watched.read(Path(target.watched))
    for entry in names:
        maps["watched"].update(*watched.map_entry(entry))
    attacher = Attacher(code, staged)
    for one in programs.CORE:
        attacher.attach(one)
    if target.requests:
        _attach_requests(attacher)
    if programs.DATA_READY.name not in attacher.attached:
        attacher.attach(programs.CONNECTED)
    if attacher.attached & {programs.DATA_READY.name, programs.CONNECTED.name}:
        _set(maps, _CONFIRMS, 1)
    attacher.attach(programs.CONNECT)
    for number, one in enumerate(programs.ALL):
        if one.name in attacher.links:
            info = libbpf.link_info(attacher.links[one.name])
            value = info.id << 32 | info.program
            maps["attached"].update(number.to_bytes(4, "little"), value.to_bytes(8, "little"))
    _set(maps, _LOADED_AT, clock.boottime())
    _seed(maps, names, target.predecessor)
    return tuple(attacher.missing)


def _set(maps: dict[str, libbpf.BpfMap], setting: int, value: int) -> None:
    maps["settings"].update(setting.to_bytes(4, "little"), value.to_bytes(8, "little"))


def _attach_requests(attacher: Attacher) -> None:
    """Attach what reads requests: by fentry, else by a raw tracepoint."""
    if attacher.attach(programs.REQUEST):
        attacher.attach(programs.RELEASE)
    else:
        attacher.attach(programs.DATA_READY)
    attacher.attach(programs.TCP_STATE)
    attacher.attach(programs.SENT)


def _seed(
    maps: dict[str, libbpf.BpfMap],
    names: tuple[watched.WatchedProgram, ...],
    predecessor: str | None,
) -> None:
    seed.fill(tuple(seed.scan()), watched.Roles(names), maps)
    if predecessor is not None:
        seed.take_over(pins.PinSet(Path(predecessor)), maps)
        seed.prune(maps["inits"])
