"""What a test needs of its machine: it skips on a desk and fails where everything must run."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

REQUIRED = "CASTOFF_E2E"
"""``make test`` sets this variable to ``required``: there a test that cannot run is a failure."""


def cannot(reason: str) -> NoReturn:
    """End the running test: skip it on a desk, fail it under ``make test``."""
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"cannot run here: {reason}")
    pytest.skip(f"cannot run here: {reason}")


def need(*programs: str) -> None:
    """End the running test unless every program is installed."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        cannot(f"{', '.join(missing)} not installed; fix: make setup-test")
