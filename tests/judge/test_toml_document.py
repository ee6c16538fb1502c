"""A file's tables come with the place of their keys, or one error names what is wrong."""

from __future__ import annotations

import tomllib

import pytest

from sensor.errors import ConfigError
from sensor.judge.toml_document import NAME_MAX, TomlDocument
from sensor.judge.toml_lines import KeyLines


def document(text: str) -> TomlDocument:
    return TomlDocument("/etc/p.toml", tomllib.loads(text), KeyLines(text))


def test_the_tables_of_a_section_come_in_order_with_their_lines() -> None:
    read = document('[forbid.b]\nimage = "x"\n[forbid.a]\nimage = "y"\n')
    assert [(name, reader.place) for name, reader in read.tables("forbid")] == [
        ("b", "/etc/p.toml:1"),
        ("a", "/etc/p.toml:3"),
    ]
    assert read.tables("expect") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("forbid = 1", "/etc/p.toml:1: forbid: not a table of rules"),
        ("[forbid]\nx = 1", "/etc/p.toml:1: forbid: not a table of rules"),
        ('[forbid.""]\n', "/etc/p.toml:1: forbid: a name of 0 characters"),
        (
            f"[forbid.{'n' * (NAME_MAX + 1)}]\n",
            f"/etc/p.toml:1: forbid: a name of {NAME_MAX + 1} characters",
        ),
        ('[forbid."a\\u0007"]\n', "forbid: a name of 2 characters"),
    ],
)
def test_a_section_without_named_tables_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"forbid") as refused:
        document(text).tables("forbid")
    assert problem in str(refused.value)


def test_a_table_that_is_missing_is_none_and_a_value_in_its_place_is_refused() -> None:
    assert document("").table("baseline") is None
    reader = document("\n[baseline]\nx = 1\n").table("baseline")
    assert reader is not None
    assert reader.place == "/etc/p.toml:2"
    with pytest.raises(ConfigError, match=r"/etc/p\.toml:1: baseline: not a table"):
        document("baseline = 3").table("baseline")


def test_a_name_with_a_dot_is_asked_for_in_quotes() -> None:
    with pytest.raises(
        ConfigError, match=r"/etc/p\.toml:2: forbid\.v1\.2: a table within"
    ) as refused:
        document('[forbid.v1]\n[forbid.v1.2]\nimage = "x"\n').tables("forbid")
    assert '[forbid."v1.2"]' in refused.value.fix
