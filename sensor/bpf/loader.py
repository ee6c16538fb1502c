"""Load the probes into the kernel, list what is loaded, unload them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from contextlib import suppress
from dataclasses import asdict, replace
from enum import Enum, unique
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import errors
from sensor.bpf import (
    child,
    compiler,
    fields,
    kept_key,
    libbpf,
    lockdown,
    pins,
    presence,
    source,
)
from sensor.bpf.btf import Btf
from sensor.bpf.kept_loader import KeptRequest
from sensor.bpf.probe_set import Built, Target
from sensor.dataclass import dataclass
from sensor.errors import (
    CastoffError,
    CompilerMissing,
    KernelUnsupported,
    PermissionMissing,
)

if TYPE_CHECKING:
    from sensor.bpf.kept_files import KeptFiles

SOURCES = Path(__file__).resolve().parents[2] / "probes"
"""The probes lie beside the package, in a checkout as in an installed tree."""

COMPILE_TIMEOUT = 600.0
"""Seconds. Takes some two seconds; more than three minutes were seen on an emulated processor that
was shared with ten other busy processes."""

KEPT_TIMEOUT = 120.0
"""Seconds for programs that need no compiler. Takes a quarter of a compile, for the verifier."""

LIFECYCLE_PAGES = 8192
"""32 MiB: some 39,000 unread starts with their stops, of 840 bytes (docs/bench.md)."""

COMMANDS_PAGES = 2048
"""8 MiB: some 6,000 commands of ordinary length."""

_PAGE = 4096
_FINGERPRINT_DIGITS = 16
_MIB = 1024 * 1024


@unique
class Origin(Enum):
    """Where an attached probe set is from."""

    ATTACHED = "was attached"
    KEPT = "from kept programs"
    COMPILED = "compiled"


@dataclass(frozen=True, slots=True)
class Obtained:
    """A probe set, and how it came about."""

    pins: pins.PinSet
    origin: Origin
    refused: str | None = None
    """Why kept programs were not used."""
    unkept: str | None = None
    """Why the programs are not kept."""


@dataclass(frozen=True, slots=True)
class LoadedSet:
    """A probe set in the kernel. ``programs`` is empty when it only waits to be drained."""

    fingerprint: str
    path: Path
    programs: tuple[str, ...]
    lifecycle_mib: float
    commands_mib: float
    current: bool


def _cflags(btf: Btf) -> tuple[str, ...]:
    return (
        *fields.macros(btf),
        f"-I{SOURCES}",
        f"-DLIFECYCLE_PAGES={LIFECYCLE_PAGES}",
        f"-DCOMMANDS_PAGES={COMMANDS_PAGES}",
        f"-DPOSSIBLE_CPUS={libbpf.possible_cpus()}",
        # bcc asks for debug information, which takes a third of the time and serves no program:
        # fentry looks its function up in the kernel's BTF.
        "-g0",
    )


def fingerprint(*, requests: bool = True) -> str:
    """Digest of everything that decides what a probe set does: sources, names, kernel, sizes.

    The field offsets follow from the kernel's version and build, so BTF need not be read.
    ``requests`` as for :func:`load`.
    """
    digest = hashlib.sha256()
    digest.update(source.digest(SOURCES))
    uname = os.uname()
    digest.update(f"{uname.release} {uname.version} {uname.machine}".encode())
    sizes = f" {LIFECYCLE_PAGES} {COMMANDS_PAGES} {libbpf.possible_cpus()} {requests}"
    digest.update(sizes.encode())
    return digest.hexdigest()[:_FINGERPRINT_DIGITS]


def load(root: Path = pins.PIN_ROOT, *, requests: bool = True) -> pins.PinSet:
    """Make sure that the probe set of this source and kernel is attached, and return it.

    Without ``requests`` nothing is attached to the sending of messages through unix sockets.

    Sets of other fingerprints are left attached: their reader retires them, so that a switch
    loses nothing. Raises a :class:`CastoffError` with the reason and the fix.
    """
    return obtain(root, requests=requests).pins


def obtain(
    root: Path = pins.PIN_ROOT,
    *,
    requests: bool = True,
    kept: KeptFiles | None = None,
    anew: bool = False,
) -> Obtained:
    """Do what :func:`load` does, and say how.

    Programs are kept in ``kept``, and used from there unless they are to be compiled ``anew``.
    Whatever is wrong with what is kept is a reason to compile, and no failure.
    """
    pins.mount_bpffs(root.parent)
    with suppress(PermissionError):
        # The agent may not: they are root's.
        pins.remove_leftovers(root)
    wanted = fingerprint(requests=requests)
    stale: pins.PinSet | None = None
    for candidate in pins.loaded_sets(root):
        if candidate.fingerprint == wanted:
            if not presence.missing(candidate):
                pins.make_newest(candidate, root)
                return Obtained(candidate, Origin.ATTACHED)
            stale = candidate
    if os.geteuid() != 0 and not os.access(root if root.exists() else root.parent, os.W_OK):
        problem = "the probes of this version are not loaded, and loading them needs root"
        fix = "Run: systemctl restart castoff-probes (its journal has the reason when it fails)."
        raise PermissionMissing(problem, fix)
    lockdown.require_reading()
    if stale is not None:
        _set_aside(stale)
    existing = pins.loaded_sets(root)
    target = Target(
        watched=str(SOURCES / "watched.toml"),
        pin_root=str(root),
        fingerprint=wanted,
        predecessor=str(existing[-1].path) if existing else None,
        requests=requests,
    )
    if kept is None:
        return _compiled(target)
    try:
        key = kept_key.key(wanted, SOURCES / "kernel-stubs")
    except OSError:
        # Without BTF the compile says what this kernel lacks.
        return _compiled(target)
    refused = None
    if not anew and kept.has(key):
        answer = _run_kept(KeptRequest(str(kept.directory), key, target))
        if answer.path is not None:
            return Obtained(pins.PinSet(Path(answer.path)), Origin.KEPT)
        refused = answer.problem
    return replace(_compiled(target, kept, key), refused=refused)


def _compiled(target: Target, kept: KeptFiles | None = None, key: str = "") -> Obtained:
    request = compiler.CompileRequest(
        source=source.joined(SOURCES),
        stubs=str(SOURCES / "kernel-stubs"),
        cflags=_cflags(Btf.running()),
        target=target,
        keep_in=None if kept is None else str(kept.directory),
        key=key,
    )
    answer = _run_compiler(request)
    if answer.path is None:
        raise _rebuild(answer)
    return Obtained(pins.PinSet(Path(answer.path)), Origin.COMPILED, unkept=answer.unkept)


def _run_compiler(request: compiler.CompileRequest) -> Built:
    try:
        return child.ask("sensor.bpf.compiler", asdict(request), COMPILE_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        problem = f"compiling the probes took more than {COMPILE_TIMEOUT:.0f} s"
        raise CompilerMissing(problem, "Give the node some CPU time and try again.") from error
    except child.NoAnswer as error:
        raise CompilerMissing(f"the compiler {error}", "Report the messages above.") from error


def _run_kept(request: KeptRequest) -> Built:
    try:
        return child.ask("sensor.bpf.kept_loader", asdict(request), KEPT_TIMEOUT)
    except subprocess.TimeoutExpired:
        return Built(problem=f"loading them took more than {KEPT_TIMEOUT:.0f} s")
    except child.NoAnswer as error:
        return Built(problem=f"their {error}")


def incomplete(root: Path = pins.PIN_ROOT, *, requests: bool = True) -> tuple[str, ...]:
    """Return what the set that :func:`load` would take lacks: programs and maps, by name."""
    wanted = fingerprint(requests=requests)
    for candidate in pins.loaded_sets(root):
        if candidate.fingerprint == wanted:
            return presence.missing(candidate)
    return ()


def _set_aside(incomplete_set: pins.PinSet) -> None:
    """Make room for a whole set: a reader drains what is left of this one, where it can."""
    aside = incomplete_set.path.with_name(f"{incomplete_set.fingerprint}-detached")
    if aside.exists() or any(not incomplete_set.map(name).exists() for name in presence.DRAINED):
        incomplete_set.remove()
    else:
        incomplete_set.path.rename(aside)


def _rebuild(answer: Built) -> CastoffError:
    """Turn the child's answer into the error that it stands for."""
    kind = getattr(errors, answer.error or "", KernelUnsupported)
    error: CastoffError = kind(answer.problem or "", answer.fix or "")
    return error


def status(root: Path = pins.PIN_ROOT) -> tuple[LoadedSet, ...]:
    """Return which probe sets are in the kernel."""
    current = {fingerprint(requests=requests) for requests in (True, False)}
    return tuple(
        LoadedSet(
            fingerprint=loaded.fingerprint,
            path=loaded.path,
            programs=loaded.links(),
            lifecycle_mib=_ring_mib(loaded.map("lifecycle")),
            commands_mib=_ring_mib(loaded.map("commands")),
            current=loaded.fingerprint in current,
        )
        for loaded in pins.loaded_sets(root)
    )


def _ring_mib(path: Path) -> float:
    ring = libbpf.BpfMap.pinned(path)
    size = ring.shape.max_entries / _MIB
    ring.close()
    return size


def unload(root: Path = pins.PIN_ROOT) -> int:
    """Take every probe set out of the kernel; returns how many there were."""
    sets = pins.loaded_sets(root)
    for loaded in sets:
        loaded.remove()
    if root.exists() and not any(root.iterdir()):
        root.rmdir()
    return len(sets)
