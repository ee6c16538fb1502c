"""Modules of Python's own that the command never imports.

asyncio imports ssl where it finds it: 3 MiB for an agent that speaks unix sockets only. hashlib
imports OpenSSL's hashes likewise, 2 MiB, and has its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from types import ModuleType

ABSENT = ("ssl", "_hashlib")


def keep_out() -> None:
    """Make their import fail, unless they are there already; called before anything else."""
    # None in the module cache does that (Python reference, 5.3.1); typeshed has modules only.
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    for name in ABSENT:
        modules.setdefault(name, None)
