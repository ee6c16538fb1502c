"""What a workload did the last time, and where each of its values stands.

Most starts are like the last one of their workload. Nothing about them is new, and learning them
changes numbers whose places are known. So a start is compared with the last one first, and with the
past only where it differs. A habit follows from the profiles alone: no row of the store has it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.judge.profile import FORGOTTEN_AFTER, SECONDS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.judge.feature import Feature, Features
    from sensor.judge.lesson import Lesson
    from sensor.judge.profile import Profile, Term

LASTS_SECONDS = FORGOTTEN_AFTER - SECONDS_PER_DAY
"""Seconds after which a habit is over: before any of its values is forgotten."""
HABITS_MAX = 256
"""Workloads whose last start is remembered; the one that started least recently goes first."""


@dataclass(slots=True)
class Place:
    """A profile that a start belongs to, and where the numbers of its values begin."""

    key: str
    profile: Profile
    numbers: tuple[int, ...]
    replaced: int
    """How many values of the profile had to go by then."""


@dataclass(slots=True)
class Habit:
    """The last start of a workload that was learnt. ``at`` is its wall-clock second."""

    features: Features
    at: int
    own: Profile
    """The past of the workload, or of the container in its pod."""
    places: tuple[Place, ...]
    terms: tuple[tuple[str, Term], ...]
    """Those of the node, each by the key of its row."""
    lost: int = 0
    """How many values of the node had to go by then."""


def habit_of(
    own: str,
    features: Features,
    lesson: Lesson,
    profiles: Mapping[str, Profile],
    node: Mapping[Feature, Mapping[str, Term]],
    at: int,
) -> Habit | None:
    """Return where the values of a start that was learnt stand; None if one found no place.

    ``own`` is the key of its own profile, one of the lesson's.
    """
    places: list[Place] = []
    for key, values in lesson.profiles:
        profile = profiles.get(key)
        numbers = profile.places_of(values) if profile is not None else None
        if profile is None or numbers is None:
            return None
        places.append(Place(key, profile, numbers, profile.replaced))
    terms: list[tuple[str, Term]] = []
    for feature, value in lesson.node:
        term = node[feature].get(value)
        if term is None:
            return None
        terms.append((f"{feature}/{value}", term))
    return Habit(features, at, profiles[own], tuple(places), tuple(terms))


class Habits:
    """Bounded, in memory alone."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, Features] = OrderedDict()
        """Last starts that differed from the one before."""
        self._habits: OrderedDict[str, Habit] = OrderedDict()

    def repeats(self, key: str, features: Features) -> bool:
        """Whether a start is like the one before; what is never the same twice has no habit."""
        last = self._last.pop(key, None)
        if last is not None and last == features:
            return True
        self._last[key] = features
        _bound(self._last)
        return False

    def note(self, key: str, habit: Habit) -> None:
        """Remember the last start of a workload."""
        self._habits[key] = habit
        self._habits.move_to_end(key)
        _bound(self._habits)

    def same(self, key: str, features: Features, at: int) -> Habit | None:
        """Return the last start, where this one is like it and it is not long ago."""
        habit = self._habits.get(key)
        if habit is None or at - habit.at > LASTS_SECONDS or habit.features != features:
            return None
        return habit


def _bound(table: OrderedDict[str, Any]) -> None:
    if len(table) > HABITS_MAX:
        table.popitem(last=False)
