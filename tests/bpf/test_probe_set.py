"""A set is published whole, or nothing of it is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.bpf import pins, probe_set
from sensor.bpf.pins import PinSet
from sensor.bpf.probe_set import Incomplete, Target
from sensor.bpf.programs import Program


class NoCode:
    """A set whose maps cannot be made."""

    def map(self, name: str, /) -> int:
        raise OSError(12, f"no memory for {name}")

    def load(self, program: Program, /) -> int:
        raise AssertionError(program)


def target(root: Path) -> Target:
    return Target("watched.toml", str(root), "0123", None)


def test_what_could_not_be_built_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no memory for lifecycle"):
        probe_set.build(NoCode(), target(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", [(), ("on_sent",)])
def test_what_was_missing_before_may_be_missing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    monkeypatch.setattr(probe_set, "_populate", lambda *_: missing)
    built = probe_set.build(NoCode(), target(tmp_path), expected=("on_sent",))
    assert (built.path, built.missing) == (str(tmp_path / "0123"), missing)
    assert pins.loaded_sets(tmp_path) == (PinSet(tmp_path / "0123"),)


def test_a_program_that_was_there_before_may_not_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_set, "_populate", lambda *_: ("on_sent", "on_connect_unix"))
    with pytest.raises(Incomplete, match=r"refuses on_connect_unix$"):
        probe_set.build(NoCode(), target(tmp_path), expected=("on_sent",))
    assert list(tmp_path.iterdir()) == []
    compiled = probe_set.build(NoCode(), target(tmp_path))
    assert compiled.missing == ("on_sent", "on_connect_unix")
