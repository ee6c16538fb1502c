"""Against the FluentServer of npm: every combination of security, transport and compression."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sensor.outputs.delivery import Delivered
from sensor.outputs.formats.native import FORMAT
from sensor.outputs.forward.output import OUTPUT, Compression, ForwardSettings
from sensor.outputs.forward.transport import Forward
from sensor.outputs.registry import Surroundings
from sensor.outputs.tls import TlsSettings
from sensor.secret import Secret
from tests.outputs.batches import batch_of, golden_records, starts
from tests.outputs.certificates import Authority
from tests.outputs.forward.collector import MISSING, collector
from tests.outputs.sample_events import HOST

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

KEY, USER, PASSWORD = "a key that nobody knows", "castoff", "correct horse"
SECURITY: dict[str, Any] = {
    "serverHostname": "collector",
    "sharedKey": KEY,
    "authorize": False,
    "userDict": {},
}
USERS = {**SECURITY, "authorize": True, "userDict": {USER: PASSWORD}}
"""FluentServer sends a salt for passwords that is random bytes, as Fluent Bit does."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def forward(*ports: int, **settings: Any) -> Forward:  # noqa: ANN401 - any key
    servers = tuple(f"127.0.0.1:{port}" for port in ports)
    own = ForwardSettings(servers=servers, **settings)
    return OUTPUT.make(own, FORMAT, Surroundings(HOST, "1.0", "test"))  # type: ignore[return-value]


def run(made: Forward, scenario: Callable[[Forward], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await scenario(made)
        finally:
            await made.close()

    asyncio.run(asyncio.wait_for(whole(), 30))


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("security", ["plain", "key", "user"])
def test_events_arrive_as_they_are_and_are_acknowledged(
    tmp_path: Path, authority: Authority, security: str, transport: str, compression: Compression
) -> None:
    options: dict[str, Any] = {}
    settings: dict[str, Any] = {"compression": compression}
    if security != "plain":
        options["security"] = SECURITY if security == "key" else USERS
        settings["shared_key"] = Secret(KEY)
    if security == "user":
        settings |= {"user": USER, "password": Secret(PASSWORD)}
    if transport == "tls":
        files = authority.issue("127.0.0.1")
        options["tlsOptions"] = {"key": str(files.key), "cert": str(files.certificate)}
        settings["tls"] = TlsSettings(ca=files.ca)
    batches = [batch_of(golden_records()), batch_of(starts(1000, 3))]

    with collector(tmp_path, **options) as server:
        made = forward(server.port, **settings)

        async def scenario(made: Forward) -> None:
            assert [await made.deliver(batch) for batch in batches] == [Delivered(), Delivered()]
            assert made.connection.connected

        run(made, scenario)
        chunks = server.received()

    assert [chunk["chunk"] for chunk in chunks] == [
        base64.b64encode(batch.id).decode() for batch in batches
    ]
    for chunk, batch in zip(chunks, batches, strict=True):
        assert chunk["tag"] == "castoff.event"
        assert chunk["options"].get("compressed") == (
            "gzip" if compression is Compression.GZIP else None
        )
        assert chunk["options"]["size"] == len(batch.records)
        assert chunk["entries"] == [
            [*divmod(record.wall, 10**9), without_nothing(json.loads(record.line))]
            for record in batch.records
        ]


def without_nothing(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return what a record is to be, told in another way than the code does."""
    if isinstance(value, list):
        return [without_nothing(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: without_nothing(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if item is not None and item not in ([], {})}
