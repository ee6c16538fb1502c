"""The columns of the log can be read back from a line, whatever the line holds."""

from __future__ import annotations

import pytest

from sensor.schema.document import encode_line
from sensor.store.entry import ID_LIMIT
from sensor.store.event_line import EventLine
from tests.outputs.sample_events import EVENTS, START


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_its_id_type_time_and_boot(name: str) -> None:
    event = EVENTS[name]
    line = EventLine.of(encode_line(event))
    assert (line.id, line.type) == (event.id, event.type)
    assert line.boot_id == (None if event.host is None else event.host.boot_id)
    assert line.wall == event.time + event.realtime_offset


def test_a_container_is_known_by_its_id_and_name() -> None:
    line = EventLine.of(encode_line(START))
    container = START.container
    assert container is not None
    assert container.id is not None
    assert line.container == bytes.fromhex(container.id)
    assert line.name == container.name


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"[" * 100_000], ids=range(5))
def test_nothing_is_known_of_what_is_not_an_object(data: bytes) -> None:
    assert EventLine.of(data) == EventLine()


@pytest.mark.parametrize("time", ['"yesterday"', "1", '"2026-01-01T00:00:00"', "null"])
def test_a_time_of_another_form_is_unknown(time: str) -> None:
    line = EventLine.of(b'{"id":"a","time":%s}' % time.encode())
    assert (line.id, line.wall) == ("a", None)


def test_a_long_id_is_cut() -> None:
    line = EventLine.of(b'{"id":"%s"}' % (b"a" * (ID_LIMIT + 1)))
    assert line.id == "a" * ID_LIMIT
