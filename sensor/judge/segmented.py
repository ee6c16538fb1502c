"""A bounded table in two segments: newcomers push out newcomers, never what is established.

What was seen once stands in *probation*, what was seen again is *protected*. A full probation
forgets its least recent entry; a full protected segment moves its least recent one back to
probation. So a flood of names that occur once costs none that occur again and again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Value = TypeVar("Value")


class Segmented(Generic[Value]):
    """Values by text key. ``forgotten`` counts those that had to go."""

    def __init__(self, probation: int, protected: int) -> None:
        self._probation: OrderedDict[str, Value] = OrderedDict()
        self._protected: OrderedDict[str, Value] = OrderedDict()
        self._limits = probation, protected
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    def get(self, key: str) -> Value | None:
        """Return a value without counting it as seen."""
        found = self._protected.get(key)
        return self._probation.get(key) if found is None else found

    @property
    def is_full(self) -> bool:
        """Whether a newcomer pushes out another one."""
        return len(self._probation) >= self._limits[0]

    def see(self, key: str, value: Value, *, established: bool | None = None) -> tuple[str, ...]:
        """Set a value that was seen now. Returns the keys that had to go for it.

        Without ``established`` it is established when it is seen the second time.
        """
        if key in self._protected:
            self._protected[key] = value
            self._protected.move_to_end(key)
            return ()
        again = key in self._probation
        if not (again if established is None else established):
            self._probation[key] = value
            if again:
                self._probation.move_to_end(key)
                return ()
        else:
            if again:
                del self._probation[key]
            self._protected[key] = value
            if len(self._protected) > self._limits[1]:
                oldest, back = self._protected.popitem(last=False)
                self._probation[oldest] = back
        return self._bound()

    def drop(self, key: str) -> bool:
        """Forget a key; False where it is not known."""
        found = self._protected.pop(key, None) or self._probation.pop(key, None)
        return found is not None

    def shed(self) -> str:
        """Forget the least recent newcomer, else the least recent of all; return its key."""
        segment = self._probation or self._protected
        return segment.popitem(last=False)[0]

    def amend(self, key: str, value: Value) -> None:
        """Replace the value of a key that is known; it keeps its place."""
        for segment in (self._protected, self._probation):
            if key in segment:
                segment[key] = value

    def restore(self, key: str, value: Value, *, established: bool) -> bool:
        """Take over an entry of an earlier run, the most recent first; False without a place."""
        segment = self._protected if established else self._probation
        if len(segment) >= self._limits[established]:
            return False
        segment[key] = value
        segment.move_to_end(key, last=False)
        return True

    def items(self) -> Iterator[tuple[str, Value]]:
        """Yield all entries, the least recent of each segment first."""
        yield from self._probation.items()
        yield from self._protected.items()

    def _bound(self) -> tuple[str, ...]:
        if len(self._probation) <= self._limits[0]:
            return ()
        gone = []
        while len(self._probation) > self._limits[0]:
            gone.append(self._probation.popitem(last=False)[0])
        self.forgotten += len(gone)
        return tuple(gone)
