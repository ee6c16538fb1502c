"""The tables of outputs: what is refused, with which words; that no secret shows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.agent.config import Config
from sensor.errors import ConfigError
from sensor.outputs.file.jsonl import JsonlSettings
from sensor.outputs.settings import StartAt
from sensor.settings import tables
from sensor.settings.secret import Secret, hidden, resolve, secrets_of


def load(directory: Path, text: str, drop_in: str | None = None) -> Config:
    path = directory / "castoff.toml"
    path.write_text(text, encoding="utf-8")
    if drop_in is not None:
        (directory / "castoff.d").mkdir()
        (directory / "castoff.d" / "10-more.toml").write_text(drop_in, encoding="utf-8")
    return Config.load(path)


LOCAL = '[outputs.local]\ntype = "jsonl"\npath = "/var/log/castoff/events.jsonl"\n'


def test_an_output_has_the_defaults_of_its_kind(tmp_path: Path) -> None:
    (output,) = load(tmp_path, LOCAL).outputs
    assert (output.name, output.kind, output.format) == ("local", "jsonl", "native")
    assert output.own == JsonlSettings(path=Path("/var/log/castoff/events.jsonl"))
    assert output.start is StartAt.OLDEST
    assert not output.filters


def test_a_drop_in_changes_single_keys_of_an_output(tmp_path: Path) -> None:
    more = '[outputs.local]\nkeep = 9\nstart = "now"\n[outputs.two]\ntype = "jsonl"\npath = "/b"\n'
    local, two = load(tmp_path, LOCAL, more).outputs
    assert local.own == JsonlSettings(path=Path("/var/log/castoff/events.jsonl"), keep=9)
    assert (local.start, two.start) == (StartAt.NOW, StartAt.OLDEST)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("outputs = 1\n", "outputs"),
        ("[outputs]\nlocal = 1\n", "outputs.local"),
        ("[outputs.local]\n", "type"),
        ('[outputs.local]\ntype = "pigeon"\n', "pigeon"),
        ('[outputs.local]\ntype = "jsonl"\n', "path"),
        ('[outputs.Local]\ntype = "jsonl"\npath = "/a"\n', "Local"),
        (LOCAL + "colour = 1\n", "outputs.local.colour"),
        (LOCAL + 'keep = "5"\n', "outputs.local.keep"),
        (LOCAL + "keep = true\n", "outputs.local.keep"),
        (LOCAL + "keep = -1\n", "keep"),
        (LOCAL + "max_mib = 1.5\n", "outputs.local.max_mib"),
        (LOCAL + 'start = "yesterday"\n', "outputs.local.start"),
        (LOCAL + 'format = "klingon"\n', "klingon"),
        (LOCAL + 'filter = ["colour=red"]\n', "colour"),
        (LOCAL + 'types = ["birth"]\n', "birth"),
        (LOCAL + "[outputs.local.path]\nx = 1\n", "line"),
        (LOCAL + "[outputs.local.tls]\nx = 1\n", "outputs.local.tls"),
        ("[delivery]\nflush_seconds = -1\n", "delivery.flush_seconds"),
        ("[delivery]\ndead_letters = -1\n", "delivery.dead_letters"),
    ],
)
def test_a_mistake_is_refused_with_the_file_and_the_key(
    tmp_path: Path, text: str, named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "castoff.toml") in caught.value.problem
    assert named in caught.value.problem
    assert caught.value.fix


def test_a_mistake_in_a_drop_in_names_the_drop_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"10-more\.toml: outputs\.local\.keep"):
        load(tmp_path, LOCAL, "[outputs.local]\nkeep = []\n")


def test_there_is_a_limit_to_outputs(tmp_path: Path) -> None:
    text = "".join(LOCAL.replace("local", f"o{number}") for number in range(17))
    with pytest.raises(ConfigError, match="17 outputs"):
        load(tmp_path, text)


# ------------------------------------------------------------------------------------------ tables


NONE = Secret()


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


# ----------------------------------------------------------------------------------------- secrets


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n", encoding="utf-8")
    path.chmod(0o600)
    assert resolve(f"file:{path}", {}).reveal() == "s3cret"
    assert resolve(f"Bearer ${{file:{path}}}", {}).reveal() == "Bearer s3cret"
    link = tmp_path / "link"
    link.symlink_to(path)
    assert resolve(f"file:{link}", {}).reveal() == "s3cret"


@pytest.mark.parametrize("make", ["missing", "fifo", "large", "writable", "binary", "relative"])
def test_a_file_that_is_not_a_safe_secret_is_refused(tmp_path: Path, make: str) -> None:
    path = tmp_path / "token"
    if make == "fifo":
        os.mkfifo(path)
    elif make != "missing":
        path.write_bytes({"large": b"x" * 65_537, "binary": b"\xff"}.get(make, b"s3cret"))
        path.chmod(0o666 if make == "writable" else 0o600)
    reference = "file:token" if make == "relative" else f"file:{path}"
    with pytest.raises(ValueError, match="token") as caught:
        resolve(reference, {})
    assert "s3cret" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_secret_of_another_user_is_refused(tmp_path: Path) -> None:
    path, link = tmp_path / "token", tmp_path / "link"
    path.write_text("s3cret", encoding="utf-8")
    path.chmod(0o600)
    link.symlink_to(path)
    os.chown(link, 65_534, 65_534, follow_symlinks=False)
    with pytest.raises(ValueError, match="belongs to neither root nor"):
        resolve(f"file:{link}", {})
    os.chown(path, 65_534, 65_534)
    with pytest.raises(ValueError, match="belongs to neither root nor"):
        resolve(f"file:{path}", {})


def test_a_literal_is_itself() -> None:
    assert resolve("plain $HOME ${x}", {}).reveal() == "plain $HOME ${x}"
