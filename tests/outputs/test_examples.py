"""The examples of docs/outputs.md are configurations that work."""

from __future__ import annotations

import re
import textwrap
from dataclasses import fields
from pathlib import Path

import pytest

from sensor.config import Config
from sensor.outputs import registry

DOCS = Path(__file__).parents[2] / "docs" / "outputs.md"
TEXT = DOCS.read_text()


def examples() -> list[str]:
    """Return the indented blocks that begin with a table of an output."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", TEXT, re.MULTILINE)
    blocks = [textwrap.dedent(block).strip("\n") + "\n" for block in found]
    return [block for block in blocks if block.startswith("[outputs.")]


@pytest.mark.parametrize("example", examples(), ids=lambda text: text.split("\n", 1)[0])
def test_an_example_is_read(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    secret.chmod(0o600)
    for name in re.findall(r"\$\{env:(\w+)\}", example):
        monkeypatch.setenv(name, "a secret")
    config = tmp_path / "castoff.toml"
    config.write_text(re.sub(r"file:/[^\"}]*", f"file:{secret}", example))
    assert Config.load(config).outputs


@pytest.mark.parametrize("kind", ["otlp", "syslog", "http", "kafka", "nats"])
def test_every_key_of_a_kind_is_in_its_section(kind: str) -> None:
    section = re.split(r"^## ", TEXT.partition(f"\n## {kind}\n")[2], flags=re.MULTILINE)[0]
    documented = {
        name
        for row in re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert {one.name for one in fields(registry.kind_of(kind).settings)} <= documented


def test_every_format_is_described() -> None:
    assert examples()
    for name in registry.FORMATS:
        assert f"| `{name}` |" in TEXT
