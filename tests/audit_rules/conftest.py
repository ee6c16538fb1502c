"""A made host and a made kernel for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.audit_rules.host import Host
from tests.audit_rules.made import Kernel, made_host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return made_host(tmp_path)


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()
