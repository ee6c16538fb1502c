"""Load instructions and make maps through libbpf, without a compiler."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from sensor.bpf import instructions, libbpf
from sensor.bpf.programs import AttachKind

if TYPE_CHECKING:
    from sensor.bpf.kept_programs import KeptMap
    from sensor.bpf.programs import Program

CGROUP_UNIX_CONNECT = 49
_FENTRY, _FEXIT = 24, 25
"""``enum bpf_attach_type``, include/uapi/linux/bpf.h."""

_TYPES = {AttachKind.RAW_TRACEPOINT: 17, AttachKind.CGROUP: 18, AttachKind.TRACING: 26}
"""``enum bpf_prog_type``."""

_PREFIXES = {"kfunc__": _FENTRY, "kretfunc__": _FEXIT}
"""Before the function that a program of a tracing kind is attached to, as bcc names it."""

_NAME_MAX = 15


class _LoadOptions(ctypes.Structure):
    """``struct bpf_prog_load_opts`` up to the last field that is set (libbpf 1.0, bpf.h)."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("attempts", ctypes.c_int),
        ("expected_attach_type", ctypes.c_int),
        ("prog_btf_fd", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_ifindex", ctypes.c_uint32),
        ("kern_version", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
        ("attach_prog_fd", ctypes.c_uint32),
    )


class _MapOptions(ctypes.Structure):
    """``struct bpf_map_create_opts``, likewise."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("btf_fd", ctypes.c_uint32),
        ("btf_key_type_id", ctypes.c_uint32),
        ("btf_value_type_id", ctypes.c_uint32),
        ("btf_vmlinux_value_type_id", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
    )


def load_program(program: Program, code: bytes) -> int:
    """Have the kernel take a program; returns its descriptor. Raises OSError."""
    options = _LoadOptions()
    options.sz = ctypes.sizeof(options)
    name = program.name
    if program.kind is AttachKind.CGROUP:
        options.expected_attach_type = CGROUP_UNIX_CONNECT
    elif program.kind is AttachKind.TRACING:
        prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
        name = name.removeprefix(prefix)
        options.expected_attach_type = _PREFIXES[prefix]
        options.attach_btf_id = libbpf.call(
            "libbpf_find_vmlinux_btf_id", name.encode(), _PREFIXES[prefix]
        )
    return libbpf.call(
        "bpf_prog_load",
        _TYPES[program.kind],
        name.encode()[:_NAME_MAX],
        b"GPL",
        code,
        ctypes.c_size_t(len(code) // instructions.LENGTH),
        ctypes.byref(options),
    )


def make_map(wanted: KeptMap) -> int:
    """Make a map; returns its descriptor. Raises OSError."""
    options = _MapOptions()
    options.sz = ctypes.sizeof(options)
    options.map_flags = wanted.flags
    return libbpf.call(
        "bpf_map_create",
        int(wanted.type),
        wanted.name.encode()[:_NAME_MAX],
        ctypes.c_uint32(wanted.key_size),
        ctypes.c_uint32(wanted.value_size),
        ctypes.c_uint32(wanted.max_entries),
        ctypes.byref(options),
    )
