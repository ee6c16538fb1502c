"""Runs an example of the documentation as it stands, but for names, ports and paths of the site."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from sensor.agent.config import Config
from sensor.outputs.delivery import Record
from sensor.outputs.registry import Surroundings
from tests.outputs.certificates import Authority, Files
from tests.outputs.sample_events import HOST
from tests.outputs.worker_world import Collector, World

SECRET = "a-secret-of-the-site"
SECONDS = 40.0


@dataclass(frozen=True)
class Site:
    """The files that an example names, and a certificate for a receiver on this machine."""

    directory: Path
    server: Files

    def context(self, *, clients: bool = False) -> ssl.SSLContext:
        """Return what a receiver speaks TLS with; with ``clients`` it wants their certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.server.certificate, self.server.key)
        if clients:
            context.load_verify_locations(self.server.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def site(directory: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Site:
    """Make the files of a site, and the variables that an example reads."""
    authority = Authority(directory)
    node = authority.issue("node-7")
    (directory / "node.pem").write_bytes(node.certificate.read_bytes())
    (directory / "node.key").write_bytes(node.key.read_bytes())
    (directory / "node.key").chmod(0o600)
    # An example without a table tls trusts the system's authorities.
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    for name in re.findall(r"\$\{env:(\w+)\}", text):
        monkeypatch.setenv(name, SECRET)
    return Site(directory, authority.issue("localhost"))


def here(text: str, directory: Path, port: int) -> str:
    """Return an example with its receiver on this machine."""
    text = re.sub(r'(?<=[/"])(?:[a-z0-9-]+\.example|127\.0\.0\.1):\d+', f"localhost:{port}", text)
    text = re.sub(r'^host = "[^"]+"', 'host = "localhost"', text, flags=re.MULTILINE)
    if "over = " in text:
        text = re.sub(r"^port = \d+\n", "", text, flags=re.MULTILINE)
        text = text.replace('host = "localhost"', f'host = "localhost"\nport = {port}')
    return text.replace("/etc/castoff/", f"{directory}/").replace(
        "/var/log/castoff/", f"{directory}/"
    )


async def ship(text: str, directory: Path, records: list[Record]) -> str:
    """Ship records with an example's only output until all are acknowledged; return its format.

    Fails with the output's last error when that takes too long, and for dead letters.
    """
    (directory / "castoff.toml").write_text(text)
    (output,) = Config.load(directory / "castoff.toml").outputs
    transport, form = output.transport(Surroundings(HOST, "1.2.3", output.name))
    world = World()
    for record in records:
        world.append(record.sequence, kind=record.type, body=record.line)
    worker = world.worker(cast(Collector, transport), filters=output.filters)
    try:
        async with asyncio.timeout(SECONDS):
            while worker.cursor < records[-1].sequence:
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(worker.health().last_error) from None
    finally:
        await world.stop()
    assert not world.pages.graves
    return form.name
