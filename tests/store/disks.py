"""Small disks of tests."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

needs_mount = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a tmpfs")


SMALL = 2 << 20


def noise(number: int) -> bytes:
    return random.Random(number).randbytes(1000)


def fill_up(place: Path) -> None:
    """Take all the space there is, as another program might."""
    with (
        (place / "another program's").open("ab", buffering=0) as file,
        contextlib.suppress(OSError),
    ):
        while file.write(bytes(4096)):
            pass


class Faulty(sqlite3.Connection):
    """A connection whose commits fail as long as there are errors left."""

    errors: list[int]

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.errors:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self.errors.pop(0)
            raise error
        return super().execute(sql, *rest)
