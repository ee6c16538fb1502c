"""The probes' text: the parts in ``probes/``, joined in their order.

bcc 0.26 rewrites map operations and finds handlers in its main text only, not in what that
includes. Each part begins with a ``#line`` directive, so that a compiler's message names the right
file.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PARTS = (
    "maps.bpf.h",
    "task.bpf.h",
    "budget.bpf.h",
    "fill.bpf.h",
    "lineage.bpf.h",
    "exec.bpf.c",
    "fork.bpf.c",
    "exit.bpf.c",
    "cgroup.bpf.c",
    "oom.bpf.c",
    "connection.bpf.h",
    "written.bpf.h",
    "search.bpf.h",
    "connect.bpf.c",
    "request.bpf.c",
    "tcp.bpf.c",
)
"""In the order in which one needs the other."""

BESIDE = ("record.h", "watched.toml")
"""Files beside the text that also decide what a probe set does."""


def joined(directory: Path) -> str:
    """Return the text that is compiled."""
    return "".join(
        f'#line 1 "{name}"\n{(directory / name).read_text(encoding="utf-8")}' for name in PARTS
    )


def digest(directory: Path) -> bytes:
    """Return a digest of all parts and of what stands beside them."""
    found = hashlib.sha256()
    for name in (*PARTS, *BESIDE):
        content = (directory / name).read_bytes()
        found.update(f"{name} {len(content)} ".encode())
        found.update(content)
    return found.digest()
