"""Tables of TOML become dataclasses, or one error with file and key."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.errors import ConfigError
from sensor.settings import tables
from sensor.settings.secret import Secret, hidden, secrets_of

NONE = Secret()


class Form(StrEnum):
    NATIVE = "native"
    ECS = "ecs"


@dataclass(frozen=True, slots=True)
class Inner:
    ca: Path | None = None
    password: Secret = NONE


@dataclass(frozen=True, slots=True)
class Outer:
    servers: tuple[str, ...]
    timeout: float = 1.0
    tls: Inner | None = None
    headers: tuple[tuple[str, Secret], ...] = ()
    peers: tuple[Inner, ...] = ()
    plain: Inner = field(default_factory=Inner)
    form: Form = Form.NATIVE
    gzip: bool = True


def built(**table: object) -> Outer:
    file = Path("/etc/castoff/castoff.toml")
    return tables.build(Outer, tables.overlay({}, table, file), "outputs.x", file)


def test_tables_inside_of_tables_become_dataclasses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASTOFF_TEST_TOKEN", "hunter22")
    outer = built(
        servers=["a", "b"],
        timeout=3,
        tls={"ca": "/ca.pem", "password": "pw-pw"},
        headers={"Authorization": "Bearer ${env:CASTOFF_TEST_TOKEN}"},
        peers=[{"ca": "/one"}, {"ca": "/two"}],
    )
    assert outer.servers == ("a", "b")
    assert outer.timeout == 3.0
    assert outer.tls == Inner(Path("/ca.pem"), Secret("pw-pw"))
    assert outer.headers[0][1].reveal() == "Bearer hunter22"
    assert [one.ca for one in outer.peers] == [Path("/one"), Path("/two")]
    shown = f"{outer!r} {outer} {outer.headers[0][1]:>20}"
    assert "hunter22" not in shown
    assert "pw-pw" not in shown
    assert {one.reveal() for one in secrets_of(outer)} == {"pw-pw", "Bearer hunter22", ""}
    quoted = hidden("401 for 'Bearer hunter22'", tuple(secrets_of(outer)))
    assert quoted == "401 for '***'"


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({}, "lacks the key servers"),
        ({"servers": ["a"], "tls": {"ca": "relative"}}, "outputs.x.tls.ca"),
        ({"servers": ["a"], "tls": {"password": 7}}, "outputs.x.tls.password: a secret"),
        ({"servers": ["a"], "tls": "yes"}, "outputs.x.tls"),
        ({"servers": ["a"], "headers": {"A": ["x"]}}, "outputs.x.headers.A: a secret"),
        ({"servers": ["a"], "headers": ["x"]}, "outputs.x.headers"),
        ({"servers": ["a"], "headers": {"A": "${env:CASTOFF_NOT_SET}"}}, "CASTOFF_NOT_SET"),
        ({"servers": {"a": 1}}, "outputs.x.servers is a table"),
        ({"servers": ["a"], "peers": [{"cb": 1}]}, "outputs.x.peers.cb"),
        ({"servers": ["a"] * 1001}, "outputs.x.servers"),
    ],
)
def test_what_does_not_fit_its_field_is_refused(table: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        built(**table)
    assert named in caught.value.problem
    assert caught.value.problem.startswith("/etc/castoff/castoff.toml: ")


@pytest.mark.parametrize(
    ("table", "problem", "fix"),
    [
        ({"form": "esc"}, "'esc' is not a valid value", 'Expected: "native" or "ecs".'),
        ({"form": 7}, "7 has the wrong type", 'Expected: "native" or "ecs".'),
        ({"gzip": "yes"}, "'yes' has the wrong type", "Expected: true or false."),
        ({"timeout": True}, "true has the wrong type", "Expected: a number."),
    ],
)
def test_a_wrong_value_is_shown_as_it_is_written(
    table: dict[str, object], problem: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        built(servers=["a"], **table)
    assert caught.value.problem.endswith(problem)
    assert caught.value.fix == fix


def test_a_key_that_is_unknown_names_the_one_that_was_meant_and_all() -> None:
    with pytest.raises(ConfigError) as caught:
        built(servers=["a"], timout=1)
    assert caught.value.problem.endswith("outputs.x.timout is not a key")
    assert caught.value.fix.startswith("Did you mean timeout? [outputs.x] has: servers, ")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["ca", "password", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from(["servers", "timeout", "tls", "headers", "peers", "plain"]),
)
def test_any_value_fits_or_is_refused(found: object, key: str) -> None:
    try:
        outer = built(**{"servers": ["a"], key: found})
    except ConfigError:
        return
    assert isinstance(outer, Outer)
