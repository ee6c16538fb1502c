"""The short-lived child that compiles, loads and pins the probes with bcc.

Run as ``python -m sensor.bpf.compiler`` with a JSON request on standard input; answers with one
JSON line on standard output. LLVM's memory goes with the process: the agent never imports bcc.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import clock
from sensor.bpf import libbpf, pins, presence, programs, seed, watched
from sensor.bpf.attach import Attacher
from sensor.dataclass import dataclass
from sensor.errors import CastoffError, CompilerMissing

if TYPE_CHECKING:
    from types import ModuleType

    from sensor.bpf.attach import BccText

_LOADED_AT, _CONFIRMS = 0, 4
"""Of ``enum setting``."""


@dataclass(frozen=True, slots=True)
class CompileRequest:
    """What the loader wants: paths as strings since it travels as JSON."""

    source: str
    """The text itself, see :mod:`sensor.bpf.source`."""
    watched: str
    stubs: str
    cflags: tuple[str, ...]
    pin_root: str
    fingerprint: str
    predecessor: str | None
    requests: bool = True
    """Whether to read what is asked of engines."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What came of it; ``missing`` names optional programs that this kernel refused."""

    path: str | None = None
    missing: tuple[str, ...] = ()
    error: str | None = None
    problem: str | None = None
    fix: str | None = None


_FIX = "Install it: apt-get install python3-bpfcc (Fedora: python3-bcc)."


def _import_bcc() -> ModuleType:
    try:
        bcc = importlib.import_module("bcc")  # 75 MiB that only this child may cost
    except ImportError as error:
        raise CompilerMissing(f"bcc cannot be imported: {error}", _FIX) from error
    if not hasattr(bcc, "BPF"):
        # PyPI has another bcc; what is left of a removed package is a module, too.
        place = getattr(bcc, "__file__", None) or "an empty directory"
        problem = f"the module bcc ({place}) is not the BPF Compiler Collection"
        raise CompilerMissing(problem, _FIX)
    return bcc


def build(request: CompileRequest) -> Compiled:
    """Compile, load, pin, attach, seed and publish one probe set."""
    bcc = _import_bcc()
    os.environ["BCC_KERNEL_SOURCE"] = request.stubs

    # bcc attaches by name. What may be refused is asked for one by one instead.
    unattached = type("Unattached", (bcc.BPF,), {"_trace_autoload": lambda _: None})
    try:
        program: BccText = unattached(text=request.source.encode(), cflags=list(request.cflags))
    except Exception as error:  # bcc raises bare Exception for each compiler and map error
        problem = f"bcc could not build the probes: {error}"
        raise CompilerMissing(problem, "See the messages above; report them.") from error
    staged = pins.staging(Path(request.pin_root), request.fingerprint)
    try:
        missing = _populate(bcc, program, staged, request)
    except BaseException:
        staged.remove()
        raise
    path = pins.publish(staged, Path(request.pin_root), request.fingerprint).path
    return Compiled(path=str(path), missing=missing)


def _populate(
    bcc: ModuleType,
    program: BccText,
    staged: pins.PinSet,
    request: CompileRequest,
) -> tuple[str, ...]:
    maps: dict[str, libbpf.BpfMap] = {}
    for name in presence.MAPS:
        descriptor = program[name.encode()].map_fd
        libbpf.pin(descriptor, staged.map(name))
        maps[name] = libbpf.BpfMap(descriptor)
    names = watched.read(Path(request.watched))
    for entry in names:
        maps["watched"].update(*watched.map_entry(entry))
    attacher = Attacher(bcc, program, staged)
    for one in programs.CORE:
        attacher.attach(one)
    if request.requests:
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
    _seed(maps, names, request.predecessor)
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


def main() -> int:
    """Serve one request."""
    fields = json.load(sys.stdin)
    fields["cflags"] = tuple(fields["cflags"])
    try:
        answer = build(CompileRequest(**fields))
    except CastoffError as error:
        answer = Compiled(error=type(error).__name__, problem=error.problem, fix=error.fix)
    sys.stdout.write(json.dumps(asdict(answer)) + "\n")
    return 0 if answer.error is None else 1


if __name__ == "__main__":
    sys.exit(main())
