"""``python -m bench.controlplane``: how many records of a Kubernetes audit log one CPU reads.

The records are those of the recorded scenario with whole bodies of 2 to 8 KiB, and renewals of
leases, which are skipped by their first bytes. CPU seconds of this process, best of three runs.
On a busy machine these say little; what a record costs in parses of the same text says more.
"""

from __future__ import annotations

import resource
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import machine
from bench.rows import Row, table
from sensor.correlate.request_events import RequestEvents
from sensor.model.control_plane import ControlRecord
from sensor.schema.document import encode_line
from sensor.sources.controlplane import json_text, kubernetes_audit
from sensor.sources.controlplane.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = "python -m bench.controlplane"
LOG = Path(__file__).parents[1] / "tests/corpora/controlplane/kubernetes/scenario/audit.log"
RUNS = 3
REPEATS = 10
WINDOWS = 40
"""Windows in which records are parsed only and read, in turn: a busy machine slows down both."""
SMALLEST, LARGEST = 2048, 8192
LEASES = 5000
STREAM_BYTES = 100 * 1024 * 1024
"""Bytes of the stream over which the memory is measured."""
GROWTH_LIMIT = 8
LEASE = (
    b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"%d","stage":'
    b'"ResponseComplete","requestURI":"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/'
    b'leases/node-%d","verb":"update","user":{"username":"system:node:node-1","groups":'
    b'["system:nodes","system:authenticated"]},"sourceIPs":["10.0.0.1"],"objectRef":{"resource":'
    b'"leases","namespace":"kube-node-lease","name":"node-1","apiGroup":"coordination.k8s.io"},'
    b'"responseStatus":{"metadata":{},"code":200}}\n'
)


def whole() -> list[bytes]:
    """Return the records with whole bodies."""
    lines = LOG.read_bytes().splitlines(keepends=True)
    return [
        line
        for line in lines
        if b'"level":"RequestResponse"' in line
        and SMALLEST <= len(line) <= LARGEST
        and kubernetes_audit.skim(line) is None
    ]


def read_only(lines: list[bytes]) -> int:
    """Read the records and throw them away."""
    reader, data = Reader("audit.log"), b"".join(lines)
    for _ in range(REPEATS):
        for _record in reader.feed(data):
            pass
    return reader.counts.records


def parsed(lines: list[bytes]) -> int:
    """Parse the records only: what the rest is to be compared with."""
    for _ in range(REPEATS):
        for line in lines:
            json_text.parse(line)
    return REPEATS * len(lines)


def to_events(lines: list[bytes]) -> int:
    """Read the records, each time as others, and write their events."""
    reader, made = Reader("audit.log"), RequestEvents()
    for number in range(REPEATS):
        mark = b'"auditID":"%d-' % number
        data = b"".join(line.replace(b'"auditID":"', mark, 1) for line in lines)
        for record in reader.feed(data):
            if isinstance(record, ControlRecord):
                for event in made.feed(record, 1 << 62):
                    encode_line(event)
    return reader.counts.records


def rate(work: Callable[[list[bytes]], int], lines: list[bytes]) -> float:
    """Return records a second of CPU."""
    best = 0.0
    for _ in range(RUNS):
        start = time.process_time()
        count = work(lines)
        best = max(best, count / (time.process_time() - start))
    return best


def against_parsing(lines: list[bytes]) -> float:
    """Return the CPU of a record in that of parsing it: the median of windows in turn."""
    found = []
    for _ in range(WINDOWS):
        start = time.process_time()
        parsed(lines)
        between = time.process_time()
        read_only(lines)
        found.append((time.process_time() - between) / (between - start))
    return statistics.median(found)


def growth(lines: list[bytes]) -> float:
    """Return by how many MiB the process grows over a long stream."""
    reader, data = Reader("audit.log"), b"".join(lines)
    for _record in reader.feed(data):
        pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(STREAM_BYTES // len(data)):
        for _record in reader.feed(data):
            pass
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    """Print the numbers and the machine."""
    lines = whole()
    leases = [LEASE % (number, number) for number in range(LEASES)]
    engine = "orjson" if json_text.parse is not json_text.standard else "json of Python"
    print(f"{machine()}\n{engine}, {sum(map(len, lines)) // len(lines)} bytes a record\n")
    grown = growth(lines)
    rows = [
        _rate("the JSON parser alone", rate(parsed, lines), None),
        _rate("records with whole bodies", rate(read_only, lines), 15_000),
        Row("the same, in parses of it", f"{against_parsing(lines):.2f}", None, None, COMMAND),
        _rate("the same, to events", rate(to_events, lines), None),
        _rate("records that are skipped", rate(read_only, leases), 40_000),
        Row("growth over 100 MiB", f"{grown:.1f} MiB", "8 MiB", grown < GROWTH_LIMIT, COMMAND),
    ]
    print(table(rows))


def _rate(what: str, value: float, target: int | None) -> Row:
    return Row(
        what,
        f"{value:,.0f} /s of CPU",
        None if target is None else f"{target:,} /s",
        None if target is None else value >= target,
        COMMAND,
        {"per_cpu_second": value},
    )


if __name__ == "__main__":
    main()
