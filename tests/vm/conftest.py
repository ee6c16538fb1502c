"""What pytest must know before it collects these tests."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vm: boots other kernels under QEMU; run by `make vm`")
