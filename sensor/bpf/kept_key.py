"""What decides a compile: programs are used again only where all of it is the same.

A fingerprint covers sources, sizes and the kernel's version. That suffices for one boot. A file
outlasts it: a kernel that was built again may have the same version and other offsets, and another
compiler may make other programs of the same sources.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from sensor.bpf.btf import VMLINUX

_CODE = ("btf.py", "compiler.py", "fields.py", "instructions.py", "loader.py", "source.py")
"""Modules that decide which text and flags the compiler gets, and what is kept of it."""


def key(fingerprint: str, stubs: Path, btf: Path = VMLINUX) -> str:
    """Return a digest of it, in hexadecimal digits. Raises OSError without the kernel's BTF."""
    digest = hashlib.sha256(fingerprint.encode())
    digest.update(hashlib.sha256(btf.read_bytes()).digest())
    here = Path(__file__).parent
    files = [here / name for name in _CODE]
    files += sorted(path for path in stubs.rglob("*") if path.is_file())
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode())
        digest.update(content)
    digest.update(_compiler())
    return digest.hexdigest()


def _compiler() -> bytes:
    """Identify the compiler that is installed, without importing it: that takes 75 MiB.

    bcc's Python module and its library come from one build. A new build has other files.
    """
    found = find_spec("bcc")
    if found is None or found.origin is None:
        return b"absent"
    version = Path(found.origin).with_name("version.py")
    try:
        modified = version.stat().st_mtime_ns
        return f"{modified} ".encode() + version.read_bytes()
    except OSError:
        return b"unknown"
