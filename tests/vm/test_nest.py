"""What a nest is given of this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from lab.requirements import cannot
from tests.vm import nest


@pytest.fixture
def an_enabled_controller() -> Iterator[str]:
    """One that the root of version 2 passes on to its children, as engines leave it."""
    root = next((path for path in nest.CGROUPS if (path / "cgroup.controllers").exists()), None)
    if os.geteuid() != 0 or root is None:
        cannot("needs root and cgroups of version 2")
    available = (root / "cgroup.controllers").read_text().split()
    if not available:
        cannot("all controllers belong to version 1")
    passed_on = root / "cgroup.subtree_control"
    before = passed_on.read_text().split()
    controller = (before or available)[0]
    if not before:
        passed_on.write_text(f"+{controller}")
    try:
        yield controller
    finally:
        # An engine that started meanwhile may need it by now.
        with contextlib.suppress(OSError):
            if not before:
                passed_on.write_text(f"-{controller}")


def test_a_nest_has_none_of_the_controllers_that_engines_left_enabled(
    an_enabled_controller: str,
) -> None:
    with nest.cgroup() as root:
        assert an_enabled_controller in (root.parent / "cgroup.controllers").read_text()
        assert (root / "cgroup.controllers").read_text().split() == []


def test_nothing_is_left_of_a_nests_cgroups() -> None:
    if os.geteuid() != 0 or not any((path / "cgroup.procs").exists() for path in nest.CGROUPS):
        cannot("needs root and cgroups of version 2")
    with nest.cgroup() as root:
        (root / "system.slice" / "a.service").mkdir(parents=True)
    assert not root.parent.exists()
