"""Which known name a misspelt one may mean: for errors that ask what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_MAX = 64
"""Characters of a name that are compared: the time grows with their square."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like ``name``, None where none is."""
    from difflib import get_close_matches  # for errors alone

    found = get_close_matches(name[:NAME_MAX], list(known), 1)
    return found[0] if found else None
