"""A place for programs of any name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engines import unique


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that any user may use, for programs of any name."""
    path = Path("/var/tmp") / unique("place")
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)
