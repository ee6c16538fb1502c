"""Which records were taken already: files are read again, and webhooks deliver again.

The digests of their keys stand in one table of a fixed size, in buckets by their first bytes. A new
digest takes the place of the oldest one of its bucket. So the memory never grows, and of the latest
half of ``limit`` keys one in a hundred thousand is forgotten. A sender who makes keys that meet in
one bucket has his own records reported twice, with the ids that they had.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.model.control_plane import ControlRecord

KEYS_LIMIT = 200_000
"""Keys that are remembered so that a second delivery makes no second event."""
_DIGEST = 16
_PLACES = 16
"""Digests of one bucket. With twice as many places as keys a bucket has 4 of the latest half on
average, and 17 of them (Poisson) in five of a million."""
_BUCKET = _DIGEST * _PLACES


class SeenRecords:
    """Remembers the keys of the latest records."""

    def __init__(self, limit: int = KEYS_LIMIT) -> None:
        self._buckets = max(1, 2 * limit // _PLACES)
        self._table = bytearray(self._buckets * _BUCKET)
        self._next = bytearray(self._buckets)
        """The place of each bucket that is written next."""
        self.repeated = 0

    def take(self, record: ControlRecord) -> bool:
        """Take a record; return whether it is new."""
        new = self._take(record.key)
        if record.observed_key is not None:
            new = self._take(f"observed {record.observed_key}") and new
        self.repeated += not new
        return new

    def _take(self, key: str) -> bool:
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
        bucket = int.from_bytes(digest[:4], "little") % self._buckets
        start, table = bucket * _BUCKET, self._table
        if table.find(digest, start, start + _BUCKET) >= 0:
            return False
        place = self._next[bucket]
        at = start + place * _DIGEST
        table[at : at + _DIGEST] = digest
        self._next[bucket] = (place + 1) % _PLACES
        return True
