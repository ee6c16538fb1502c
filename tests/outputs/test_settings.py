"""``[outputs.NAME]`` of the configuration: defaults, drop-ins and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.agent.config import Config
from sensor.errors import ConfigError
from sensor.outputs.file.jsonl import JsonlSettings
from sensor.outputs.settings import StartAt


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


def test_an_output_without_a_type_names_the_types_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, '[outputs.local]\npath = "/a"\n')
    assert caught.value.problem.endswith("castoff.toml: [outputs.local] lacks the key type")
    assert caught.value.fix.startswith("Add type = one of forward, http, jsonl, ")


def test_a_mistake_in_a_drop_in_names_the_drop_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"10-more\.toml: outputs\.local\.keep"):
        load(tmp_path, LOCAL, "[outputs.local]\nkeep = []\n")


def test_there_is_a_limit_to_outputs(tmp_path: Path) -> None:
    text = "".join(LOCAL.replace("local", f"o{number}") for number in range(17))
    with pytest.raises(ConfigError, match="17 outputs"):
        load(tmp_path, text)
