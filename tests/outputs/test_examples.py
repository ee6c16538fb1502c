"""The examples of docs/outputs.md are configurations that work."""

from __future__ import annotations

import asyncio
import re
import textwrap
from dataclasses import fields
from pathlib import Path

import pytest

from sensor.agent.config import Config
from sensor.outputs import registry
from sensor.outputs.delivery import Delivered, Retry
from tests.outputs.batches import batch_of, starts
from tests.outputs.sample_events import HOST
from tests.outputs.syslog.sending import serving

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


def test_the_example_of_one_more_kind_delivers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = TEXT.partition("\n## One more kind\n")[2]
    code = textwrap.dedent("".join(re.findall(r"^(?:    .*)?\n", section, re.MULTILINE)))
    (tmp_path / "ok_output.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(registry.KINDS, "ok", "ok_output")
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = b"ok\n" if received else b"no\n"
        received.extend([await reader.readline(), await reader.readline()])
        writer.write(answer)
        await reader.read()

    async def scenario() -> None:
        records = starts(1, 2)
        async with serving(serve) as port:
            config = tmp_path / "castoff.toml"
            config.write_text(f'[outputs.mine]\ntype = "ok"\nhost = "127.0.0.1"\nport = {port}\n')
            (output,) = Config.load(config).outputs
            transport, _ = output.transport(registry.Surroundings(HOST, "1.2.3", "mine"))
            assert isinstance(await transport.deliver(batch_of(records)), Retry)
            assert await transport.deliver(batch_of(records)) == Delivered()
            assert transport.connection.connected
            await transport.close()
        assert received == [record.line for record in records] * 2

    asyncio.run(asyncio.wait_for(scenario(), 20))
