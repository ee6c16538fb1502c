"""The short-lived child that compiles, loads and pins the probes with bcc.

Run as ``python -m sensor.bpf.compiler`` with a JSON request on standard input; answers with one
JSON line on standard output. LLVM's memory goes with the process: the agent never imports bcc.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from sensor import clock
from sensor.bpf import cgroup_link, libbpf, pins, seed, watched
from sensor.errors import CastoffError, CompilerMissing, KernelUnsupported, PermissionMissing

PROGRAMS = (
    ("on_exec", "sched_process_exec", True),
    ("on_fork", "sched_process_fork", True),
    ("on_exit", "sched_process_exit", True),
    ("on_cgroup_mkdir", "cgroup_mkdir", True),
    ("on_cgroup_attach", "cgroup_attach_task", True),
    ("on_oom_victim", "mark_victim", False),
)
"""Function, raw tracepoint, and whether the probes are worthless without it."""

CONNECT_PROGRAM = "on_connect_unix"
"""The cgroup/connect_unix program, where the kernel has such (6.7)."""

REQUEST_PROGRAM = "kfunc__unix_stream_sendmsg"
CONNECTED_PROGRAM = "kretfunc__unix_stream_connect"
"""fentry and fexit programs; the second where cgroup/connect_unix is not."""

READY_PROGRAM, READY_TRACEPOINT = "on_data_ready", "sk_data_ready"
"""Reads requests where fentry is refused, since 6.3."""

MAPS = (
    "lifecycle",
    "commands",
    "counters",
    "watched",
    "lineages",
    "inits",
    "started_mounts",
    "socket_verdicts",
    "engine_sockets",
    "told",
    "settings",
)
_LOADED_AT = bytes(4)
"""Index in ``settings`` of the time at which the probes were attached."""

CARRIED_OVER = ("lineages", "inits", "started_mounts")
"""Maps whose content a new set takes from the one that it replaces."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the loader wants: paths as strings since it travels as JSON."""

    source: str
    watched: str
    stubs: str
    cflags: tuple[str, ...]
    pin_root: str
    fingerprint: str
    predecessor: str | None
    requests: bool = True
    """Whether to read what is asked of engines."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it; ``missing`` names optional programs that this kernel refused."""

    path: str | None = None
    missing: tuple[str, ...] = ()
    error: str | None = None
    problem: str | None = None
    fix: str | None = None


def _import_bcc() -> object:
    try:
        import bcc  # noqa: PLC0415 - 75 MiB that only this child may cost
    except ImportError as error:
        problem = f"bcc cannot be imported: {error}"
        fix = "Install it: apt-get install python3-bpfcc (Fedora: python3-bcc)."
        raise CompilerMissing(problem, fix) from error
    return bcc


def _attach(bcc: object, program: object, function: str, tracepoint: str) -> int:
    """Load one function and attach it; returns the link's descriptor."""
    library = bcc.lib  # type: ignore[attr-defined]
    kind = bcc.BPF.RAW_TRACEPOINT  # type: ignore[attr-defined]
    loaded = program.load_func(function.encode(), kind)  # type: ignore[attr-defined]
    descriptor = int(library.bpf_attach_raw_tracepoint(loaded.fd, tracepoint.encode()))
    if descriptor < 0:
        number = ctypes.get_errno()
        problem = f"cannot attach to {tracepoint}: {os.strerror(number)}"
        raise KernelUnsupported(problem, "Castoff needs Linux 5.8 or newer.")
    return descriptor


def build(request: Request) -> Answer:
    """Compile, load, pin, attach, seed and publish one probe set."""
    bcc = _import_bcc()
    os.environ["BCC_KERNEL_SOURCE"] = request.stubs

    class Program(bcc.BPF):  # type: ignore[name-defined, misc]
        def _trace_autoload(self) -> None:
            """Attach nothing by its name: what may be refused is asked for one by one."""

    try:
        program = Program(src_file=request.source.encode(), cflags=list(request.cflags))
    except Exception as error:  # bcc raises bare Exception for each compiler and map error
        problem = f"bcc could not build {request.source}: {error}"
        raise CompilerMissing(problem, "See the messages above; report them.") from error
    staged = pins.staging(Path(request.pin_root), request.fingerprint)
    try:
        missing = _populate(bcc, program, staged, request)
    except BaseException:
        staged.remove()
        raise
    path = pins.publish(staged, Path(request.pin_root), request.fingerprint).path
    return Answer(path=str(path), missing=missing)


def _populate(
    bcc: object, program: object, staged: pins.PinSet, request: Request
) -> tuple[str, ...]:
    maps: dict[str, libbpf.BpfMap] = {}
    for name in MAPS:
        descriptor = program[name.encode()].map_fd  # type: ignore[index]
        libbpf.pin(descriptor, staged.map(name))
        maps[name] = libbpf.BpfMap(descriptor)
    programs = watched.read(Path(request.watched))
    for entry in programs:
        maps["watched"].update(*watched.map_entry(entry))
    missing = _attach_all(bcc, program, staged)
    connect = _attach_connect(program, staged)
    missing += connect
    if request.requests:
        missing += _attach_requests(bcc, program, staged)
    if connect:
        missing += _attach_trace(bcc, program, staged, CONNECTED_PROGRAM)
    maps["settings"].update(_LOADED_AT, clock.boottime().to_bytes(8, "little"))
    _seed(maps, programs, request.predecessor)
    return missing


def _attach_all(bcc: object, program: object, staged: pins.PinSet) -> tuple[str, ...]:
    missing = []
    for function, tracepoint, required in PROGRAMS:
        try:
            descriptor = _attach(bcc, program, function, tracepoint)
        except KernelUnsupported:
            if required:
                raise
            missing.append(function)
            continue
        except Exception as error:  # bcc raises bare Exception when the verifier refuses
            problem = f"the kernel refuses {function}: {error}"
            if os.geteuid() != 0:
                raise PermissionMissing(problem, "Run as root.") from error
            raise KernelUnsupported(problem, "Castoff needs Linux 5.8 or newer.") from error
        libbpf.pin(descriptor, staged.map(f"{pins.LINK_PREFIX}{function}"))
    return tuple(missing)


def _attach_connect(program: object, staged: pins.PinSet) -> tuple[str, ...]:
    """Attach the connect program to the root of the cgroup v2 tree; it is missing when refused."""
    try:
        code = program.dump_func(CONNECT_PROGRAM.encode())  # type: ignore[attr-defined]
    except Exception as error:  # bcc raises bare Exception for a function that was not compiled
        if "Unknown program" not in str(error):
            raise
        return (CONNECT_PROGRAM,)
    try:
        descriptor = cgroup_link.attach_connect_unix(CONNECT_PROGRAM, code)
    except OSError:
        return (CONNECT_PROGRAM,)
    libbpf.pin(descriptor, staged.map(f"{pins.LINK_PREFIX}{CONNECT_PROGRAM}"))
    return ()


def _attach_requests(bcc: object, program: object, staged: pins.PinSet) -> tuple[str, ...]:
    """Attach what reads requests: by fentry, else by a raw tracepoint; returns what is refused."""
    missing = _attach_trace(bcc, program, staged, REQUEST_PROGRAM)
    if not missing:
        return ()
    try:
        descriptor = _attach(bcc, program, READY_PROGRAM, READY_TRACEPOINT)
    except Exception:  # noqa: BLE001 - bcc raises bare Exception, and each reason means the same
        return (*missing, READY_PROGRAM)
    libbpf.pin(descriptor, staged.map(f"{pins.LINK_PREFIX}{READY_PROGRAM}"))
    return missing


def _attach_trace(
    bcc: object, program: object, staged: pins.PinSet, function: str
) -> tuple[str, ...]:
    """Attach an fentry or fexit program, where the host allows it; names it where it does not."""
    try:
        kind = bcc.BPF.TRACING  # type: ignore[attr-defined]
        loaded = program.load_func(function.encode(), kind)  # type: ignore[attr-defined]
        descriptor = int(bcc.lib.bpf_attach_kfunc(loaded.fd))  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - bcc raises bare Exception, and each reason means the same
        return (function,)
    if descriptor < 0:
        return (function,)
    libbpf.pin(descriptor, staged.map(f"{pins.LINK_PREFIX}{function}"))
    return ()


def _seed(
    maps: dict[str, libbpf.BpfMap],
    programs: tuple[watched.WatchedProgram, ...],
    predecessor: str | None,
) -> None:
    seed.fill(tuple(seed.scan()), watched.Roles(programs), maps)
    if predecessor is None:
        return
    old = pins.PinSet(Path(predecessor))
    for name in CARRIED_OVER:
        source = libbpf.BpfMap.pinned(old.map(name))
        seed.copy(source, maps[name])
        source.close()
    seed.prune(maps["inits"])


def main() -> int:
    """Serve one request."""
    fields = json.load(sys.stdin)
    fields["cflags"] = tuple(fields["cflags"])
    try:
        answer = build(Request(**fields))
    except CastoffError as error:
        answer = Answer(error=type(error).__name__, problem=error.problem, fix=error.fix)
    sys.stdout.write(json.dumps(asdict(answer)) + "\n")
    return 0 if answer.error is None else 1


if __name__ == "__main__":
    sys.exit(main())
