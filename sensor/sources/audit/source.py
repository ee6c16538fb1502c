"""The audit source as the agent owns it: readers, assembly, serials and the witness in one.

``drain`` never waits and may be called at any time. The pipeline drains it before it attributes a
start, so that a cause is never behind its effect. The agent also calls it at
:meth:`AuditSource.deadline` and, for a log that is followed, every :data:`POLL` seconds.
"""

from __future__ import annotations

import select
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from sensor.model.witness_records import AuditLoss, SourceChanged
from sensor.sources.audit.assembly import Assembler
from sensor.sources.audit.fields import FieldParser
from sensor.sources.audit.node_name import NodeName
from sensor.sources.audit.process import start_time
from sensor.sources.audit.programs import Programs
from sensor.sources.audit.rule_watch import RuleWatch
from sensor.sources.audit.serials import SerialWatch
from sensor.sources.audit.witness import AuditWitness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sensor.errors import CastoffError
    from sensor.model.witness_records import AuditRulesChanged
    from sensor.sources.audit.assembly import AuditEvent
    from sensor.sources.audit.record import AuditRecord
    from sensor.sources.audit.witness import Testimony

POLL = 0.25
"""Seconds between looks at a reader without a descriptor."""

SOURCE = "audit"
"""Name in :class:`SourceChanged`."""

_OF_AUDITD = "DAEMON_"
"""Begins the types of auditd's own records. It numbers them by itself, from a random number on
(``send_audit_event`` of audit-userspace), and not by the kernel's counter."""

_OUR_KEY = b'key="castoff_'
_REMOVED = b"op=remove_rule path="
"""In a CONFIG_CHANGE that the kernel makes when a rule's directory goes, not when auditctl does."""


class RecordReader(Protocol):
    """A way in: netlink, a plugin's lines, or the log."""

    overruns: int
    """Times that its buffer overflowed."""
    malformed: int
    heard: bool
    has_more: bool

    @property
    def dropped(self) -> int:
        """Records lost by that."""

    @property
    def descriptor(self) -> int | None:
        """Readable when there are records; None when it has to be looked at."""

    def read(self) -> list[AuditRecord]:
        """Take what is there without waiting."""

    def close(self) -> None:
        """Stop reading."""


def unavailable(time: int, error: CastoffError) -> SourceChanged:
    """Make of an error of a reader or of :class:`AuditSource` the observation for the core."""
    return SourceChanged(time, SOURCE, available=False, reason=f"{error.problem}. {error.fix}")


class AuditSource:
    """Reads one or several ways in; the same event from two of them counts once.

    - ``watched``: base names of programs whose execs are reported;
    - ``engine_socket``: is true where engines listen at an absolute path (``/var/run/…`` as well);
    - ``clock``: ns since boot;
    - ``realtime_offset``: CLOCK_REALTIME - CLOCK_BOOTTIME in ns, kept up by the agent;
    - ``node``: this node's name in ``node=`` prefixes; records of other nodes are dropped.

    Raises :class:`AuditUnavailable` when auparse is not there; the readers are left open then.
    """

    def __init__(
        self,
        readers: Sequence[RecordReader],
        *,
        watched: Iterable[str],
        engine_socket: Callable[[str], bool],
        clock: Callable[[], int],
        realtime_offset: int,
        node: str | None = None,
    ) -> None:
        self._witness = AuditWitness(FieldParser(), Programs(watched), engine_socket, start_time)
        self._readers = tuple(readers)
        self._clock = clock
        self._node = NodeName(node or socket.gethostname())
        self._assembler = Assembler()
        self._serials = SerialWatch()
        self._rules = RuleWatch()
        self.realtime_offset = realtime_offset
        self.records = 0
        self.observations = 0
        self.foreign = 0
        """Records of other nodes."""
        self.partial = 0
        self.serials_lost = 0
        self.rules_dropped = 0
        """Rules of ours that the kernel removed because their directory went away."""
        self._news = select.poll()
        for descriptor in self.descriptors():
            self._news.register(descriptor, select.POLLIN)
        self._reported = (0, 0, 0, 0)
        self._reported_dropped = 0
        self._reported_at = clock()

    def descriptors(self) -> tuple[int, ...]:
        """File descriptors to wait on."""
        found = (reader.descriptor for reader in self._readers)
        return tuple(descriptor for descriptor in found if descriptor is not None)

    @property
    def polled(self) -> bool:
        """Whether a reader has to be looked at every :data:`POLL` seconds."""
        return any(reader.descriptor is None for reader in self._readers)

    @property
    def has_more(self) -> bool:
        """Whether another drain is due at once."""
        return any(reader.has_more for reader in self._readers)

    @property
    def heard(self) -> bool:
        """Whether any record ever came; one does at once where kernel audit is enabled."""
        return any(reader.heard for reader in self._readers)

    @property
    def overruns(self) -> int:
        """Times that a reader's buffer overflowed."""
        return sum(reader.overruns for reader in self._readers)

    @property
    def malformed(self) -> int:
        """Datagrams and lines that are not audit records."""
        return sum(reader.malformed for reader in self._readers)

    @property
    def duplicates(self) -> int:
        """Records that had come before."""
        return self._assembler.duplicates

    @property
    def rules_lost(self) -> AuditRulesChanged | None:
        """What is missing of Castoff's rules now."""
        return self._rules.lost

    def deadline(self) -> int | None:
        """When a drain is due although nothing came, in ns since boot."""
        found = (self._assembler.deadline(), self._rules.deadline())
        return min((one for one in found if one is not None), default=None)

    def is_quiet(self) -> bool:
        """Whether :meth:`drain` would find nothing: cheaper to ask than to drain in vain."""
        for reader in self._readers:
            if reader.has_more or reader.descriptor is None:
                return False
        due = self._rules.deadline()
        if due is not None and due <= self._clock():
            return False
        return not self._assembler and not self._news.poll(0)

    def drain(self) -> list[Testimony]:
        """Take what is there and what is due, in the order in which it happened."""
        now = self._clock()
        for reader in self._readers:
            for record in reader.read():
                self._push(record, now)
        return self._hear(self._assembler.take(now))

    def flush(self) -> list[Testimony]:
        """Take everything, whole or not: the agent stops."""
        return self.drain() + self._hear(self._assembler.flush())

    def _push(self, record: AuditRecord, now: int) -> None:
        self.records += 1
        node = record.stamp.node
        if node is not None and not self._node.names(node):
            self.foreign += 1
            return
        if node is not None:
            record = _of_this_node(record)
        if not record.type.startswith(_OF_AUDITD):
            self._serials.note(record.stamp.serial, now)
        if record.type == "CONFIG_CHANGE" and _REMOVED in record.text and _OUR_KEY in record.text:
            self.rules_dropped += 1
        self._assembler.push(record, now)

    def _hear(self, events: list[AuditEvent]) -> list[Testimony]:
        found: list[Testimony] = []
        now = self._clock()
        for event in events:
            if any(RuleWatch.concerns(record) for record in event.records):
                self._rules.push(event, now)
                continue
            statement = self._witness.statement_of(event, self.realtime_offset)
            self.partial += statement.partial
            if statement.testimony is not None:
                found.append(statement.testimony)
        changed = self._rules.take(now)
        if changed is not None:
            found.append(changed)
        found.sort(key=_time)
        self.observations += len(found)
        return found

    def losses(self) -> tuple[AuditLoss, ...]:
        """Return what was lost since the last call, by reason.

        Overruns are counted in records, all else in events; the serials show the events as well.
        """
        now = self._clock()
        self.serials_lost += self._serials.take_lost(now)
        counts = (self.overruns, self.serials_lost, self._assembler.crowded_out, self.partial)
        reasons = ("overrun", "serials_missing", "in_flight_limit", "partial")
        dropped = sum(reader.dropped for reader in self._readers)
        records = dropped - self._reported_dropped or None
        self._reported_dropped = dropped
        found = tuple(
            AuditLoss(
                now, self._reported_at, reason, records if reason == "overrun" else count - before
            )
            for reason, count, before in zip(reasons, counts, self._reported, strict=True)
            if count > before
        )
        self._reported = counts
        self._reported_at = now
        return found

    def close(self) -> None:
        """Stop reading."""
        for reader in self._readers:
            reader.close()


def _of_this_node(record: AuditRecord) -> AuditRecord:
    """Drop the node's name, so that the same event from netlink is known as the same."""
    stamp = replace(record.stamp, node=None)
    return replace(record, stamp=stamp)


def _time(testimony: Testimony) -> int:
    return testimony.time
