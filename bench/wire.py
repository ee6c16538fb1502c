"""``python -m bench.wire``: bytes of a start on the way to each kind of collector, and at rest.

The starts are those of the golden captures, many times over: each time of other containers and
processes, at another time, with one of a few hundred names and images. Alone is a batch of one, as
a quiet node sends it; full is a batch of 500. Bodies only: the heads of HTTP add some 200 bytes to
a batch, TCP and TLS what they add.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import machine
from bench.rows import Row, table
from sensor.dataclass import dataclass
from sensor.outputs.delivery import Batch, Record
from sensor.outputs.forward.chunk import Encoding, encode
from sensor.outputs.forward.output import LEVEL
from sensor.outputs.forward.record import compact
from sensor.outputs.forward.record import native as native_document
from sensor.outputs.http import elasticsearch, otlp, splunk
from sensor.outputs.http.elasticsearch import BulkOperation, Elasticsearch
from sensor.outputs.http.output import GZIP_LEVEL, Plain
from sensor.outputs.http.settings import Body
from sensor.outputs.http.splunk import Splunk
from sensor.outputs.lines import lines_of
from sensor.outputs.registry import format_of
from sensor.outputs.syslog.rfc5424 import Framing, SyslogHeader, frame, message
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.outputs.delivery import Format

COMMAND = "python -m bench.wire"
ROOT = Path(__file__).parents[1]
FULL = 500
BATCHES = 8
"""Starts that are put into ClickHouse."""
NAMES, IMAGES, HOSTS = 300, 200, 100
BEGIN = time.time_ns() - 2 * 86_400 * 1_000_000_000
"""Two days ago: ClickHouse throws away what is older than the schema's TTL."""
MEAN_BETWEEN = 1_000_000_000
"""Nanoseconds from one start of a node to the next."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
_ID = re.compile(r"\b[0-9a-f]{64}\b")


def starts(count: int, *, settled: bool = False) -> list[Record]:
    """Return records of that many starts, of one node after the other in batches of 500.

    Each is of any golden start with any image. On a ``settled`` node a name keeps both.
    """
    dice = random.Random(7)
    patterns = [
        line
        for path in sorted((ROOT / "tests" / "golden").glob("*.jsonl"))
        for line in path.read_text().splitlines()
        if json.loads(line)["type"] == "container.start"
    ]
    made, wall = [], BEGIN
    for sequence in range(count):
        wall += int(dice.expovariate(1) * MEAN_BETWEEN)
        number = dice.randrange(NAMES)
        kind = number % len(patterns) if settled else dice.randrange(len(patterns))
        image = kind if settled else dice.randrange(IMAGES)
        place = Place(number, image, sequence // FULL % HOSTS, wall)
        event = _another(json.loads(patterns[kind]), dice, place)
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        made.append(Record(sequence + 1, event["id"], event["type"], wall, line))
    return made


@dataclass(frozen=True, slots=True)
class Place:
    """Numbers of a name, an image and a host; wall-clock ns."""

    name: int
    image: int
    host: int
    wall: int


def _another(event: dict[str, Any], dice: random.Random, place: Place) -> dict[str, Any]:
    """Return the start of another container, at another time."""
    ids: dict[str, str] = {}

    def other(match: re.Match[str]) -> str:
        return ids.setdefault(match[0], f"{dice.getrandbits(256):064x}")

    def walk(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: walk(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, key) for inner in value]
        if key in {"pid", "session"} and isinstance(value, int):
            return dice.randrange(1 << 22)
        if isinstance(value, str) and _TIME.fullmatch(value):
            return rfc3339(place.wall - dice.randrange(900_000_000))
        return _ID.sub(other, value) if isinstance(value, str) else value

    image = place.image
    known = random.Random(image)
    made: dict[str, Any] = {name: walk(inner, name) for name, inner in event.items()}
    made["id"], made["time"] = f"{dice.getrandbits(128):032x}", rfc3339(place.wall)
    made["container"]["name"] = f"shop-{place.name}"
    if made["container"]["image"] is not None:
        made["container"]["image"] = {
            "name": f"registry.example/team-{image % 20}/app-{image}:1.{image % 7}",
            "id": f"sha256:{known.getrandbits(256):064x}",
            "digest": None,
        }
    machine_id = f"{random.Random(place.host).getrandbits(128):032x}"
    made["host"] |= {"name": f"node-{place.host}", "machine_id": machine_id}
    return made


def ways() -> Iterator[tuple[str, Callable[[Batch], bytes]]]:
    """Yield each way's name, and the function that gives the bytes of a batch."""
    native, cef, ecs = format_of("native"), format_of("cef"), format_of("ecs")
    packed = Plain(content_type="application/x-ndjson", target="/", body=Body.LINES)
    hec = Splunk(
        is_text=False,
        target=splunk.EVENT_PATH,
        host="node-1",
        sourcetype="castoff:event",
        index=None,
        acknowledge=False,
    )

    def squeezed(make: Callable[[Batch], bytes]) -> Callable[[Batch], bytes]:
        return lambda batch: gzip.compress(make(batch), GZIP_LEVEL, mtime=0)

    def bulk(form: Format) -> Callable[[Batch], bytes]:
        dialect = Elasticsearch(
            target=elasticsearch.BULK_PATH,
            index="castoff-{date}",
            operation=BulkOperation.CREATE,
        )
        return lambda batch: dialect.request(lines_of(batch, form)).body

    def syslog(line: Callable[[Record], bytes]) -> Callable[[Batch], bytes]:
        return lambda batch: b"".join(
            frame(Framing.OCTET_COUNTING, message(SyslogHeader(), record, line(record)))
            for record in batch.records
        )

    yield "native, as lines", lambda batch: packed.request(lines_of(batch, native)).body
    yield "http, lines, gzip", squeezed(lambda batch: packed.request(lines_of(batch, native)).body)
    yield "http, Splunk, gzip", squeezed(lambda batch: hec.request(lines_of(batch, native)).body)
    yield "http, bulk, gzip", squeezed(bulk(native))
    yield "http, bulk, ECS, gzip", squeezed(bulk(ecs))
    yield "otlp, gzip", otlp_body
    full = Encoding("castoff.event", LEVEL, native_document)
    brief = Encoding("castoff.event", LEVEL, compact)
    yield "forward, gzip", lambda batch: encode(batch, full).data
    yield "forward, compact, gzip", lambda batch: encode(batch, brief).data
    yield "syslog, native", syslog(native.line)
    yield "syslog, CEF", syslog(cef.line)
    yield "ECS, as lines", lambda batch: b"".join(map(ecs.line, batch.records))


def otlp_body(batch: Batch) -> bytes:
    """Return the body that the OTLP output posts."""
    body, _ = asyncio.run(otlp.encoded(batch.records, packed=True))
    return body


def sizes(records: list[Record]) -> list[Row]:
    """Measure each way, with batches of one and full ones."""
    alone = [Batch(bytes(16), (record,)) for record in records[:FULL]]
    full = [
        Batch(bytes(16), tuple(records[at : at + FULL])) for at in range(0, BATCHES * FULL, FULL)
    ]
    rows = []
    for name, make in ways():
        one = statistics.median(len(make(batch)) for batch in alone)
        many = statistics.median(len(make(batch)) / FULL for batch in full)
        numbers = f"{one:,.0f} alone, {many:,.0f} in a full batch"
        rows.append(Row(name, numbers, None, None, COMMAND, {"alone": one, "full": many}))
    return rows


def main() -> None:
    """Measure and print the table."""
    rows = sizes(starts(BATCHES * FULL))
    print(machine())
    print(table(rows))


if __name__ == "__main__":
    main()
