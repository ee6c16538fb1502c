"""The chain of digests over the log: what each event's digest is made of.

    digest(n) = SHA-256(digest(n - 1) ‖ n as 8 bytes, big-endian ‖ the event's line)

The line is the native JSON line, newline and all, as it stands in the log: its ``log`` block is
null. ``n`` counts the events that were kept, from 1 on and without a hole. It is not the cursor's
sequence, which has holes. The first digest of a log is made of its name, so that no two logs share
a chain.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from sensor.dataclass import dataclass

DIGEST_BYTES = 32

_GENESIS = b"castoff.log/1\x00"
_NUMBER_BYTES = 8


class AnchorReason(StrEnum):
    """Why the chain rests on a digest that no event of the log vouches for."""

    BEGUN = "begun"
    """The log was made: there was no event before."""
    UPGRADED = "upgraded"
    """An agent that kept no chain wrote the events before."""
    RETENTION = "retention"
    """The events before were dropped by age or size."""
    SALVAGED = "salvaged"
    """Events were lost with a damaged file."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place where the chain goes on without the event before it.

    The chain goes on behind number ``link`` with ``digest``. Up to ``skipped`` numbers that end
    with ``link`` may be missing. ``digest`` is empty where it is unknown. ``wall`` is when it was
    written, in ns since the Unix epoch.
    """

    link: int
    digest: bytes
    reason: AnchorReason
    wall: int
    skipped: int = 0

    def excuses(self, number: int) -> bool:
        """Return whether this number may be missing, or its predecessor unknown."""
        return self.link - self.skipped < number <= self.link


def genesis(log_id: str) -> bytes:
    """Return the digest before the first event of a log."""
    return hashlib.sha256(_GENESIS + log_id.encode("utf-8", "backslashreplace")).digest()


def digest_of(before: bytes, number: int, line: bytes) -> bytes:
    """Return the digest of an event: of the one before it, its number and its line."""
    return hashlib.sha256(b"".join((before, number.to_bytes(_NUMBER_BYTES, "big"), line))).digest()
