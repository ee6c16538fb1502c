"""Hands over how the tests of guests ended, for docs/support.md."""

from __future__ import annotations

import os

import pytest

from tests.vm import support


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
        support.ended(report.nodeid, report.outcome)


PARTIAL = ("CASTOFF_VM_SCENARIOS", "CASTOFF_VM_STEPS")


def pytest_sessionfinish() -> None:
    if os.environ.get("CASTOFF_VM") == "1":
        support.save(part=any(map(os.environ.get, PARTIAL)))
