"""The example configurations: Castoff reads its own, the others hang together with them.

Neither Fluent Bit nor Vector is to be had from the sources that tests install from, so theirs are
parsed as YAML and compared with what stands at the other end.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from sensor.agent.config import Config
from sensor.outputs.forward.output import ForwardSettings
from sensor.outputs.forward.record import compact, native
from sensor.outputs.http.settings import HttpSettings
from sensor.outputs.registry import Surroundings
from tests.deploy.conftest import DEPLOY, SCHEMA, ClickHouse
from tests.outputs.batches import golden_records
from tests.outputs.sample_events import HOST

CASTOFF = sorted((DEPLOY / "castoff").glob("*.toml"))
OTHERS = sorted([*DEPLOY.glob("fluent-bit/*.yaml"), *DEPLOY.glob("vector/*.yaml")])
INBOX = "INSERT INTO castoff.inbox FORMAT JSONAsString"


class OnceOnly(yaml.SafeLoader):
    """YAML in which no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002 - as in the base
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"a key stands twice: {keys}"
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return made


def read(path: Path) -> dict[str, Any]:
    document = yaml.load(path.read_text(), OnceOnly)
    assert isinstance(document, dict)
    return document


def plugins(document: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    found = [one for one in document["pipeline"][kind] if one["name"] == name]
    assert len(found) == 1
    plugin: dict[str, Any] = found[0]
    return plugin


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in CASTOFF:
        for name in re.findall(r"\$\{env:(\w+)\}", path.read_text()):
            monkeypatch.setenv(name, "a-secret")


def castoff(name: str, directory: Path) -> Any:
    path = directory / "castoff.toml"
    path.write_text((DEPLOY / "castoff" / f"{name}.toml").read_text())
    (output,) = Config.load(path).outputs
    return output.own


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("path", CASTOFF, ids=lambda path: path.stem)
def test_castoff_reads_its_examples_and_makes_their_outputs(path: Path, tmp_path: Path) -> None:
    # Certificates are files of the site.
    text = path.read_text().replace("/etc/castoff/", f"{tmp_path}/")
    (tmp_path / "castoff.toml").write_text(text)
    (output,) = Config.load(tmp_path / "castoff.toml").outputs
    transport, form = output.transport(Surroundings(HOST, "1.2.3", output.name))
    assert not transport.connection.connected
    assert form.name == output.format
    assert "a-secret" not in repr(output)
    assert list(tomllib.loads(text)) == ["outputs"]


@pytest.mark.usefixtures("secrets")
def test_castoff_writes_into_the_inbox(tmp_path: Path) -> None:
    settings = castoff("clickhouse", tmp_path)
    assert isinstance(settings, HttpSettings)
    assert parse_qs(urlsplit(settings.url).query)["query"] == [INBOX]


@pytest.mark.usefixtures("secrets")
def test_both_ends_of_forward_agree(tmp_path: Path) -> None:
    for end, ports in {
        "forward-local": {
            plugins(read(DEPLOY / "fluent-bit/node.yaml"), "inputs", "forward")["port"],
            int(read(DEPLOY / "vector/node.yaml")["sources"]["castoff"]["address"].split(":")[1]),
        },
        "forward": {
            plugins(read(DEPLOY / "fluent-bit/aggregator.yaml"), "inputs", "forward")["port"]
        },
        "forward-mtls": {
            int(
                read(DEPLOY / "vector/aggregator.yaml")["sources"]["castoff"]["address"].split(":")[
                    1
                ]
            )
        },
    }.items():
        settings = castoff(end, tmp_path)
        assert isinstance(settings, ForwardSettings)
        assert {int(server.rpartition(":")[2]) for server in settings.servers} == ports
    keyed = castoff("forward", tmp_path)
    assert keyed.shared_key
    assert keyed.tls is not None
    assert castoff("forward-mtls", tmp_path).tls.certificate is not None


def test_fluent_bit_keeps_what_it_acknowledged() -> None:
    for name in ("node", "aggregator"):
        document = read(DEPLOY / f"fluent-bit/{name}.yaml")
        service = document["service"]
        assert service["storage.path"]
        assert (service["storage.sync"], service["storage.checksum"]) == ("full", False)
        for plugin in document["pipeline"]["inputs"]:
            assert plugin["storage.type"] == "filesystem"
        for plugin in document["pipeline"]["outputs"]:
            assert plugin["retry_limit"] == "no_limits"
            assert re.fullmatch(plugin["match"].replace("*", ".*"), ForwardSettings(("x",)).tag)
    relay = plugins(read(DEPLOY / "fluent-bit/node.yaml"), "outputs", "forward")
    entrance = plugins(read(DEPLOY / "fluent-bit/aggregator.yaml"), "inputs", "forward")
    assert relay["require_ack_response"] is True
    assert (relay["port"], relay["shared_key"]) == (entrance["port"], entrance["shared_key"])


def test_fluent_bit_writes_into_the_inbox() -> None:
    http = plugins(read(DEPLOY / "fluent-bit/aggregator.yaml"), "outputs", "http")
    assert parse_qs(urlsplit(http["uri"]).query)["query"] == [INBOX]
    assert (http["format"], http["json_date_key"]) == ("json_lines", False)


def test_vector_acknowledges_from_end_to_end_and_is_wired_through() -> None:
    for name in ("node", "aggregator"):
        document = read(DEPLOY / f"vector/{name}.yaml")
        known = {*document["sources"], *document.get("transforms", {})}
        for sink in document["sinks"].values():
            assert sink["acknowledgements"]["enabled"] is True
            assert (sink["buffer"]["type"], sink["buffer"]["when_full"]) == ("disk", "block")
            assert set(sink["inputs"]) <= known
    aggregator = read(DEPLOY / "vector/aggregator.yaml")
    relay = read(DEPLOY / "vector/node.yaml")["sinks"]["aggregator"]
    entrance = aggregator["sources"]["nodes"]
    assert relay["address"].rpartition(":")[2] == entrance["address"].rpartition(":")[2]
    sink = aggregator["sinks"]["clickhouse"]
    assert f"{sink['database']}.{sink['table']}" == INBOX.split()[2]
    assert sink["format"] == "json_as_string"


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_secret_stands_in_a_file(path: Path) -> None:
    for line in path.read_text().splitlines():
        if re.search(r"(?i)(shared_key|passw(or)?d)\s*:", line):
            assert re.search(r"\$\{\w+\}", line), line


@pytest.mark.parametrize("encode", [native, compact])
def test_what_forward_delivers_is_an_event_in_clickhouse(
    encode: Any,
    clickhouse: ClickHouse,
) -> None:
    records = golden_records()
    documents = [dict(encode(record)) | {"id": f"{record.id}-forward"} for record in records]
    clickhouse.insert(b"\n".join(json.dumps(document).encode() for document in documents))
    columns = "type, time, host, container_id, start_trigger, initiator_argv, sandbox, gap_lost"
    wanted = "FROM castoff.events FINAL WHERE id {} LIKE '%-forward' ORDER BY time, id"
    query = f"SELECT {columns} {wanted}"
    found = clickhouse.rows(query.format(""))
    assert found == clickhouse.rows(query.format("NOT"))
    assert len(found) == len(records)
    clickhouse.run("DELETE FROM castoff.events WHERE id LIKE '%-forward'")


def test_the_schema_names_how_it_is_filled() -> None:
    assert INBOX in SCHEMA.read_text()
