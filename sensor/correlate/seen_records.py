"""Which records were taken already: files are read again, and webhooks deliver again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.model.control_plane import ControlRecord

KEYS_LIMIT = 200_000
"""Records that are remembered so that a second delivery makes no second event."""


class SeenRecords:
    """Remembers the keys of the latest records."""

    def __init__(self, limit: int = KEYS_LIMIT) -> None:
        self._limit = limit
        self._keys: set[str] = set()
        self._order: deque[str] = deque()
        self.repeated = 0

    def take(self, record: ControlRecord) -> bool:
        """Take a record; return whether it is new."""
        keys = [record.key]
        if record.observed_key is not None:
            keys.append(f"observed {record.observed_key}")
        known = [key for key in keys if key in self._keys]
        for key in keys:
            if key not in self._keys:
                self._keys.add(key)
                self._order.append(key)
        while len(self._order) > self._limit:
            self._keys.discard(self._order.popleft())
        self.repeated += bool(known)
        return not known
