"""The table of watched programs: read, checked, and put into the map as the probes look it up."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.bpf.loader import SOURCES
from sensor.bpf.watched import NAME_MAX, PROGRAMS_MAX, ROLE_CODES, WatchedProgram, map_entry, read
from sensor.errors import ConfigError
from sensor.model.vocabulary import Role


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "watched.toml"


def test_the_shipped_table_names_what_matters_once() -> None:
    programs = read(SOURCES / "watched.toml")
    roles = {program.name: program.role for program in programs}
    assert len(roles) == len(programs), "no name twice"
    expected = {
        "runc": Role.RUNTIME,
        "crun": Role.RUNTIME,
        "containerd-shim": Role.SHIM,
        "conmon": Role.MONITOR,
        "dockerd": Role.ENGINE,
        "docker": Role.CLIENT,
    }
    assert expected.items() <= roles.items()
    assert set(roles.values()) == set(Role)


def test_names_are_read_in_order_with_their_roles(table: Path) -> None:
    table.write_text('client = ["b", "a"]\nruntime = ["c"]\n')
    assert read(table) == (
        WatchedProgram("b", Role.CLIENT),
        WatchedProgram("a", Role.CLIENT),
        WatchedProgram("c", Role.RUNTIME),
    )


REFUSED = {
    "no toml": ("runtime = [", "watched.toml"),
    "unknown role": ('pilot = ["x"]', "pilot is not a role"),
    "number": ("runtime = [7]", "7 is not a program name"),
    "empty": ('runtime = [""]', "is not a program name"),
    "too long": (f'runtime = ["{"x" * (NAME_MAX + 1)}"]', "is not a program name"),
    "too long in bytes": (f'runtime = ["{"é" * 16}"]', "is not a program name"),
    "string for a list": ('runtime = "runc"', "runtime"),
    "number for a list": ("runtime = 7", "runtime"),
    "too many": (f"runtime = {[f'p{n}' for n in range(PROGRAMS_MAX + 1)]}", "256 fit"),
}


@pytest.mark.parametrize(("text", "named"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_table_is_refused_with_its_path_and_key(table: Path, text: str, named: str) -> None:
    table.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(table)
    assert str(table) in caught.value.problem
    assert named in caught.value.problem
    assert caught.value.exit_code == 78


def test_a_missing_table_is_refused(table: Path) -> None:
    with pytest.raises(ConfigError, match=str(table)):
        read(table)


def test_the_longest_name_fits_with_its_nul() -> None:
    key, value = map_entry(WatchedProgram("x" * NAME_MAX, Role.SHIM))
    assert key == b"x" * NAME_MAX + b"\0"
    assert value == bytes([ROLE_CODES[Role.SHIM], 0, 0, 0])
    assert len(map_entry(WatchedProgram("runc", Role.RUNTIME))[0]) == NAME_MAX + 1
