"""What is remembered of one workload or image: its terms, packed into one row of the store.

A term is a value of a feature that was seen: how often (halved every 30 days), on which days, first
and last. A profile has the numbers of all its terms in one array. So a start that teaches nothing
new changes a few numbers, and a row is made of it without a look at each term.

=========  =========================================================================
bytes      a row
=========  =========================================================================
8          version, starts, how many times, how many terms
16         the term of the profile itself
4 each     wall-clock seconds of the last starts
16 each    the terms, as this machine has its numbers
1 each     the number of each term's feature
2 each     the length of each term's value
           the values, one behind the other
=========  =========================================================================
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.feature import Feature
from sensor.judge.period import TIMES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensor.judge.lesson import Value

SECONDS_PER_DAY = 86_400
HALF_LIFE_DAYS = 30
FORGOTTEN_AFTER = 120 * SECONDS_PER_DAY
"""Seconds after which a term that was not seen again counts as never seen: a job of the quarter
has to survive."""
TERMS_MAX = 32
"""Terms of one feature; the next one replaces the least recent."""
NAMES_CACHED = 512
"""Rows whose names are remembered: as many as profiles are kept unpacked."""
UNIT = 256
"""A start is counted as so many: the halves are whole numbers, and rows compare exactly."""
DAYS_KEPT = 32
"""Days of which a term knows whether it was seen: the bits of its second number."""
DAYS = (1 << DAYS_KEPT) - 1

Places = dict[Feature, dict[str, int]]
"""Where the numbers of a value begin."""

_VERSION = 3
_HEAD = struct.Struct("<BIBH")
_TERM = struct.Struct("<IIII")
_LENGTH = struct.Struct("=H")
_TIMES = tuple(struct.Struct(f"<{count}I") for count in range(TIMES_MAX + 1))
_HEADS = tuple(struct.Struct(f"<BIBHIIII{count}I") for count in range(TIMES_MAX + 1))
"""What stands before the terms, by how many times there are."""
_FEATURES = tuple(Feature)
_NUMBERS = {feature: number for number, feature in enumerate(_FEATURES)}
_TEXT = "surrogatepass"
_OF_TERM = 4
"""Numbers of one term."""
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
                self.days = (self.days << min(gap, DAYS_KEPT) | 1) & DAYS
            elif gap > -DAYS_KEPT:
                self.days |= 1 << -gap
        if at > last:
            self.last = at
        elif at < self.first:
            self.first = at
        self.count = count + UNIT if count < _COUNT_MAX - UNIT else _COUNT_MAX

    def covers(self, at: int) -> bool:
        """Whether its last day has this time, too: for what is counted by days."""
        return at >= self.first and at // SECONDS_PER_DAY == self.last // SECONDS_PER_DAY

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
        self.days = (newer.days | older.days << min(gap, DAYS_KEPT)) & DAYS
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
    times: list[int] = field(default_factory=list)
    """Wall-clock seconds of the last starts, the latest last."""
    _places: Places = field(default_factory=dict)
    """Where the numbers of a term begin."""
    _numbers: array[int] = field(default_factory=lambda: array("I"))
    """Count, days, first and last of each term (:class:`Term`)."""
    _names: bytes = b""
    """What a row ends with: the names of the first ``_named`` terms."""
    _named: int = 0
    _shares: bool = field(default=False, compare=False)
    """Other profiles have the same ``_places``: a copy is changed."""
    _renamed: dict[int, Value] = field(default_factory=dict)
    """What stands there in fact, by the number of the term: a row alone needs it."""
    replaced: int = field(default=0, compare=False)
    """How many values had to go for others since it was unpacked."""

    def see(self, at: int) -> None:
        """Count one start."""
        if self.starts < _COUNT_MAX:
            self.starts += 1
        self.own.see(at)
        times = self.times
        if 0 <= at <= _COUNT_MAX and (not times or at > times[-1]):
            times.append(at)
            if len(times) > TIMES_MAX:
                del times[0]

    def learn(self, feature: Feature, value: str, at: int) -> bool:
        """Note a value; true when another one had to go for it."""
        return bool(self.learn_all(((feature, value),), at))

    def learn_all(self, values: Iterable[Value], at: int) -> tuple[Feature, ...]:
        """Note values; returns the features of which another one had to go for a new one."""
        places, known, new = self._places, [], []
        for value in values:
            place = places.get(value[0], _NOWHERE).get(value[1])
            if place is None:
                new.append(value)
            else:
                known.append(place)
        # What was seen now goes last: a new value takes no place of theirs.
        self.see_again(known, at)
        at = min(max(at, 0), _COUNT_MAX)
        return tuple([value[0] for value in dict.fromkeys(new) if self._add(value, at)])

    def places_of(self, values: Iterable[Value]) -> tuple[int, ...] | None:
        """Return where the numbers of values begin, for :meth:`see_again`; None if one is new."""
        found = [self._places.get(feature, _NOWHERE).get(value) for feature, value in values]
        places = tuple([one for one in found if one is not None])
        return places if len(places) == len(found) else None

    def see_again(self, places: Iterable[int], at: int) -> None:
        """Count values that are known, by their places."""
        if not 0 <= at <= _COUNT_MAX:
            at = min(max(at, 0), _COUNT_MAX)
        day, numbers = at // SECONDS_PER_DAY, self._numbers
        today, most = day * SECONDS_PER_DAY, _COUNT_MAX - UNIT
        # As Term.see does it, written out: this is most of what learning a start costs.
        for place in places:
            count, last = numbers[place], numbers[place + 3]
            if last < today or at < last:
                gap = day - last // SECONDS_PER_DAY
                if gap > 0:
                    count = int(count * 2 ** (-gap / HALF_LIFE_DAYS))
                    numbers[place + 1] = (numbers[place + 1] << min(gap, DAYS_KEPT) | 1) & DAYS
                elif -DAYS_KEPT < gap < 0:
                    numbers[place + 1] |= 1 << -gap
            if at > last:
                numbers[place + 3] = at
            elif at < numbers[place + 2]:
                numbers[place + 2] = at
            numbers[place] = count + UNIT if count < most else _COUNT_MAX

    def _add(self, value: Value, at: int) -> bool:
        """Add a term; true when another one had to go for it."""
        feature, text = value
        if self._shares:
            self._places = {one: dict(places) for one, places in self._places.items()}
            self._shares = False
        numbers, same = self._numbers, self._places.setdefault(feature, {})
        terms = len(numbers) // _OF_TERM
        if len(same) < TERMS_MAX:
            same[text] = len(numbers)
            numbers.extend((UNIT, 1, at, at))
        else:
            # The new one takes the place of the least recent one, by name where several are.
            least = min([numbers[place + 3] for place in same.values()])
            gone = min([one for one, place in same.items() if numbers[place + 3] == least])
            same[text] = place = same.pop(gone)
            numbers[place : place + _OF_TERM] = array("I", (UNIT, 1, at, at))
            self.replaced += 1
        self._renamed[same[text] // _OF_TERM] = value
        return len(numbers) == terms * _OF_TERM

    def knows(self, feature: Feature, value: str, at: int) -> bool:
        """Whether a value was seen and is not forgotten."""
        place = self._places.get(feature, _NOWHERE).get(value)
        return place is not None and at - self._numbers[place + 3] <= FORGOTTEN_AFTER

    def values(self, feature: Feature, at: int) -> tuple[str, ...]:
        """Return the values of a feature that are known, the latest first."""
        since, numbers = at - FORGOTTEN_AFTER, self._numbers
        found = [
            (-last, one)
            for one, place in self._places.get(feature, _NOWHERE).items()
            if (last := numbers[place + 3]) >= since
        ]
        return tuple([value for _, value in sorted(found)])

    def items(self) -> Iterator[tuple[Feature, str, Term]]:
        """Yield every term."""
        numbers = self._numbers
        for feature, places in self._places.items():
            for value, place in places.items():
                yield feature, value, Term(*numbers[place : place + _OF_TERM])

    def pack(self) -> bytes:
        """Return it as a row of the store."""
        if self._renamed:
            self._rename()
        own, times, numbers = self.own, self.times, self._numbers
        counts = self.starts, len(times), len(numbers) // _OF_TERM
        term = own.count, own.days, own.first, own.last
        head = _HEADS[len(times)].pack(_VERSION, *counts, *term, *times)
        return head + numbers.tobytes() + self._names

    def _rename(self) -> None:
        for number, value in sorted(self._renamed.items()):
            if number < self._named:
                self._names = _with_value(self._names, self._named, number, value)
            else:
                self._names = _with_name(self._names, self._named, value)
                self._named += 1
        self._renamed = {}


def profile_of_row(row: bytes) -> Profile:
    """Read a row of the store; raises ValueError for one that is not a profile."""
    try:
        version, starts, number_of_times, terms = _HEAD.unpack_from(row)
        if version != _VERSION:
            message = f"a profile of version {version}"
            raise ValueError(message)
        own = Term(*_TERM.unpack_from(row, _HEAD.size))
        times = _TIMES[number_of_times]
        at = _HEAD.size + _TERM.size
        begin = at + times.size
        end = begin + terms * _TERM.size
        names = row[end:]
        places = _places_of(names, terms)
        found = [*times.unpack_from(row, at)]
        return Profile(
            starts, own, found, places, array("I", row[begin:end]), names, terms, _shares=True
        )
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        message = f"not a profile: {error}"
        raise ValueError(message) from error


def _text_of(value: Value) -> bytes:
    return value[1].encode("utf-8", _TEXT)


def _with_name(names: bytes, terms: int, value: Value) -> bytes:
    """Return the end of a row with one more term behind the others."""
    feature, text = _NUMBERS[value[0]], _text_of(value)
    lengths = names[terms : 3 * terms] + _LENGTH.pack(len(text))
    return b"".join((names[:terms], bytes((feature,)), lengths, names[3 * terms :], text))


def _with_value(names: bytes, terms: int, number: int, value: Value) -> bytes:
    """Return the end of a row with another value of the same feature in the place of one."""
    text, lengths = _text_of(value), array("H", names[terms : 3 * terms])
    at = 3 * terms + sum(lengths[:number])
    behind = names[at + lengths[number] :]
    lengths[number] = len(text)
    return b"".join((names[:terms], lengths.tobytes(), names[3 * terms : at], text, behind))


@lru_cache(maxsize=NAMES_CACHED)
def _places_of(names: bytes, terms: int) -> Places:
    """Return where the numbers of each term begin; raises ValueError if it is not whole."""
    lengths = array("H", names[terms : 3 * terms])
    texts = names[3 * terms :]
    places: Places = {}
    at = place = 0
    for number, length in zip(names[:terms], lengths, strict=True):
        value = texts[at : at + length].decode("utf-8", _TEXT)
        places.setdefault(_FEATURES[number], {})[value] = place
        at += length
        place += _OF_TERM
    if sum(map(len, places.values())) != terms or at != len(texts):
        message = f"the names of {terms} terms are not whole"
        raise ValueError(message)
    return places


_NOWHERE: dict[str, int] = {}
