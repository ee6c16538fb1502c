"""Records become events whatever their order, and never more than fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.audit.assembly import (
    DONE_MAX,
    EVENT_BYTES_MAX,
    GRACE,
    IN_FLIGHT_MAX,
    TIMEOUT,
    Assembler,
    AuditEvent,
    Ending,
)
from sensor.sources.audit.record import AuditRecord, from_line
from tests.sources.audit.audit_text import MS, corpus, record, syscall


def types(event: AuditEvent) -> list[str]:
    return [r.type for r in event.records]


def test_eoe_completes_an_event() -> None:
    assembler = Assembler()
    for one in (syscall(), record("EXECVE", 'argc=1 a0="x"')):
        assembler.push(one, 0)
    assert assembler.take(0) == []
    assembler.push(record("EOE"), 0)
    (event,) = assembler.take(0)
    assert types(event) == ["SYSCALL", "EXECVE"]
    assert event.ending is Ending.EOE
    assert len(assembler) == 0


def test_interleaved_events_come_apart() -> None:
    assembler = Assembler()
    for one in (
        syscall(serial=1),
        syscall(serial=2),
        record("CWD", 'cwd="/two"', 2),
        record("CWD", 'cwd="/one"', 1),
        record("EOE", "", 2),
        record("EOE", "", 1),
    ):
        assembler.push(one, 0)
    two, one_event = assembler.take(0)
    assert two.stamp.serial == 2
    assert two.records[1].text == b'cwd="/two"'
    assert one_event.records[1].text == b'cwd="/one"'


def test_a_type_that_comes_alone_is_complete_at_once() -> None:
    assembler = Assembler()
    assembler.push(record("USER_LOGIN", "pid=1"), 0)
    assert assembler.take(0)[0].ending is Ending.ALONE


@pytest.mark.parametrize("early", ["INTEGRITY_RULE", "ANOM_CREAT", "IPE_ACCESS", "LANDLOCK_ACCESS"])
def test_a_record_that_mostly_comes_alone_costs_its_event_nothing(early: str) -> None:
    assembler = Assembler()
    # IMA measures a program in its execve, before the call's own records are written.
    first = record(early, 'file="/usr/bin/docker"')
    whole = [first, syscall(), record("EXECVE", 'argc=1 a0="docker"'), record("EOE")]
    for one in (*whole, *whole):
        assembler.push(one, 0)
    alone, event = assembler.take(0)
    assert (types(alone), alone.ending) == ([early], Ending.ALONE)
    assert (types(event), event.ending) == (["SYSCALL", "EXECVE"], Ending.EOE)
    assert assembler.duplicates == len(whole)
    assert len(assembler) == 0


def test_a_record_that_mostly_comes_alone_may_stand_amid_an_event() -> None:
    assembler = Assembler()
    for one in (syscall(), record("INTEGRITY_RULE", "file=x"), record("CWD", 'cwd="/"')):
        assembler.push(one, 0)
    assembler.push(record("EOE"), 0)
    (event,) = assembler.take(0)
    assert types(event) == ["SYSCALL", "INTEGRITY_RULE", "CWD"]


def test_the_end_of_an_event_that_came_alone_is_no_event() -> None:
    assembler = Assembler()
    for one in (record("INTEGRITY_RULE", "file=x"), record("EOE"), record("INTEGRITY_RULE", "y")):
        assembler.push(one, 0)
    assert [types(event) for event in assembler.take(0)] == [["INTEGRITY_RULE"]]


def test_proctitle_leaves_a_grace_for_late_records() -> None:
    assembler = Assembler()
    assembler.push(syscall(), 0)
    assembler.push(record("PROCTITLE", "proctitle=00"), 0)
    assembler.push(record("CWD", 'cwd="/"'), 10 * MS)
    assert assembler.take(GRACE) == []
    (event,) = assembler.take(10 * MS + GRACE)
    assert types(event) == ["SYSCALL", "PROCTITLE", "CWD"]
    assert event.ending is Ending.PROCTITLE


def test_an_idle_event_times_out() -> None:
    assembler = Assembler()
    assembler.push(syscall(), 5 * MS)
    assert assembler.deadline() == 5 * MS + TIMEOUT
    assert assembler.take(4 * MS + TIMEOUT) == []
    assert assembler.take(5 * MS + TIMEOUT)[0].ending is Ending.TIMEOUT
    assert assembler.deadline() is None


def test_the_same_event_from_two_feeds_counts_once() -> None:
    assembler = Assembler()
    whole = [syscall(), record("CWD", 'cwd="/"'), record("EOE")]
    for one in (whole[0], whole[0], whole[1], whole[1], *whole[2:], *whole):
        assembler.push(one, 0)
    (event,) = assembler.take(0)
    assert types(event) == ["SYSCALL", "CWD"]
    assert assembler.duplicates == 5
    assert len(assembler) == 0


def test_too_many_in_flight_drop_the_oldest() -> None:
    assembler = Assembler()
    for serial in range(IN_FLIGHT_MAX + 3):
        assembler.push(syscall(serial=serial), 0)
    assert len(assembler) == IN_FLIGHT_MAX
    assert assembler.crowded_out == 3
    assembler.push(record("EOE", "", 0), 0)
    assert assembler.take(0) == []


def test_one_event_holds_no_more_than_its_share() -> None:
    assembler = Assembler()
    for index in range(40):
        assembler.push(record("EXECVE", f"a{index}={'A' * 8000}"), 0)
    assembler.push(record("EOE"), 0)
    (event,) = assembler.take(0)
    assert event.cut
    assert sum(len(r.text) for r in event.records) <= EVENT_BYTES_MAX


def test_memory_of_complete_events_is_bounded() -> None:
    assembler = Assembler()
    for serial in range(DONE_MAX + 10):
        assembler.push(record("USER_LOGIN", "", serial), 0)
    assert len(assembler._done) == DONE_MAX


def events_of(name: str) -> dict[int, list[str]]:
    assembler = Assembler()
    for number, raw in enumerate(corpus(name).read_bytes().splitlines()):
        found = from_line(raw)
        assert found is not None, raw
        assembler.push(found, number)
    return {event.stamp.serial: sorted(types(event)) for event in assembler.flush()}


def test_records_out_of_order_make_the_same_events() -> None:
    assert events_of("out_of_order.log") == events_of("normal.log")


def test_a_log_with_lost_events_gives_the_others() -> None:
    assert set(events_of("lost_messages.log")) == {49, 59, 60, 61, 62}


def test_serials_that_roll_over_are_five_events() -> None:
    assert list(events_of("rollover.log")) == [4294967294, 4294967295, 0, 1, 2]


RECORDS = st.builds(
    record,
    st.sampled_from(["SYSCALL", "EXECVE", "CWD", "EOE", "PROCTITLE", "USER_LOGIN"]),
    st.sampled_from(["", "a", "b"]),
    st.integers(0, 6),
)


@given(st.lists(st.tuples(RECORDS, st.integers(0, TIMEOUT)), max_size=60))
def test_no_event_is_given_twice_or_kept_for_ever(arrivals: list[tuple[AuditRecord, int]]) -> None:
    assembler = Assembler(in_flight_max=3)
    now = 0
    given_out: list[AuditEvent] = []
    for one, pause in arrivals:
        now += pause
        assembler.push(one, now)
        assert len(assembler) <= 3
        given_out += assembler.take(now)
    given_out += assembler.take(now + TIMEOUT)
    assert len(assembler) == 0
    assert assembler._size == 0
    stamps = [(event.stamp, event.ending is Ending.ALONE) for event in given_out]
    assert len(stamps) == len(set(stamps))
