"""The source joins feeds, counts what is lost and says so once."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from sensor.model.witness_records import AuditExec, SourceChanged
from sensor.sources.audit.assembly import IN_FLIGHT_MAX, TIMEOUT
from sensor.sources.audit.record import AuditRecord, from_line
from sensor.sources.audit.serials import PATIENCE
from sensor.sources.audit.source import AuditSource, RecordReader, unavailable
from sensor.sources.audit.unavailable import AuditUnavailable
from tests.sources.audit.audit_text import corpus, line, record, syscall

pytest.importorskip("auparse", reason="needs python3-audit and the system's Python")


class Feed:
    """A way in that a test fills."""

    descriptor: int | None = None

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.overruns = 0
        self.dropped = 0
        self.malformed = 0
        self.heard = True
        self.has_more = False
        self.closed = False

    def read(self) -> list[AuditRecord]:
        found, self.records = self.records, []
        return found

    def close(self) -> None:
        self.closed = True


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def source(clock: Clock, *feeds: RecordReader) -> AuditSource:
    return AuditSource(
        feeds,
        watched={"docker", "grep"},
        engine_socket=lambda path: path == "/run/docker.sock",
        clock=clock,
        realtime_offset=0,
        node="here",
    )


def whole(serial: int) -> Sequence[AuditRecord]:
    return [
        syscall(serial=serial),
        record("EXECVE", 'argc=1 a0="docker"', serial),
        record("EOE", "", serial),
    ]


def test_one_event_from_two_feeds_is_one_observation(clock: Clock) -> None:
    one, two = Feed(), Feed()
    audit = source(clock, one, two)
    one.records += whole(1)
    two.records += whole(1)
    assert len(audit.drain()) == 1
    assert audit.duplicates == 3
    assert audit.losses() == ()


def test_an_event_without_end_is_given_when_it_is_due(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    feed.records += whole(1)[:-1]
    assert audit.drain() == []
    due = audit.deadline()
    assert due == TIMEOUT
    clock.now = due
    assert len(audit.drain()) == 1


def test_a_stopping_agent_gets_what_is_left(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    feed.records += whole(1)[:-1]
    assert len(audit.flush()) == 1
    audit.close()
    assert feed.closed


def test_losses_are_reported_once_each_with_their_stretch(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    clock.now = 100
    feed.records += [*whole(1), *whole(5), syscall(serial=6), record("EOE", "", 6)]
    feed.overruns = 2
    audit.drain()
    clock.now = 100 + PATIENCE
    reported = {loss.reason: loss for loss in audit.losses()}
    assert {reason: loss.lost for reason, loss in reported.items()} == {
        "overrun": None,
        "serials_missing": 3,
        "partial": 1,
    }
    assert reported["partial"].since == 0
    assert reported["partial"].time == clock.now
    assert audit.losses() == ()


def test_too_many_events_in_flight_are_a_loss(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    feed.records += [syscall(serial=number) for number in range(1, IN_FLIGHT_MAX + 4)]
    audit.drain()
    assert [(loss.reason, loss.lost) for loss in audit.losses()] == [("in_flight_limit", 3)]


def test_records_of_other_nodes_never_join_ours(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    for node in ("there", "HERE.example.org"):
        for one in whole(1):
            text = one.text.decode()
            found = from_line(line(one.type, text, 1, node=node))
            assert found is not None
            feed.records.append(found)
    assert len(audit.drain()) == 1
    assert audit.foreign == 3


def test_auditd_numbers_its_own_records_by_itself(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    # A host that was just booted, and auditd's random first number.
    feed.records += [*whole(500), record("DAEMON_START", "op=start", 9000), *whole(501)]
    assert len(audit.drain()) == 2
    clock.now = PATIENCE
    audit.losses()
    assert audit.serials_lost == 0


def test_an_exec_that_ima_measured_is_reported(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    measured = record("INTEGRITY_RULE", 'file="/usr/bin/docker" hash="sha256:00" pid=42 uid=0')
    feed.records += [measured, *whole(1)]
    assert len(audit.drain()) == 1
    assert audit.duplicates == 0


def test_a_rule_that_the_kernel_dropped_is_counted(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    feed.records += [
        record(
            "CONFIG_CHANGE",
            'auid=1 ses=1op=remove_rule path="/run/x/s.sock" key="castoff_api" list=4 res=1',
        ),
        record("CONFIG_CHANGE", 'auid=1 ses=1 op=remove_rule key="castoff_api" list=4 res=1', 2),
    ]
    audit.drain()
    assert audit.rules_dropped == 1


def test_wall_times_become_times_since_boot(clock: Clock) -> None:
    feed = Feed()
    audit = source(clock, feed)
    audit.realtime_offset = 999_000_000_000
    feed.records += whole(1)
    (found,) = audit.drain()
    assert isinstance(found, AuditExec)
    assert found.time == 1_000_000_000


@pytest.mark.parametrize(
    ("name", "lost", "execs"),
    [
        ("normal.log", 0, 1),
        ("out_of_order.log", 0, 1),
        ("lost_messages.log", 9, 1),
        ("rollover.log", 0, 0),
        ("test3.log", None, 0),
    ],
)
def test_recorded_logs_give_their_execs_and_losses(
    clock: Clock, name: str, lost: int | None, execs: int
) -> None:
    feed = Feed()
    audit = source(clock, feed)
    for raw in corpus(name).read_bytes().splitlines():
        found = from_line(raw)
        assert found is not None, raw
        feed.records.append(found)
    audit.drain()
    clock.now = 2 * PATIENCE
    audit.drain()
    audit.losses()
    if lost is not None:
        assert audit.serials_lost == lost
    assert audit.observations == execs


def test_without_auparse_the_source_says_how_to_get_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "auparse", None)
    with pytest.raises(AuditUnavailable) as caught:
        source(clock, Feed())
    change = unavailable(7, caught.value)
    assert isinstance(change, SourceChanged)
    assert (change.time, change.source, change.available) == (7, "audit", False)
    assert change.reason is not None
    assert "apt-get install python3-audit" in change.reason
