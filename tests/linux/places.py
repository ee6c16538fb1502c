"""A directory below directories of root alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/root") as name:
        yield Path(name)
