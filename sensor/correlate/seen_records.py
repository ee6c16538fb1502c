"""Which records were taken already: files are read again, and webhooks deliver again.

Keys are held in two generations. The older one is forgotten as a whole when the younger is full, so
that at least the latest half of the limit is remembered.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.model.control_plane import ControlRecord

KEYS_LIMIT = 200_000
"""Keys that are remembered so that a second delivery makes no second event."""


class SeenRecords:
    """Remembers the keys of the latest records."""

    def __init__(self, limit: int = KEYS_LIMIT) -> None:
        self._half = max(1, limit // 2)
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self.repeated = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def take(self, record: ControlRecord) -> bool:
        """Take a record; return whether it is new."""
        new = self._take(record.key)
        if record.observed_key is not None:
            new = self._take(f"observed {record.observed_key}") and new
        self.repeated += not new
        return new

    def _take(self, key: str) -> bool:
        # A digest of 16 bytes takes half of the memory that the key's text does.
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._young or digest in self._old:
            return False
        if len(self._young) >= self._half:
            self._old, self._young = self._young, set()
        self._young.add(digest)
        return True
