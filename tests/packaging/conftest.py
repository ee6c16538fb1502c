"""One installed tree for all tests of packaging."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that packages are made of, as install-tree.sh lays it."""
    destination = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [ROOT / "packaging/install-tree.sh", destination],
        check=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )
    return destination
