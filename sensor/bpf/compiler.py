"""The short-lived child that compiles, loads and pins the probes with bcc.

Run as ``python -m sensor.bpf.compiler`` with a JSON request on standard input; answers with one
JSON line on standard output. LLVM's memory goes with the process: the agent never imports bcc.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sensor.bpf import instructions, kept_programs, libbpf, presence, program_loading
from sensor.bpf.kept_files import KeptFiles, reason
from sensor.bpf.kept_programs import KeptMap, KeptPrograms, MapType
from sensor.bpf.probe_set import Built, Target
from sensor.bpf.probe_set import build as build_set
from sensor.bpf.programs import AttachKind, Program
from sensor.dataclass import dataclass
from sensor.errors import CastoffError, CompilerMissing

if TYPE_CHECKING:
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class CompileRequest:
    """What the loader wants: paths as strings since it travels as JSON."""

    source: str
    """The text itself, see :mod:`sensor.bpf.source`."""
    stubs: str
    cflags: tuple[str, ...]
    target: Target
    keep_in: str | None = None
    """The directory where the programs are kept, if they are."""
    key: str = ""


_FIX = "Install it: apt-get install python3-bpfcc (Fedora: python3-bcc)."


class BccTable(Protocol):
    """A map, as bcc has it."""

    map_fd: int


class BccFunction(Protocol):
    """A program that the kernel has taken, as bcc has it."""

    fd: int


class BccText(Protocol):
    """A compiled text: what is used of ``bcc.BPF``, which has no types."""

    def __getitem__(self, map_name: bytes, /) -> BccTable:
        """Return a map."""

    def load_func(self, name: bytes, kind: int, /) -> BccFunction:
        """Have the kernel take a program. Raises Exception where it does not."""

    def dump_func(self, name: bytes, /) -> bytes:
        """Return a program's instructions."""


class BccCode:
    """Maps and programs of a compiled text, as :class:`sensor.bpf.attach.Code`."""

    def __init__(self, bcc: ModuleType, compiled: BccText) -> None:
        self._kinds = {
            AttachKind.RAW_TRACEPOINT: bcc.BPF.RAW_TRACEPOINT,
            AttachKind.TRACING: bcc.BPF.TRACING,
        }
        self._compiled = compiled
        self.loaded: list[Program] = []
        """What the kernel took."""

    def map(self, name: str, /) -> int:
        """Return a map's descriptor."""
        return self._compiled[name.encode()].map_fd

    def load(self, program: Program, /) -> int:
        """Have the kernel take a program. Raises Exception where it does not."""
        if program.kind is AttachKind.CGROUP:
            # bcc knows nothing of this type.
            descriptor = program_loading.load_program(program, self.instructions(program))
        else:
            kind = self._kinds[program.kind]
            descriptor = self._compiled.load_func(program.name.encode(), kind).fd
        self.loaded.append(program)
        return descriptor

    def instructions(self, program: Program) -> bytes:
        """Return what was compiled. Raises Exception where the text has no such program."""
        return self._compiled.dump_func(program.name.encode())


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


def build(request: CompileRequest) -> Built:
    """Compile, load, pin, attach, seed and publish one probe set, and keep its programs."""
    bcc = _import_bcc()
    os.environ["BCC_KERNEL_SOURCE"] = request.stubs

    # bcc attaches by name. What may be refused is asked for one by one instead.
    unattached = type("Unattached", (bcc.BPF,), {"_trace_autoload": lambda _: None})
    try:
        compiled: BccText = unattached(text=request.source.encode(), cflags=list(request.cflags))
    except Exception as error:  # bcc raises bare Exception for each compiler and map error
        problem = f"bcc could not build the probes: {error}"
        raise CompilerMissing(problem, "See the messages above; report them.") from error
    code = BccCode(bcc, compiled)
    built = build_set(code, request.target)
    if request.keep_in is None:
        return built
    try:
        kept = kept_programs.encode(_gather(code, request.key, built.missing))
        KeptFiles(Path(request.keep_in)).write(request.key, kept)
    except (OSError, ValueError) as error:
        return replace(built, unkept=reason(error))
    return built


def _gather(code: BccCode, key: str, missing: tuple[str, ...]) -> KeptPrograms:
    """Return what the kernel took as it is kept. Raises OSError or ValueError."""
    found = {program.name: code.instructions(program) for program in code.loaded}
    numbers: dict[int, int] = {}
    maps: list[KeptMap] = []
    for name in presence.MAPS:
        numbers[code.map(name)] = len(maps)
        maps.append(_map(code.map(name), name))
    for descriptor in sorted(set().union(*map(instructions.maps_of, found.values()))):
        if descriptor not in numbers:
            numbers[descriptor] = len(maps)
            maps.append(_map(descriptor, None))
    renamed = {name: instructions.renamed(one, numbers) for name, one in found.items()}
    return KeptPrograms(key, tuple(maps), renamed, missing)


def _map(descriptor: int, name: str | None) -> KeptMap:
    """Describe a map as the kernel does; it cuts long names short."""
    info = libbpf.map_info(descriptor)
    return KeptMap(
        name=name or info.name,
        type=MapType(info.type),
        key_size=info.key_size,
        value_size=info.value_size,
        max_entries=info.max_entries,
        flags=info.flags,
    )


def main() -> int:
    """Serve one request."""
    fields = json.load(sys.stdin)
    fields["cflags"] = tuple(fields["cflags"])
    fields["target"] = Target(**fields["target"])
    try:
        answer = build(CompileRequest(**fields))
    except CastoffError as error:
        answer = Built(error=type(error).__name__, problem=error.problem, fix=error.fix)
    sys.stdout.write(json.dumps(asdict(answer)) + "\n")
    return 0 if answer.error is None else 1


if __name__ == "__main__":
    sys.exit(main())
