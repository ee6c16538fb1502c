"""Going through the log page by page, forwards and from its end."""

from __future__ import annotations

from sensor.api.scan import Scan
from sensor.schema.filters import Filters, parse
from sensor.store.query import Query
from tests.api.sample_agent import Log, line

PAGE = Query(rows=3)


def forwards(scan: Scan) -> list[int]:
    found = []
    while not scan.done:
        found += [entry.sequence for entry in scan.next()]
    return found


def test_all_pages_make_the_log_and_what_comes_later_is_found_then() -> None:
    log = Log(7)
    scan = Scan(log, PAGE, Filters())
    assert forwards(scan) == [1, 2, 3, 4, 5, 6, 7]
    log.events[8] = line(8)
    assert [entry.sequence for entry in scan.next()] == [8]


def test_a_page_without_a_match_is_passed_over() -> None:
    log = Log(7)
    log.events[5] = line(5, name="db")
    filters = parse(["name=db"])
    scan = Scan(log, PAGE, filters)
    assert scan.next() == []
    assert (scan.position, scan.done) == (3, False)
    assert forwards(scan) == [5]
    assert scan.position == 7


def test_the_last_few_that_match_are_found_from_the_end() -> None:
    log = Log(20)
    for number in (2, 9, 19):
        log.events[number] = line(number, name="db")
    scan = Scan(log, PAGE, parse(["name=db"]))
    left = 2
    while left and not scan.done:
        left = scan.back(left)
    scan.turn()
    assert forwards(scan) == [9, 19]


def test_a_log_with_fewer_matches_is_read_from_its_beginning() -> None:
    scan = Scan(Log(5), PAGE, Filters())
    left = 99
    while left and not scan.done:
        left = scan.back(left)
    scan.turn()
    assert forwards(scan) == [1, 2, 3, 4, 5]
