r"""Bounds for every string that leaves this package.

Names, labels and arguments come from files that a container's owner writes. Here they get a
length, and lone surrogates that a JSON escape can make (``"\ud800"``) become U+FFFD as in Go's
encoding/json; only the surrogates that stand for an undecodable byte (U+DC80…U+DCFF) stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME = 512
"""Characters of a name: container, image, pod, profile, policy."""

MAX_SOURCE = 4096
"""Characters of a path."""

MAX_LABELS = 64
MAX_LABEL_KEY = 256
MAX_LABEL_VALUE = 1024
MAX_LABELS_TOTAL = 32_768
"""Characters of all label keys and values of one container together."""

CUT = "…[truncated]"
"""Ends every string that is shorter here than in its source."""

LABELS_LEFT_OUT = "castoff.truncated"
"""Key of the label with the number of labels that were left out."""

_UNPAIRED = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def bounded(text: str, limit: int = MAX_NAME) -> str:
    """Return ``text`` with at most ``limit`` characters, the mark of the cut among them."""
    if not text.isascii():
        text = _UNPAIRED.sub("\ufffd", text)
    if len(text) <= limit:
        return text
    return text[: limit - len(CUT)] + CUT


def known(text: str | None, limit: int = MAX_NAME) -> str | None:
    """Return ``text`` bounded, and None for an empty one: unknown is never the empty string."""
    return bounded(text, limit) if text else None


def bounded_labels(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the labels sorted by key, bounded in number and in size.

    Those left out are counted in a label of their own, :data:`LABELS_LEFT_OUT`.
    """
    kept: list[tuple[str, str]] = []
    total = left_out = 0
    for key, value in sorted(labels):
        pair = (bounded(key, MAX_LABEL_KEY), bounded(value, MAX_LABEL_VALUE))
        size = len(pair[0]) + len(pair[1])
        if len(kept) >= MAX_LABELS or total + size > MAX_LABELS_TOTAL:
            left_out += 1
            continue
        kept.append(pair)
        total += size
    if left_out:
        kept.append((LABELS_LEFT_OUT, str(left_out)))
    return tuple(kept)
