"""Modules that the command never imports.

asyncio imports ssl where it finds it: 3 MiB for an agent that speaks unix sockets only. hashlib
imports OpenSSL's hashes likewise, 2 MiB, and has its own. The hpack library decodes Huffman codes
by a table of 0.6 MiB; :mod:`sensor.huffman` takes its place.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from sensor import huffman

if TYPE_CHECKING:
    from types import ModuleType

ABSENT = ("ssl", "_hashlib")


def keep_out() -> None:
    """Keep each out, unless it is there already; called before anything else."""
    # None in the module cache makes an import fail (Python reference, 5.3.1); typeshed has modules.
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    for name in ABSENT:
        modules.setdefault(name, None)
    modules.setdefault(huffman.LIBRARY, huffman.module())
