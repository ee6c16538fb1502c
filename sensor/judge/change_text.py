"""Reads changes: tables ``[change.ID]`` of a file, a JSON body, or a row that the store kept.

[change.CHG-123]
by = "carol"
reason = "new ledger release"
workload = "compose/shop/ledger"
not_before = 2026-11-30T08:00:00+01:00
not_after = 2026-11-30T12:00:00+01:00
allows = ["cap:NET_ADMIN"]
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.judge import selector as selecting
from sensor.judge.change import (
    ID,
    ID_MAX,
    LENGTH_MAX,
    NS_PER_SECOND,
    SOCKET,
    STARTS_MAX,
    Change,
    ChangeState,
    Usage,
)
from sensor.judge.glob import Glob
from sensor.judge.policy_text import SourceText, parse_document
from sensor.judge.table_reader import YEAR_10000, TableReader, place_of, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTION = "change"
BODY = "request"
"""What a body is called where errors name a file."""
JSON_MAX = 16_384
"""Bytes of a change in JSON."""


def of_file(file: SourceText, now: int) -> tuple[Change, ...]:
    """Return the changes of a file. Raises :class:`ConfigError`."""
    document = parse_document(file)
    for key in document.values:
        if key != SECTION:
            unknown(place_of(document.path, document.lines, (key,)), (), key, (SECTION,))
    return tuple(
        _change(name, reader, now, origin=file.path) for name, reader in document.tables(SECTION)
    )


@dataclass(frozen=True, slots=True)
class Adder:
    """The account that adds a change over the socket, as the kernel reports it."""

    login: str | None
    uid: int


def of_json(data: bytes, now: int, adder: Adder) -> Change:
    """Return the change of a request's body. Raises :class:`ConfigError`."""
    if len(data) > JSON_MAX:
        raise ConfigError(f"{BODY}: larger than {JSON_MAX} bytes", "Send one change.")
    try:
        values = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{BODY}: not JSON: {error}", "Send one JSON object.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{BODY}: not a JSON object", "Send one JSON object.")
    id_ = values.pop("id", None)
    if not isinstance(id_, str):
        raise ConfigError(f"{BODY}: id: missing", 'Add "id": "CHG-123".')
    reader = TableReader(values, BODY, None, ())
    return _change(id_, reader, now, origin=SOCKET, adder=adder)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: readers differ in which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        message = "a key stands twice"
        raise ValueError(message)
    return found


def _change(
    id_: str, reader: TableReader, now: int, *, origin: str, adder: Adder | None = None
) -> Change:
    if ID.fullmatch(id_) is None:
        raise ConfigError(
            f"{reader.place}: {id_[:ID_MAX]!a} is not an id of a change",
            f"Begin with a letter or a digit, and use at most {ID_MAX} of these and . _ / # : -.",
        )
    not_before = reader.moment("not_before", begins=True)
    not_after = reader.moment("not_after")
    seconds = reader.number("for_seconds", 1, LENGTH_MAX // NS_PER_SECOND)
    if not_after is not None and seconds is not None:
        reader.fail("for_seconds", "given beside not_after", "Give one of the two.")
    begin = now if not_before is None else not_before
    if not_after is None and seconds is not None:
        not_after = begin + seconds * NS_PER_SECOND
    if not_after is None:
        reader.fail("not_after", "missing", "Give the end of the change, at most 7 days ahead.")
    if not_before is None and origin != SOCKET:
        # A file is read again and again, long after it was written.
        reader.fail("not_before", "missing", "Give the begin of the change.")
    if not_after >= YEAR_10000 * NS_PER_SECOND:
        reader.fail("not_after", "not in the years 1970 to 9999", "Give an earlier end.")
    if not_after <= begin:
        reader.fail("not_after", "before not_before", "Give a later end.")
    if not_after - begin > LENGTH_MAX:
        reader.fail("not_after", "more than 7 days after the begin", "Renew the change instead.")
    change = Change(
        id=id_,
        by=reader.needed("by"),
        selector=reader.selector(),
        not_before=begin,
        not_after=not_after,
        reason=reader.text("reason"),
        url=reader.text("url"),
        max_starts=reader.number("max_starts", 1, STARTS_MAX),
        allows=reader.globs("allows"),
        origin=origin,
        added=now,
        added_by=adder.login if adder is not None else None,
        added_by_uid=adder.uid if adder is not None else None,
    )
    reader.check()
    return change


# --------------------------------------------------------------------------- rows of the store


def change_row(change: Change) -> bytes:
    """Return a change as the store keeps it."""
    written: dict[str, Any] = {
        "id": change.id,
        "by": change.by,
        "selector": change.selector.written(),
        "not_before": change.not_before,
        "not_after": change.not_after,
        "reason": change.reason,
        "url": change.url,
        "max_starts": change.max_starts,
        "allows": [glob.pattern for glob in change.allows],
        "origin": change.origin,
        "added": change.added,
        "added_by": change.added_by,
        "added_by_uid": change.added_by_uid,
    }
    return json.dumps(written, separators=(",", ":")).encode()


def change_of_row(row: bytes) -> Change:
    """Read a change that the store kept; raises ValueError for any other row."""
    values = _object(row)
    try:
        return Change(
            id=str(values["id"]),
            by=str(values["by"]),
            selector=selecting.make(values["selector"]),
            not_before=int(values["not_before"]),
            not_after=int(values["not_after"]),
            reason=_text(values.get("reason")),
            url=_text(values.get("url")),
            max_starts=_number(values.get("max_starts")),
            allows=tuple(Glob.compile(one) for one in values.get("allows", ())),
            origin=str(values.get("origin", SOCKET)),
            added=int(values.get("added", 0)),
            added_by=_text(values.get("added_by")),
            added_by_uid=_number(values.get("added_by_uid")),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        message = f"not a change: {error!r}"
        raise ValueError(message) from error


def usage_row(usage: Usage) -> bytes:
    """Return what became of a change as the store keeps it."""
    return json.dumps(
        [
            usage.starts,
            usage.first,
            usage.last,
            usage.ended,
            usage.ended_by,
            list(usage.seen),
            usage.reported,
            usage.late_starts,
            usage.late_alerts,
        ],
        separators=(",", ":"),
    ).encode()


def usage_of_row(row: bytes) -> Usage:
    """Read a usage that the store kept; raises ValueError for any other row."""
    values = json.loads(row)
    try:
        starts, first, last, ended, ended_by, seen, reported, *late = values
        # A row of an earlier version has neither.
        late_starts, late_alerts = late or (0, 0)
        return Usage(
            int(starts),
            _number(first),
            _number(last),
            _number(ended),
            _text(ended_by),
            tuple(map(str, seen)),
            None if reported is None else ChangeState(reported),
            int(late_starts),
            int(late_alerts),
        )
    except (TypeError, OverflowError) as error:
        message = f"not a usage: {error!r}"
        raise ValueError(message) from error


def _number(value: float | str | None) -> int | None:
    return None if value is None else int(value)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _object(row: bytes) -> Mapping[str, Any]:
    values = json.loads(row)
    if not isinstance(values, dict):
        message = "not an object"
        raise ValueError(message)
    return values
