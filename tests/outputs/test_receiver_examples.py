"""The pairs of docs/outputs.md, section Receivers: Castoff's side of each ships to its receiver."""

from __future__ import annotations

import asyncio
import json
import re
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.waiting import until
from tests.outputs import receivers, syslog_ng
from tests.outputs.batches import starts
from tests.outputs.example import SECRET, Site, here, ship, site
from tests.outputs.fake_http import Answer, Received, fake_http
from tests.outputs.forward import receivers as forward_receivers
from tests.outputs.forward.fake_server import Answer as Talk
from tests.outputs.forward.fake_server import fake_server
from tests.outputs.forward.receivers import Intake
from tests.outputs.receivers import Store
from tests.outputs.rsyslog import Rsyslog, free_port, over_tcp

TEXT = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text()
SECTION = re.split(r"^## ", TEXT.partition("\n## Receivers\n")[2], flags=re.MULTILINE)[0]
RECORDS = starts(1, 600)
IDS = [record.id for record in RECORDS]


def blocks(text: str) -> list[str]:
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") + "\n" for block in found]


def pairs() -> dict[str, tuple[str, str]]:
    """Return Castoff's and the receiver's side by receiver and type."""
    found = {}
    for part in re.split(r"^### ", SECTION, flags=re.MULTILINE)[1:]:
        receiver, _, text = part.partition("\n")
        sides = blocks(text)
        for number, side in enumerate(sides):
            if side.startswith("[outputs."):
                kind = re.search(r'^type = "(\w+)"', side, re.MULTILINE)
                preset = re.search(r'^preset = "(\w+)"', side, re.MULTILINE)
                assert kind is not None
                name = f"{receiver}: {(preset or kind)[1]}"
                assert name not in found
                other = sides[number + 1] if number + 1 < len(sides) else ""
                found[name] = side, "" if other.startswith("[outputs.") else other
    return found


PAIRS = pairs()
HTTP: dict[str, Callable[[Store], Callable[[Received], Answer]]] = {
    "Fluent Bit: http": receivers.fluent_bit_http,
    "Fluent Bit: otlp": receivers.fluent_bit_otlp,
    "Fluent Bit: splunk_hec": lambda store: receivers.fluent_bit_splunk(store, SECRET),
    "Fluentd: http": receivers.fluentd_http,
    "Vector: http": receivers.vector_http_server,
    "Vector: otlp": receivers.vector_otlp,
    "OpenTelemetry Collector: otlp": receivers.opentelemetry_collector,
    "Splunk: splunk_hec": lambda store: receivers.splunk(store, SECRET, acknowledge=True),
    "Elasticsearch and OpenSearch: elasticsearch": lambda store: receivers.opensearch(
        store, "castoff"
    ),
}
FORWARD: dict[str, Callable[[Intake], Talk]] = {
    "Fluent Bit: forward": lambda intake: forward_receivers.fluent_bit(intake, SECRET),
    "Fluentd: forward": lambda intake: forward_receivers.fluentd(intake, SECRET),
    "Vector: forward": forward_receivers.plain,
    "OpenTelemetry Collector: forward": forward_receivers.plain,
}
TAIL = [
    "Fluent Bit: jsonl",
    "Fluentd: jsonl",
    "Vector: jsonl",
    "OpenTelemetry Collector: jsonl",
    "Splunk: jsonl",
]
SYSLOG = [
    "Fluent Bit: syslog",
    "Fluentd: syslog",
    "Vector: syslog",
    "OpenTelemetry Collector: syslog",
    "rsyslog: syslog",
]
SYSLOG_NG = "syslog-ng: syslog"
LAYOUT = re.compile(
    r"""(?:time_format|layout|TIME_FORMAT|format):?\ (?:=\ )?"?
        (%Y-[^"\s)]+|2006-[^"\s]+)""",
    re.VERBOSE,
)


@pytest.fixture
def own_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site(tmp_path, monkeypatch, TEXT)


def test_each_pair_of_the_section_is_run() -> None:
    assert set(PAIRS) == {*HTTP, *FORWARD, *TAIL, *SYSLOG, SYSLOG_NG}


@pytest.mark.parametrize("name", list(HTTP))
def test_an_http_receiver_gets_each_event(name: str, own_site: Site) -> None:
    text, _ = PAIRS[name]
    store = Store()

    async def main() -> None:
        context = own_site.context() if "https://" in text else None
        async with fake_http(HTTP[name](store), context=context) as fake:
            await ship(here(text, own_site.directory, fake.port), own_site.directory, RECORDS)

    asyncio.run(main())
    assert len(store.stored) == len(IDS)
    if "OpenSearch" not in name:
        assert store.ids == IDS


def test_fluent_bit_has_the_whole_event_in_the_body_of_otlp(own_site: Site) -> None:
    text, _ = PAIRS["Fluent Bit: otlp"]
    store = Store()

    async def main() -> None:
        async with fake_http(receivers.fluent_bit_otlp(store)) as fake:
            await ship(here(text, own_site.directory, fake.port), own_site.directory, RECORDS)

    asyncio.run(main())
    names = {pair["key"] for pair in store.stored[0]["body"]["kvlistValue"]["values"]}
    assert {"id", "type", "time", "container", "start", "initiator"} <= names


@pytest.mark.parametrize("name", list(FORWARD))
def test_a_forward_receiver_gets_each_event(name: str, own_site: Site) -> None:
    text, _ = PAIRS[name]
    intake = Intake()

    async def main() -> None:
        context = own_site.context(clients="certificate" in text) if ".tls]" in text else None
        async with fake_server(FORWARD[name](intake), context) as port:
            await ship(here(text, own_site.directory, port), own_site.directory, RECORDS)

    asyncio.run(main())
    assert intake.ids == IDS
    assert intake.tags == {"castoff.event"}


@pytest.mark.parametrize("name", SYSLOG)
def test_rsyslog_gets_each_event_as_the_pair_says(name: str, own_site: Site) -> None:
    """It stands in for the others, which read the same frames."""
    text, _ = PAIRS[name]
    own_sides = ".tls]" in text
    if own_sides:
        server = as_configured(PAIRS["rsyslog: syslog"][1], own_site)
    else:
        server = over_tcp(own_site.directory)
    written = own_site.directory / "castoff-events.jsonl"

    def ids() -> list[str]:
        return ids_in(written) if own_sides else server.ids()

    server.start()
    try:
        assert server.port is not None
        asyncio.run(ship(here(text, own_site.directory, server.port), own_site.directory, RECORDS))
        # TCP acknowledges what the receiver's kernel has: one that ends now does not read it.
        until(lambda: len(ids()) == len(IDS), "rsyslog writes each event")
    finally:
        server.stop()
    assert ids() == IDS


def test_syslog_ng_gets_each_event_as_the_pair_says(own_site: Site) -> None:
    text, there = PAIRS[SYSLOG_NG]
    port = free_port()
    written = own_site.directory / "castoff-events.jsonl"
    for documented, here_is in (
        ("/etc/syslog-ng/server.key", str(own_site.server.key)),
        ("/etc/syslog-ng/server.pem", str(own_site.server.certificate)),
        ("/var/log/castoff-events.jsonl", str(written)),
        ("port(6514)", f'ip("127.0.0.1") port({port})'),
    ):
        assert documented in there
        there = there.replace(documented, here_is)

    with syslog_ng.running(own_site.directory, there, port):
        asyncio.run(ship(here(text, own_site.directory, port), own_site.directory, RECORDS))
        until(lambda: len(ids_in(written)) == len(IDS), "syslog-ng writes each event")
    assert ids_in(written) == IDS


def ids_in(written: Path) -> list[str]:
    """Return the ids of the lines that a receiver wrote whole."""
    lines = written.read_text().splitlines(keepends=True) if written.exists() else []
    return [json.loads(line)["id"] for line in lines if line.endswith("\n")]


def as_configured(there: str, own: Site) -> Rsyslog:
    """Return an rsyslogd with the configuration of the section itself."""
    port = free_port()
    files = own.server
    text = there.replace("/etc/rsyslog/ca.pem", str(files.ca))
    text = text.replace("/etc/rsyslog/server.pem", str(files.certificate))
    text = text.replace("/etc/rsyslog/server.key", str(files.key))
    text = text.replace("/var/log/castoff-events.jsonl", f"{own.directory}/castoff-events.jsonl")
    text = text.replace('port="6514"', f'address="127.0.0.1" port="{port}"')
    return Rsyslog(own.directory, text, port)


# ------------------------------------------------------------------------------------------ tail

FRACTION = re.compile(r"\.(\d+)")


def strptime(text: str, layout: str) -> int:
    """Return ns since the epoch for the layouts of Fluent Bit (%L), Fluentd (%N), Splunk and Go."""
    for fraction_of_seconds in ("%L", "%N", "%9N"):
        layout = layout.replace(fraction_of_seconds, "%f")
    layout = layout.replace("%Z", "%z")
    layout = layout.replace("2006-01-02T15:04:05.999999999Z07:00", "%Y-%m-%dT%H:%M:%S.%f%z")
    fraction = FRACTION.search(text)
    assert fraction is not None
    short = text.replace(fraction[0], f".{fraction[1][:6]}")
    # Aware: each of the layouts has a zone.
    seconds = int(datetime.strptime(short, layout).astimezone(UTC).timestamp())
    return seconds * 1_000_000_000 + int(fraction[1].ljust(9, "0"))


@pytest.mark.parametrize("name", TAIL)
def test_a_tailed_file_has_the_event_s_own_time_for_the_parser_of_the_pair(
    name: str, own_site: Site
) -> None:
    text, there = PAIRS[name]
    asyncio.run(ship(here(text, own_site.directory, 0), own_site.directory, RECORDS))
    lines = (own_site.directory / "events.jsonl").read_text().splitlines()
    layout = LAYOUT.search(there)
    assert layout is not None
    events = [json.loads(line) for line in lines]
    assert [event["id"] for event in events] == IDS
    now = datetime.fromisoformat(events[0]["time"][:26] + "+00:00").astimezone(UTC)
    found = strptime(events[0]["time"], layout[1])
    assert found // 1_000_000_000 == int(now.timestamp())
    assert found % 1_000_000_000 == int(events[0]["time"][20:29])


def receivers_sides() -> list[tuple[str, Any]]:
    """Return the sides that are YAML."""
    return [
        (name, there)
        for name, (_, there) in PAIRS.items()
        if there.startswith(("pipeline:", "parsers:", "sources:", "receivers:"))
    ]


@pytest.mark.parametrize(("name", "there"), receivers_sides(), ids=lambda one: one[:24])
def test_the_receivers_side_is_valid_yaml(name: str, there: str) -> None:
    document = yaml.safe_load(there)
    assert isinstance(document, dict)
    if name.startswith("Fluent Bit"):
        assert [one["name"] for one in document["pipeline"]["inputs"]]
