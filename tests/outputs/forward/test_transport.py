"""Against the FluentServer of npm: every combination of security, transport and compression."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sensor.outputs.delivery import ConnectionStatus, Delivered, Outcome, Retry
from sensor.outputs.forward.output import ForwardCompression
from sensor.outputs.forward.transport import Forward
from sensor.outputs.network.tls import TlsSettings, TlsVersion
from sensor.settings.secret import Secret
from tests.outputs.batches import batch_of, batches_of, golden_records, starts
from tests.outputs.certificates import Authority
from tests.outputs.forward.collector import MISSING, Collector, collector
from tests.outputs.forward.made import forward, run

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

KEY, USER, PASSWORD = "a key that is unknown", "castoff", "correct horse"
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


@pytest.mark.parametrize("compression", list(ForwardCompression))
@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("security", ["plain", "key", "user"])
def test_events_arrive_as_they_are_and_are_acknowledged(
    tmp_path: Path,
    authority: Authority,
    security: str,
    transport: str,
    compression: ForwardCompression,
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
            "gzip" if compression is ForwardCompression.GZIP else None
        )
        assert chunk["options"]["size"] == len(batch.records)
        assert chunk["entries"] == [
            [*divmod(record.wall, 10**9), without_nothing(json.loads(record.line))]
            for record in batch.records
        ]


def without_nothing(value: Any) -> Any:
    """Return what a record is to be, written in another way than the code does."""
    if isinstance(value, list):
        return [without_nothing(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: without_nothing(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if item is not None and item not in ([], {})}


# --------------------------------------------------------------------------- what is configured


def refused(server: Collector, **settings: Any) -> Retry:
    """Return why a server and a transport do not come together."""
    found: list[Outcome] = []
    made = forward(server.port, **settings)

    async def scenario(made: Forward) -> None:
        found.append(await made.deliver(batch_of(starts(1, 1))))

    run(made, scenario)
    assert server.received() == []
    (outcome,) = found
    assert isinstance(outcome, Retry)
    for secret in (KEY, PASSWORD, "another"):
        assert secret not in outcome.reason
    return outcome


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"shared_key": Secret("another"), "user": USER, "password": Secret(PASSWORD)},
            "the server refuses us: shared key mismatch",
        ),
        (
            {"shared_key": Secret(KEY), "user": USER, "password": Secret("another")},
            "the server refuses us: username/password mismatch",
        ),
        ({"shared_key": Secret(KEY)}, "it may ask for a user: none is configured"),
        (
            {
                "shared_key": Secret(KEY),
                "user": USER,
                "password": Secret(PASSWORD),
                "hostname": "collector",
            },
            "the server refuses us: Same hostname between input and output",
        ),
        ({}, "the server asks for a shared key and none is configured"),
    ],
    ids=["key", "password", "no user", "our own name", "no key"],
)
def test_credentials_that_a_server_refuses_are_a_matter_for_a_person(
    tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    with collector(tmp_path, security=USERS) as server:
        outcome = refused(server, **settings)
    assert reason in outcome.reason
    assert outcome.credentials


def test_a_server_without_a_key_does_not_greet(tmp_path: Path) -> None:
    with collector(tmp_path) as server:
        outcome = refused(server, shared_key=Secret(KEY), connect_seconds=0.3)
    assert "no handshake within 0.3 s" in outcome.reason


@pytest.mark.parametrize(
    ("case", "reason", "credentials"),
    [
        ("expired", "certificate has expired", True),
        ("other name", "IP address mismatch", True),
        ("other authority", "unable to get local issuer certificate", True),
        ("plain server", "does it speak TLS on this port?", False),
        ("no client certificate", "certificate required", True),
        ("old version", "protocol version", True),
        ("missing file", "No such file", True),
    ],
)
def test_tls_that_does_not_come_about_is_reported_for_what_it_is(
    tmp_path: Path,
    authority: Authority,
    case: str,
    reason: str,
    credentials: bool,
) -> None:
    names = ("collector.example",) if case == "other name" else ("127.0.0.1",)
    files = authority.issue(*names, expired=case == "expired")
    server_tls: dict[str, Any] = {"key": str(files.key), "cert": str(files.certificate)}
    ca = files.ca
    if case == "other authority":
        (tmp_path / "other").mkdir()
        ca = Authority(tmp_path / "other").ca
    if case == "no client certificate":
        server_tls |= {"ca": str(files.ca), "requestCert": True, "rejectUnauthorized": True}
    if case == "old version":
        server_tls["maxVersion"] = "TLSv1.2"
    minimum = TlsVersion.V1_3 if case == "old version" else TlsVersion.V1_2
    if case == "missing file":
        ca = tmp_path / "missing.pem"
    options = {} if case == "plain server" else {"tlsOptions": server_tls}
    with collector(tmp_path, **options) as server:
        settings = TlsSettings(ca=ca, minimum_version=minimum)
        outcome = refused(server, tls=settings, connect_seconds=1.0)
    assert reason in outcome.reason
    assert outcome.credentials is credentials


def test_a_client_certificate_and_a_server_name_let_us_in(
    tmp_path: Path, authority: Authority
) -> None:
    files, own = authority.issue("collector.example"), authority.issue("sensor.example")
    server_tls = {
        "key": str(files.key),
        "cert": str(files.certificate),
        "ca": str(files.ca),
        "requestCert": True,
        "rejectUnauthorized": True,
    }
    settings = TlsSettings(
        ca=files.ca,
        certificate=own.certificate,
        key=own.key,
        server_name="collector.example",
        minimum_version=TlsVersion.V1_3,
    )
    with collector(tmp_path, tlsOptions=server_tls) as server:

        async def scenario(made: Forward) -> None:
            assert await made.deliver(batch_of(starts(1, 1))) == Delivered()

        run(forward(server.port, tls=settings), scenario)


def test_a_plain_client_at_a_tls_server_is_reported_so(
    tmp_path: Path, authority: Authority
) -> None:
    files = authority.issue("127.0.0.1")
    server_tls = {"key": str(files.key), "cert": str(files.certificate)}
    with collector(tmp_path, tlsOptions=server_tls) as server:
        outcome = refused(server, ack_seconds=1.0)
    assert "closed the connection" in outcome.reason
    assert not outcome.credentials


# ------------------------------------------------------------------------------------- failover


def test_another_server_takes_over_and_the_first_is_returned_to(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    batches = iter(batches_of(starts(1, 500), 1))
    with collector(tmp_path / "a") as first, collector(tmp_path / "b") as second:
        made = forward(first.port, second.port, rest_seconds=0.3)
        peers = [f"127.0.0.1:{server.port}" for server in (first, second)]

        async def until_at(peer: str) -> None:
            async with asyncio.timeout(10):
                while made.connection != ConnectionStatus(peer, connected=True):
                    await made.deliver(next(batches))
                    await asyncio.sleep(0.02)

        async def scenario(made: Forward) -> None:
            assert await made.deliver(next(batches)) == Delivered()
            assert made.connection.peer == peers[0]
            first.kill()
            await until_at(peers[1])
            assert await made.deliver(next(batches)) == Delivered()
            first.start()
            await until_at(peers[0])
            second.kill()
            assert await made.deliver(next(batches)) == Delivered()

        run(made, scenario)
        assert first.received()
        assert second.received()


def test_with_all_servers_down_each_is_named(tmp_path: Path) -> None:
    with collector(tmp_path) as server:
        port = server.port
        server.kill()
        made = forward(port, port + 1 if port < 65535 else port - 1)

        async def scenario(made: Forward) -> None:
            outcome = await made.deliver(batch_of(starts(1, 1)))
            assert isinstance(outcome, Retry)
            assert outcome.reason.count("Connection refused") == 2

        run(made, scenario)


def test_what_is_under_way_is_to_be_sent_again_when_the_server_dies(tmp_path: Path) -> None:
    with collector(tmp_path) as server:

        async def scenario(made: Forward) -> None:
            assert await made.deliver(batch_of(starts(1, 1))) == Delivered()
            server.stop()
            under_way = [
                asyncio.create_task(made.deliver(batch)) for batch in batches_of(starts(10, 5), 1)
            ]
            await asyncio.sleep(0.2)
            assert not any(task.done() for task in under_way)
            server.kill()
            outcomes = await asyncio.gather(*under_way)
            assert all(isinstance(outcome, Retry) for outcome in outcomes)
            assert not made.connection.connected

        run(forward(server.port), scenario)
