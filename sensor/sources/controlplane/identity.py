"""Keys of records: a hash of the source and the ids that the source itself gives.

A client may choose some of these ids (``Audit-ID``), so a key covers several of them.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.model.control_plane import RequestSource

_SEPARATOR = "\x1f"


def call_key(
    id_: str | None, stage: str | None, received: int | None, user: str | None, uri: str
) -> str:
    """Return what ``key`` does for a call of the Kubernetes API, of which there are the most."""
    time = "" if received is None else received
    whole = f"kubernetes\x1f{id_ or ''}\x1f{stage or ''}\x1f{time}\x1f{user or ''}\x1f{uri}"
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def key(source: RequestSource, *parts: object) -> str:
    """Return 32 hex digits for the record that the parts identify."""
    texts = ["" if part is None else str(part) for part in parts]
    whole = _SEPARATOR.join((source.value, *texts))
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
