"""What is remembered of one workload or image: its terms, packed into one row of the store.

A term is a value of a feature that was seen: how often (halved every 30 days), on which days, first
and last. A row holds all terms of one profile, about 35 bytes each, and when it started last.
"""

from __future__ import annotations

import struct
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.feature import Feature
from sensor.judge.period import TIMES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS_PER_DAY = 86_400
HALF_LIFE_DAYS = 30
FORGOTTEN_AFTER = 120 * SECONDS_PER_DAY
"""Seconds after which a term that was not seen again counts as never seen: a job of the quarter
has to survive."""
TERMS_MAX = 32
"""Terms of one feature; the next one replaces the least recent."""
NAMES_CACHED = 2048
"""Values, of at most 160 characters each, whose bytes in a row are remembered."""
UNIT = 256
"""A start is counted as so many: the halves are whole numbers, and rows compare exactly."""
DAYS = (1 << 32) - 1

_VERSION = 2
_HEAD = struct.Struct("<BIB")
_TERM = struct.Struct("<IIII")
_VALUE = struct.Struct("<BH")
_TIMES = tuple(struct.Struct(f"<{count}I") for count in range(TIMES_MAX + 1))
_FEATURES = tuple(Feature)
_NUMBERS = {feature: number for number, feature in enumerate(_FEATURES)}
_TEXT = "surrogatepass"
_COUNT_MAX = (1 << 32) - 1


@dataclass(slots=True)
class Term:
    """One value. Times are wall-clock seconds; bit n of ``days`` is n days before ``last``."""

    count: int = 0
    days: int = 0
    first: int = 0
    last: int = 0

    def see(self, at: int) -> None:
        """Count one start at a time, which may be earlier than the last."""
        if not 0 <= at <= _COUNT_MAX:
            at = min(max(at, 0), _COUNT_MAX)
        count, last = self.count, self.last
        if not count:
            self.count, self.days, self.first, self.last = UNIT, 1, at, at
            return
        gap = at // SECONDS_PER_DAY - last // SECONDS_PER_DAY
        if gap:
            if gap > 0:
                # Halved by whole days: the starts of one day weigh the same, and cost little.
                count = int(count * 2 ** (-gap / HALF_LIFE_DAYS))
                self.days = (self.days << min(gap, 32) | 1) & DAYS
            elif gap > -32:  # noqa: PLR2004 - the bits of the field
                self.days |= 1 << -gap
        if at > last:
            self.last = at
        elif at < self.first:
            self.first = at
        count += UNIT
        self.count = min(_COUNT_MAX, count)

    def merge(self, other: Term) -> None:
        """Add what another saw: starts add, days are united, the first and the last stand."""
        if not other.count:
            return
        if not self.count:
            self.count, self.days = other.count, other.days
            self.first, self.last = other.first, other.last
            return
        newer, older = (self, other) if self.last >= other.last else (other, self)
        gap = newer.last // SECONDS_PER_DAY - older.last // SECONDS_PER_DAY
        self.days = (newer.days | older.days << min(gap, 32)) & DAYS
        self.count = min(self.count + other.count, _COUNT_MAX)
        self.first, self.last = min(self.first, other.first), newer.last

    def known(self, at: int) -> bool:
        """Whether it was seen within the time that is remembered."""
        return self.count > 0 and at - self.last <= FORGOTTEN_AFTER

    @property
    def distinct_days(self) -> int:
        """Days of the last 32 on which it was seen."""
        return self.days.bit_count()

    def pack(self) -> bytes:
        """Return it as 16 bytes."""
        return _TERM.pack(self.count, self.days, self.first, self.last)

    @classmethod
    def unpack(cls, data: bytes) -> Term:
        """Read what :meth:`pack` wrote; raises ValueError for anything else."""
        try:
            return cls(*_TERM.unpack(data))
        except struct.error as error:
            message = f"not a term: {error}"
            raise ValueError(message) from error


@dataclass(slots=True)
class Profile:
    """The past of one workload or image. ``starts`` is never halved."""

    starts: int = 0
    own: Term = field(default_factory=Term)
    terms: dict[Feature, dict[str, Term]] = field(default_factory=dict)
    times: list[int] = field(default_factory=list)
    """Wall-clock seconds of the last starts, the latest last."""

    def see(self, at: int) -> None:
        """Count one start."""
        self.starts = min(self.starts + 1, _COUNT_MAX)
        self.own.see(at)
        if 0 <= at <= _COUNT_MAX and (not self.times or at > self.times[-1]):
            self.times.append(at)
            if len(self.times) > TIMES_MAX:
                del self.times[0]

    def learn(self, feature: Feature, value: str, at: int) -> bool:
        """Note a value; true when another one had to go for it."""
        values = self.terms.get(feature)
        if values is None:
            values = self.terms[feature] = {}
        term = values.get(value)
        if term is not None:
            term.see(at)
            return False
        values[value] = Term(UNIT, 1, at, at) if 0 <= at <= _COUNT_MAX else _seen(at)
        if len(values) <= TERMS_MAX:
            return False
        del values[min(values, key=lambda one: (values[one].last, one))]
        return True

    def knows(self, feature: Feature, value: str, at: int) -> bool:
        """Whether a value was seen and is not forgotten."""
        term = self.terms.get(feature, _NO_TERMS).get(value)
        return term is not None and term.known(at)

    def values(self, feature: Feature, at: int) -> tuple[str, ...]:
        """Return the values of a feature that are known, the latest first."""
        found = self.terms.get(feature, _NO_TERMS)
        known = [value for value, term in found.items() if term.known(at)]
        return tuple(sorted(known, key=lambda one: (-found[one].last, one)))

    def items(self) -> Iterator[tuple[Feature, str, Term]]:
        """Yield every term."""
        for feature, values in self.terms.items():
            for value, term in values.items():
                yield feature, value, term

    def pack(self) -> bytes:
        """Return it as a row of the store."""
        times = self.times
        parts = [
            _HEAD.pack(_VERSION, self.starts, len(times)),
            self.own.pack(),
            _TIMES[len(times)].pack(*times),
        ]
        add, pack = parts.append, _TERM.pack
        # Written out: this is most of what learning a start costs.
        for feature, values in self.terms.items():
            for value, term in values.items():
                add(_name(feature, value))
                add(pack(term.count, term.days, term.first, term.last))
        return b"".join(parts)


@lru_cache(maxsize=NAMES_CACHED)
def _name(feature: Feature, value: str) -> bytes:
    """Return what stands before a term in a row."""
    text = value.encode("utf-8", _TEXT)
    return _VALUE.pack(_NUMBERS[feature], len(text)) + text


def _seen(at: int) -> Term:
    term = Term()
    term.see(at)
    return term


def profile_of_row(row: bytes) -> Profile:
    """Read a row of the store; raises ValueError for one that is not a profile."""
    try:
        version, starts, number_of_times = _HEAD.unpack_from(row)
        if version != _VERSION:
            message = f"a profile of version {version}"
            raise ValueError(message)
        at, end = _HEAD.size + _TERM.size, len(row)
        times = _TIMES[number_of_times]
        found = Profile(starts, Term(*_TERM.unpack_from(row, _HEAD.size)))
        found.times = [*times.unpack_from(row, at)]
        at += times.size
        terms, head, size = found.terms, _VALUE.size, _TERM.size
        while at < end:
            number, length = _VALUE.unpack_from(row, at)
            at += head
            value = row[at : at + length].decode("utf-8", _TEXT)
            at += length
            terms.setdefault(_FEATURES[number], {})[value] = Term(*_TERM.unpack_from(row, at))
            at += size
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        message = f"not a profile: {error}"
        raise ValueError(message) from error
    return found


_NO_TERMS: dict[str, Term] = {}
