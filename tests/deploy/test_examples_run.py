"""Every output of ``deploy/castoff`` ships to what behaves like its receiver.

``deploy/README.md`` says which of these are the real programs. Where the receiver is configured by
a file of ``deploy/`` as well, what it takes is checked against that file.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lab.waiting import until
from tests.deploy.conftest import DEPLOY, ClickHouse
from tests.deploy.test_configurations import INBOX, plugins, read
from tests.outputs import receivers
from tests.outputs.batches import starts
from tests.outputs.example import SECRET, Site, here, ship, site
from tests.outputs.fake_http import Answer, Received, fake_http
from tests.outputs.forward import receivers as forward_receivers
from tests.outputs.forward.fake_server import Answer as Talk
from tests.outputs.forward.fake_server import fake_server
from tests.outputs.forward.receivers import Intake
from tests.outputs.kafka_cluster import cluster
from tests.outputs.nats_server import NatsServer
from tests.outputs.receivers import Store
from tests.outputs.rsyslog import over_tls

RECORDS = starts(1, 700)
IDS = [record.id for record in RECORDS]


@pytest.fixture
def example(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return (DEPLOY / "castoff" / f"{name}.toml").read_text()


@pytest.fixture
def own_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str) -> Site:
    return site(tmp_path, monkeypatch, example)


def runs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [name], indirect=True)


def test_no_example_is_left_out() -> None:
    text = Path(__file__).read_text()
    for path in (DEPLOY / "castoff").glob("*.toml"):
        assert f'@runs("{path.stem}")' in text


def to_http(example: str, own: Site, answer: Callable[[Received], Answer]) -> None:
    async def main() -> None:
        context = own.context() if "https://" in example else None
        async with fake_http(answer, context=context) as fake:
            await ship(here(example, own.directory, fake.port), own.directory, RECORDS)

    asyncio.run(main())


def to_forward(example: str, own: Site, server: Talk, *, clients: bool = False) -> None:
    async def main() -> None:
        context = own.context(clients=clients) if ".tls]" in example else None
        async with fake_server(server, context) as port:
            await ship(here(example, own.directory, port), own.directory, RECORDS)

    asyncio.run(main())


@runs("clickhouse")
def test_clickhouse_has_each_event_of_the_http_output(
    example: str, own_site: Site, clickhouse: ClickHouse
) -> None:
    def answer(received: Received) -> Answer:
        assert parse_qs(urlsplit(received.target).query)["query"] == [INBOX]
        assert received.headers["authorization"].startswith("Basic ")
        clickhouse.insert(received.text)
        return Answer(200, b"")

    to_http(example, own_site, answer)
    wanted = ", ".join(repr(id_) for id_ in IDS)
    rows = clickhouse.rows(f"SELECT id FROM castoff.events FINAL WHERE id IN ({wanted})")
    assert {row["id"] for row in rows} == set(IDS)
    clickhouse.run(f"DELETE FROM castoff.events WHERE id IN ({wanted})")


@runs("opensearch")
def test_opensearch_has_each_event_in_the_index_of_its_day(example: str, own_site: Site) -> None:
    store = Store()
    to_http(example, own_site, receivers.opensearch(store, user="castoff"))
    assert len(store.stored) == len(IDS)
    assert {document["_index"] for document in store.stored} == {"castoff-2023.11.14"}


@runs("splunk")
def test_splunk_indexes_and_acknowledges_each_event(example: str, own_site: Site) -> None:
    store = Store()
    to_http(example, own_site, receivers.splunk(store, SECRET, acknowledge=True, polls=2))
    assert store.ids == IDS
    assert store.polls >= 2


@runs("forward-local")
@pytest.mark.parametrize("file", ["fluent-bit/node.yaml", "vector/node.yaml"])
def test_an_agent_on_the_node_takes_each_event(example: str, own_site: Site, file: str) -> None:
    entrance = read(DEPLOY / file)
    intake = Intake()
    if file.startswith("fluent-bit"):
        assert "shared_key" not in plugins(entrance, "inputs", "forward")
    else:
        assert "tls" not in entrance["sources"]["castoff"]
    to_forward(example, own_site, forward_receivers.plain(intake))
    assert intake.ids == IDS


@runs("forward")
def test_an_aggregator_with_a_key_takes_each_event_and_clickhouse_has_it(
    example: str, own_site: Site, clickhouse: ClickHouse
) -> None:
    """Fluent Bit as aggregator.yaml configures it: TLS, a key, no users; out_http to the inbox."""
    document = read(DEPLOY / "fluent-bit/aggregator.yaml")
    entrance = plugins(document, "inputs", "forward")
    assert (entrance["shared_key"], entrance["tls"]) == ("${FORWARD_KEY}", True)
    assert "security.users" not in entrance
    intake = Intake()
    to_forward(example, own_site, forward_receivers.fluent_bit(intake, SECRET))
    assert intake.ids == IDS
    exit_ = plugins(document, "outputs", "http")
    assert (exit_["format"], exit_["json_date_key"]) == ("json_lines", False)
    copies = [{**record, "id": f"{record['id']}-aggregated"} for record in intake.records]
    clickhouse.insert(b"\n".join(json.dumps(copy).encode() for copy in copies))
    rows = clickhouse.rows("SELECT id FROM castoff.events FINAL WHERE id LIKE '%-aggregated'")
    assert len(rows) == len(IDS)
    clickhouse.run("DELETE FROM castoff.events WHERE id LIKE '%-aggregated'")


@runs("forward-mtls")
def test_an_aggregator_that_knows_nodes_by_certificates_takes_each_event(
    example: str, own_site: Site
) -> None:
    source = read(DEPLOY / "vector/aggregator.yaml")["sources"]["castoff"]
    assert source["tls"]["verify_certificate"] is True
    intake = Intake()
    to_forward(example, own_site, forward_receivers.plain(intake), clients=True)
    assert intake.ids == IDS


@runs("kafka")
def test_kafka_stores_each_event(example: str, own_site: Site) -> None:
    """Librdkafka's own cluster has neither TLS nor users: these lines are left out."""
    text = example.partition("\n[outputs.kafka.tls]")[0]
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("user", "passw")))
    with cluster() as mock:
        port = int(mock.addresses[0].rpartition(":")[2])
        text = here(text, own_site.directory, port).replace("localhost", "127.0.0.1")
        asyncio.run(ship(text, own_site.directory, RECORDS))
        found = {json.loads(message.value() or b"{}")["id"] for message in mock.stored(len(IDS))}
    assert found == set(IDS)


@runs("nats")
def test_nats_stores_each_event(example: str, own_site: Site) -> None:
    async def main() -> int:
        import nats  # noqa: PLC0415 - as the output does

        files = own_site.server
        extra = (
            f'tls {{ cert_file: "{files.certificate}", key_file: "{files.key}" }}\n'
            f'authorization {{ users: [ {{ user: castoff, password: "{SECRET}" }} ] }}'
        )
        server = NatsServer(own_site.directory, extra)
        server.start()
        try:
            client = await nats.connect(
                f"tls://localhost:{server.port}",
                user="castoff",
                password=SECRET,
                tls=ssl.create_default_context(cafile=str(own_site.server.ca)),
            )
            stream = client.jetstream()
            await stream.add_stream(name="castoff", subjects=["castoff.>"])
            await ship(here(example, own_site.directory, server.port), own_site.directory, RECORDS)
            state = (await stream.stream_info("castoff")).state
            await client.close()
            return state.messages
        finally:
            server.stop()

    assert asyncio.run(main()) == len(IDS)


@runs("syslog")
def test_rsyslog_writes_each_event_as_cef(example: str, own_site: Site) -> None:
    server = over_tls(own_site.directory, driver="gtls", files=own_site.server)
    server.start()
    try:
        assert server.port is not None
        text = here(example, own_site.directory, server.port)
        assert asyncio.run(ship(text, own_site.directory, RECORDS)) == "cef"
        until(lambda: len(server.received()) == len(IDS), "rsyslog writes each event")
    finally:
        server.stop()
    messages = [fields[-1] for fields in server.received()]
    assert len(messages) == len(IDS)
    assert all(message.lstrip("\ufeff ").startswith("CEF:0|") for message in messages), messages[0]
