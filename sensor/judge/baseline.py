"""What is normal on this node: profiles of workloads and images, and what the node has seen.

Rows, each in the transaction of the event that it follows from:

===========  ==============================  ==========================================
kind         key                             value
===========  ==============================  ==========================================
``profile``  ``w/<workload>``, ``i/<repo>``  :mod:`sensor.judge.profile`
``node``     ``<feature>/<value>``           :mod:`sensor.judge.node_terms`
``baseline`` ``state``                       since when, how many starts, the fill
===========  ==============================  ==========================================

Profiles stay packed; the few hundred that started last are kept as objects. A start that raised an
alert is not learnt (:mod:`sensor.judge.alert_book` holds it back).
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.feature import Feature
from sensor.judge.habit import Habits, habit_of
from sensor.judge.lesson import instance_key, lesson_of
from sensor.judge.node_terms import NODE_ROW, NodeTerms
from sensor.judge.profile import SECONDS_PER_DAY, Profile, profile_of_row
from sensor.judge.shared_segments import SharedSegments
from sensor.judge.tuning import LEARNING_DAYS
from sensor.model.vocabulary import BaselineState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sensor.judge.feature import Features
    from sensor.judge.habit import Habit
    from sensor.judge.ledger import Row, RowKey
    from sensor.judge.lesson import Lesson, TermKey

PROFILES = (1024, 3072)
"""Profiles of one day, and of two days or more: a flood of names pushes out newcomers only."""
IMAGES = (512, 1024)
HOT_MAX = 512
"""Profiles that are kept unpacked."""
PLAUSIBLE = 1_577_836_800
"""The begin of 2020 in wall-clock seconds: a start of the log before it had a clock not yet set."""
PROFILE_ROW, STATE_ROW = "profile", "baseline"
BASELINE_ROWS = frozenset({PROFILE_ROW, NODE_ROW, STATE_ROW})
STATE_KEY = "state"
IMAGE_PREFIX = "i/"
OWNER = len(IMAGE_PREFIX)
"""Where the owner stands in the key of a profile."""
_JSON = {True: "true", False: "false"}
KINDS = (PROFILE_ROW, NODE_ROW, STATE_ROW)
"""Kinds of rows that are the baseline's."""


@dataclass(slots=True)
class State:
    """How far the baseline is. ``began`` is the wall-clock second of the first start."""

    began: int | None = None
    starts: int = 0
    filled: bool = False
    """The log of before was read, or there was nothing to read."""
    filling: bool = False


class Baseline:
    """Bounded, pure, asked with wall-clock seconds."""

    def __init__(self, *, keeping: bool = True, rows: list[Row] | None = None) -> None:
        """Without ``keeping`` no rows are left.

        ``rows`` is the list to leave them in.
        """
        self._keeping = keeping
        # Those of root, and as many of all others.
        self._hot_max = HOT_MAX if keeping else 2 * (sum(PROFILES) + sum(IMAGES))
        self.learning_days = LEARNING_DAYS.default
        self.state = State()
        self._profiles: SharedSegments[bytes] = SharedSegments(*PROFILES, OWNER)
        self._images: SharedSegments[bytes] = SharedSegments(*IMAGES, OWNER)
        self._hot: OrderedDict[str, Profile] = OrderedDict()
        self._habits = Habits()
        self.rows: list[Row] = [] if rows is None else rows
        self.replaced: Counter[str] = Counter()
        """Terms that had to go because there were too many, by feature."""
        self.node = NodeTerms(self.rows if keeping else None, self.replaced)

    def __len__(self) -> int:
        return len(self._profiles)

    @property
    def forgotten(self) -> int:
        """Profiles that had to go because there were too many."""
        return self._profiles.forgotten + self._images.forgotten

    @property
    def flooded(self) -> bool:
        """Whether the segment of newcomers is full."""
        return self._profiles.is_full

    # ----------------------------------------------------------------- state and rows

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over what the store kept; returns which rows made no sense."""
        unreadable: list[RowKey] = []
        profiles: list[tuple[str, Profile, bytes]] = []
        for (kind, key), row in rows.items():
            try:
                if kind == PROFILE_ROW:
                    profiles.append((key, profile_of_row(row), row))
                elif kind == NODE_ROW:
                    self.node.restore(key, row)
                elif (kind, key) == (STATE_ROW, STATE_KEY):
                    self.state = _state_of_row(row)
            except ValueError:
                unreadable.append((kind, key))
        for key, profile, row in sorted(profiles, key=lambda one: (-one[1].own.last, one[0])):
            established = profile.own.distinct_days > 1
            if not self._table(key).restore(key, row, established=established):
                self._write(PROFILE_ROW, key, None)
        return unreadable

    def phase(self, at: int) -> BaselineState:
        """Return whether the past is long enough to compare with."""
        began = self.state.began
        days = None if began is None else (at - began) / SECONDS_PER_DAY
        learning = days is None or days < self.learning_days
        return BaselineState.LEARNING if learning else BaselineState.ACTIVE

    def first_day(self, at: int) -> bool:
        """Whether the first day is not over. A clock that is far behind says nothing of it."""
        began = self.state.began
        return began is None or abs(at - began) < SECONDS_PER_DAY

    def clock_was_set(self, boot: int, now: int, seconds: int) -> None:
        """Take note that the clock was set by ``seconds``; ``boot`` and ``now`` are by the old one.

        A past that began in this boot began at the same distance from now.
        """
        if self.state.began is not None and boot <= self.state.began <= now:
            self.state.began += seconds
            self.write_state()

    def clear(self) -> None:
        """Forget everything, the rows of the store too."""
        for table in (self._profiles, self._images):
            for key, _ in list(table.items()):
                self._write(PROFILE_ROW, key, None)
        self._profiles = SharedSegments(*PROFILES, OWNER)
        self._images = SharedSegments(*IMAGES, OWNER)
        self._hot.clear()
        self.node.clear()
        self.state = State()
        self.write_state()

    def write_state(self) -> None:
        """Leave a row of the state."""
        if not self._keeping:
            return
        state = self.state
        began = "null" if state.began is None else state.began
        flags = f"{_JSON[state.filled]}, {_JSON[state.filling]}"
        # As json.dumps writes it: this row is written with every start.
        row = f"[1, {began}, {state.starts}, {flags}]".encode()
        self.rows.append((STATE_ROW, STATE_KEY, row))

    def _write(self, kind: str, key: str, value: bytes | None) -> None:
        if self._keeping:
            self.rows.append((kind, key, value))

    # ----------------------------------------------------------------- asking

    def profile(self, key: str | None) -> Profile | None:
        """Return a profile by its key (``w/…`` or ``i/…``)."""
        if key is None:
            return None
        found = self._hot.get(key)
        if found is not None:
            self._hot.move_to_end(key)
            return found
        row = self._table(key).get(key)
        return self._warm(key, profile_of_row(row)) if row is not None else None

    def profiles(self) -> Iterator[tuple[str, Profile]]:
        """Yield every profile."""
        for table in (self._profiles, self._images):
            for key, row in table.items():
                yield key, self._hot.get(key) or profile_of_row(row)

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all profiles."""
        return tuple(key for table in (self._profiles, self._images) for key, _ in table.items())

    # ----------------------------------------------------------------- learning

    def learn(
        self, features: Features, at: int, hour: str | None = None, habit: Habit | None = None
    ) -> None:
        """Learn a start that raised no alert. ``hour`` is that of a person's start.

        ``habit`` is what :meth:`habit` found of it, where it was asked just before.
        """
        state = self.state
        # Only the log, which is read behind the first starts, knows of an earlier begin.
        if state.began is None or (state.filling and PLAUSIBLE <= at < state.began):
            state.began = at
        self.state.starts += 1
        self.write_state()
        habit = habit or self.habit(features, at)
        if habit is None:
            self._learn(features, lesson_of(features), at)
        else:
            self._learn_again(habit, at)
        if hour is not None:
            self.node.learn(Feature.HOUR, hour, at)

    def habit(self, features: Features, at: int) -> Habit | None:
        """Return the last start of the same workload, where nothing is new beside it.

        All its values were learnt and none was forgotten. The hour alone may be another one.
        """
        key = instance_key(features)
        habit = self._habits.same(key, features, at) if key is not None else None
        if habit is None or habit.lost != self.node.lost:
            return None
        for place in habit.places:
            profile = self._hot.get(place.key)
            if profile is not place.profile or profile.replaced != place.replaced:
                return None
            self._hot.move_to_end(place.key)
        return habit

    def _learn(self, features: Features, lesson: Lesson, at: int) -> None:
        """Learn a start that differs from the last one."""
        own = instance_key(features)
        for key, values in lesson.profiles:
            profile = self.profile(key)
            if profile is None:
                profile = self._warm(key, Profile())
                if key == f"w/{features.workload}" and len(features.whos) == 1:
                    self.node.learn(Feature.MAKER, features.whos[0].value, at)
            profile.see(at)
            for feature in profile.learn_all(values, at):
                self.replaced[feature] += 1
            self._keep(key, profile)
        for feature, value in lesson.node:
            self.node.learn(feature, value, at)
        # Of one among several, nothing is learnt about who it was.
        if own is not None and len(features.whos) == 1 and self._habits.repeats(own, features):
            habit = habit_of(own, features, lesson, self._hot, self.node.by_feature, at)
            if habit is not None:
                habit.lost = self.node.lost
                self._habits.note(own, habit)

    def _learn_again(self, habit: Habit, at: int) -> None:
        """Learn a start that is like the last one: its places are known."""
        for place in habit.places:
            place.profile.see(at)
            place.profile.see_again(place.numbers, at)
            self._keep(place.key, place.profile)
        habit.at = max(habit.at, at)
        today = at - at % SECONDS_PER_DAY
        for name, term in habit.terms:
            # As Term.covers has it, written out: no day of most of them is a new one.
            if at < term.first or not today <= term.last < today + SECONDS_PER_DAY:
                self.node.see(name, term, at)

    def learn_term(self, term: TermKey, at: int) -> None:
        """Learn one value that was held back, such as one that was acknowledged."""
        if term.profile is None:
            self.node.learn(term.feature, term.value, at)
            return
        profile = self.profile(term.profile) or self._warm(term.profile, Profile())
        if not profile.own.count:
            profile.see(at)
        profile.learn(term.feature, term.value, at)
        self._keep(term.profile, profile)

    def forget(self, key: str) -> bool:
        """Forget one profile; False where there is no such."""
        self._hot.pop(key, None)
        if not self._table(key).drop(key):
            return False
        self._write(PROFILE_ROW, key, None)
        return True

    # ----------------------------------------------------------------- inside

    def _table(self, key: str) -> SharedSegments[bytes]:
        return self._images if key.startswith(IMAGE_PREFIX) else self._profiles

    def _warm(self, key: str, profile: Profile) -> Profile:
        self._hot[key] = profile
        self._hot.move_to_end(key)
        if len(self._hot) > self._hot_max:
            self._hot.popitem(last=False)
        return profile

    def _keep(self, key: str, profile: Profile) -> None:
        # Without a store profiles stay as objects: packing costs most of learning.
        row = profile.pack() if self._keeping else b""
        established = profile.own.distinct_days > 1
        gone = self._table(key).see(key, row, established=established)
        if self._keeping:
            self.rows.append((PROFILE_ROW, key, row))
        for one in gone:
            self._hot.pop(one, None)
            self._write(PROFILE_ROW, one, None)


def _state_of_row(row: bytes) -> State:
    match json.loads(row):
        case [1, None | int() as began, int(starts), bool(filled), bool(filling)]:
            return State(began, starts, filled, filling)
        case _:
            message = "not the state of a baseline"
            raise ValueError(message)
