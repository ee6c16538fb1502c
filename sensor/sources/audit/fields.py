"""The fields of an event's records, parsed by ``auparse`` of audit-userspace.

auparse is used one assembled event at a time, through its feed: the event's lines go in, a flush
hands it back (10 us an event). Its own assembly is of no use here: it holds an event back until the
*stream's* time moves on, has one process-wide timeout, and joins nothing that came from two feeds.

Only raw values are asked for. The interpreting calls look names up through the host's NSS, which
may hang on a directory server. What the bindings get is printable ASCII: the kernel writes nothing
else, they fail on other bytes, and a NUL ends their reading.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from sensor.dataclass import dataclass
from sensor.sources.audit.unavailable import AuditUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.sources.audit.record import AuditRecord

_PRINTABLE = bytes(code if code in range(0x20, 0x7F) else ord("?") for code in range(256))
"""Translation table: what is not printable ASCII becomes a question mark."""

FIELDS_MAX = 8192
"""Fields of one event; a full EXECVE record of one-letter words has some 1,100."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A record's type and its fields in their order, values as the kernel encoded them."""

    type: str
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """Return the first field of that name."""
        return next((value for key, value in self.fields if key == name), None)


class _Event(Protocol):
    """What is used of an event of auparse, which has no types: a place among records and fields."""

    def first_record(self) -> bool:
        """Go to the first record, if there is one."""

    def next_record(self) -> bool:
        """Go to the next record, if there is one."""

    def first_field(self) -> bool:
        """Go to the first field of the record, if there is one."""

    def next_field(self) -> bool:
        """Go to its next field, if there is one."""

    def get_field_name(self) -> str | None:
        """Return the field's name."""

    def get_field_str(self) -> str | None:
        """Return the field's value as the kernel encoded it."""


class FieldParser:
    """One auparse feed, used for one event after the other by one thread."""

    def __init__(self) -> None:
        try:
            auparse = importlib.import_module("auparse")
        except ImportError as error:
            problem = f"auparse cannot be imported: {error}"
            raise AuditUnavailable(
                problem, "Install it for the system Python: apt-get install python3-audit."
            ) from error
        # It reads auditd.conf here, and never again.
        self._feed: Any = auparse.AuParser(auparse.AUSOURCE_FEED)
        # The bindings take a plain function only.
        self._feed.add_callback(lambda event, _kind, _data: self._collect(event), None)
        self._parsed: list[Parsed] = []
        self._fields = 0

    def parse(self, records: Iterable[AuditRecord]) -> tuple[Parsed, ...]:
        """Parse records of one event."""
        self._parsed = []
        self._fields = 0
        for record in records:
            text = record.text.translate(_PRINTABLE).decode("ascii")
            self._feed.feed(f"type={record.type} msg=audit({record.stamp.ref}): {text}\n")
        self._feed.flush_feed()
        return tuple(self._parsed)

    def _collect(self, event: _Event) -> None:
        """Copy one event; auparse calls this from feed or flush."""
        more = event.first_record()
        while more:
            name: str | None = None
            fields: list[tuple[str, str]] = []
            inside = event.first_field()
            while inside and self._fields < FIELDS_MAX:
                self._fields += 1
                key, value = event.get_field_name(), event.get_field_str()
                if name is None and key == "type":
                    name = value
                elif key is not None and value is not None:
                    fields.append((key, value))
                inside = event.next_field()
            self._parsed.append(Parsed(name or "", tuple(fields)))
            more = event.next_record()
