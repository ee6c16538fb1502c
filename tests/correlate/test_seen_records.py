"""A record that is delivered again is not new."""

from __future__ import annotations

import json

from sensor.correlate.seen_records import SeenRecords
from tests.correlate.audit_log import Log, records


def test_a_record_is_new_once() -> None:
    log = Log()
    log.job(0, "alice", "one")
    log.job(1, "alice", "two")
    first, second = records(b"\n".join(json.dumps(line).encode() for line in log.lines))
    seen = SeenRecords()
    assert [seen.take(one) for one in (first, second, first)] == [True, True, False]
    assert seen.repeated == 1


def test_the_oldest_is_forgotten() -> None:
    log = Log()
    for number in range(4):
        log.job(number, "alice", f"job-{number}")
    found = records(b"\n".join(json.dumps(line).encode() for line in log.lines))
    seen = SeenRecords(limit=2)
    assert all(seen.take(one) for one in found)
    assert seen.take(found[0])
    assert not seen.take(found[3])
