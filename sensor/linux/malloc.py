"""Keep the agent small: what CPython and glibc do by default costs a small daemon megabytes.

- glibc gives each thread an arena of its own, and keeps what is freed (mallopt(3), M_ARENA_MAX);
- start-up (reading procfs, opening the store) leaves garbage that is handed back only on request
  (malloc_trim(3));
- glibc raises the size from which a block has pages of its own with each one that is freed, and
  tables that are made anew then leave holes in the heap (mallopt(3), M_MMAP_THRESHOLD);
- objects that live as long as the process need not be looked at by the collector (gc.freeze).
"""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
"""<malloc.h>"""
LARGE = 256 * 1024
"""Bytes of a block that has pages of its own."""
COLLECTED_AFTER = 100_000
"""New objects after which a command that reads much has the collector look: a few MiB of them."""


def one_arena() -> None:
    """Have all threads share one arena; call it before they are started. Does nothing on musl."""
    _call("mallopt", _M_ARENA_MAX, 1)


def large_apart() -> None:
    """Give large blocks pages of their own, which go back when they are freed, for ever."""
    _call("mallopt", _M_MMAP_THRESHOLD, LARGE)


def settle() -> None:
    """Hand back what start-up left, and spare the collector what stays."""
    gc.collect()
    gc.freeze()
    _call("malloc_trim", 0)


def collect_seldom() -> None:
    """Have the collector look seldom: for a command that reads much, leaves no cycles and ends."""
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None)
    function = getattr(libc, name, None)
    if function is not None:
        function(*arguments)
