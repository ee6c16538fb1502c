"""Load and attach a cgroup/connect_unix program.

bcc compiles the program but knows nothing of this type (Linux 6.7, bpf_attach_type 49), so its
instructions are loaded through libbpf. Attached to the root of the cgroup v2 tree, which every
process belongs to on hybrid hosts too, it sees every connect(2) on a unix socket.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from sensor.bpf import libbpf

_PROG_TYPE_CGROUP_SOCK_ADDR = 18
_CGROUP_UNIX_CONNECT = 49
"""``enum bpf_prog_type`` and ``enum bpf_attach_type``, include/uapi/linux/bpf.h."""

_INSTRUCTION_LEN = 8


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
    )


def cgroup2_root(mounts: Path = Path("/proc/self/mounts")) -> Path:
    """Return where the cgroup v2 hierarchy is mounted; raises FileNotFoundError when nowhere."""
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        match line.split(" "):
            case [_device, place, "cgroup2", *_]:
                return Path(place.encode().decode("unicode_escape"))
    raise FileNotFoundError("no cgroup2 mount")


def attach_connect_unix(name: str, instructions: bytes) -> int:
    """Load ``instructions`` and attach them; returns the link's descriptor.

    Raises OSError where the kernel has no such program type or refuses it.
    """
    options = _LoadOptions()
    options.sz = ctypes.sizeof(options)
    options.expected_attach_type = _CGROUP_UNIX_CONNECT
    program = libbpf.call(
        "bpf_prog_load",
        _PROG_TYPE_CGROUP_SOCK_ADDR,
        name.encode()[:15],
        b"GPL",
        instructions,
        ctypes.c_size_t(len(instructions) // _INSTRUCTION_LEN),
        ctypes.byref(options),
    )
    try:
        return attach_program(program)
    finally:
        os.close(program)


def attach_program(program: int) -> int:
    """Attach a loaded program to the root of the cgroup v2 tree; returns the link's descriptor."""
    root = os.open(cgroup2_root(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return libbpf.call("bpf_link_create", program, root, _CGROUP_UNIX_CONNECT, None)
    finally:
        os.close(root)
