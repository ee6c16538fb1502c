"""A misspelt name leads to the one that was meant, and a foreign one to none."""

from __future__ import annotations

import pytest

from sensor.spelling import nearest


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("state_dr", "state_dir"),
        ("stat_dir", "state_dir"),
        ("log-level", "log_level"),
        ("kubernetes", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_the_name_that_is_most_alike_is_meant(name: str, meant: str | None) -> None:
    assert nearest(name, ("state_dir", "run_dir", "log_level")) == meant
