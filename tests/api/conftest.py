"""A place for a socket."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def path() -> Iterator[Path]:
    """A socket path that other users can reach too, and short enough for one."""
    directory = Path(tempfile.mkdtemp(prefix="castoff-"))
    directory.chmod(0o755)
    yield directory / "castoff.sock"
    shutil.rmtree(directory)
