"""What the judge could not read of its own rows, kept for a person.

The judge removes such rows and learns anew. A person finds them in one file beside the
log, as msgpack: a list of [kind, key, value]. The next damage takes its place.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sensor.judge.ledger import Row

NAME = "judge.damaged"
BYTES_MAX = 8 << 20
"""What is written at most; the rows of a full judge take about 4 MiB."""


def move_aside(state: Path, rows: Iterable[Row]) -> str:
    """Write rows to the state directory; returns what became of them, to follow a noun."""
    kept: list[Row] = []
    size = 0
    for row in rows:
        size += sum(len(part) for part in row if part is not None)
        if size > BYTES_MAX:
            break
        kept.append(row)
    try:
        _write(state, msgpack.packb(kept, unicode_errors="surrogatepass"))
    except OSError as error:
        return f"were left out, and could not be moved aside: {error}"
    return f"were moved aside to {state / NAME}"


def _write(state: Path, data: bytes) -> None:
    fresh = state / f"{NAME}.new"
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    fresh.replace(state / NAME)
