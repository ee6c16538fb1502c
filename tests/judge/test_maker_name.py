"""Names that programs make up are known, and what changes in a name is folded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.judge.maker_name import folded, is_generated


@pytest.mark.parametrize("name", ["happy_turing", "sad_curie7"])
def test_dockers_own_names_are_generated_unless_they_were_asked_for(name: str) -> None:
    assert is_generated(name, None)
    assert is_generated(name, ("docker", "run", "nginx"))
    assert not is_generated(name, ("docker", "run", "--name", name, "nginx"))
    assert not is_generated(name, ("docker", "run", f"--name={name}", "nginx"))


@pytest.mark.parametrize("name", ["web", "shop_web", "happy-turing", "happy_", "Happy_Turing"])
def test_names_of_people_are_not(name: str) -> None:
    assert not is_generated(name, None)


FOLDED = {
    "number": ("job-20260131", "job-*"),
    "time": ("backup-2026-01-31T12:00", "backup-*"),
    "hash": ("build-4f2dabcd12", "build-*"),
    "uuid": ("vm-6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11", "vm-*"),
    "gitlab": ("runner-abcdef12-project-7-concurrent-0-0123456789abcdef", "*"),
    "drone": ("drone-0123456789abcdefABCD", "drone-*"),
    "github": (f"{'0' * 32}_postgres_abcdef", "*_postgres_*"),
    "short-number": ("web-1", "web-1"),
    "plain": ("web", "web"),
}


@pytest.mark.parametrize(("name", "workload"), FOLDED.values(), ids=FOLDED)
def test_the_parts_that_change_are_folded(name: str, workload: str) -> None:
    assert folded(name) == workload


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing_more(name: str) -> None:
    assert folded(folded(name)) == folded(name)
