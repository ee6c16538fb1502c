"""Texts that begin with an owner: what is another's than root's of the host stays apart from it.

The core names the owner by the kernel's word: ``uid 1000``, ``in <container>``, ``subordinate
uids``. No text that a container's maker chose stands before it.
"""

from __future__ import annotations

OWNER_MAX = 100
"""Characters of an owner in front of a text."""
INSIDE = "in "
"""Begins the owner of what a container made."""

OWNERS = ("uid ", INSIDE, "subordinate uids")
"""How the owners begin."""
_MARK = ": "


def of_owner(owner: str, text: str) -> str:
    """Return a text as its owner's: ``uid 1000: name/web``."""
    return f"{owner}{_MARK}{text}"


def apart(text: str, owner: str | None) -> str:
    """Return a text as its owner's, where it does not begin so."""
    if owner is None or text.startswith(f"{owner}{_MARK}"):
        return text
    return of_owner(owner, text)


def inside(workload: str) -> str:
    """Return the owner of what containers of a workload made."""
    return f"{INSIDE}{workload.replace(_MARK, ' ')}"[:OWNER_MAX]


def owner_in(text: str) -> str | None:
    """Return whose a workload's key is; None for a key of root's, which has no owner in front."""
    if not text.startswith(OWNERS):
        return None
    owner, mark, _ = text.partition(_MARK)
    return owner if mark else None


def share_in(text: str, start: int = 0) -> str | None:
    """Return whose share of a table a text takes that begins at ``start``; None for root's."""
    if not text.startswith(OWNERS, start):
        return None
    owner, mark, _ = text[start:].partition(_MARK)
    # A slash would stand for a part of an account.
    return owner.replace("/", "_") if mark else None


def without_owner(text: str, owner: str | None) -> str:
    """Return a text of an owner's as root's would be."""
    return text if owner is None else text.removeprefix(f"{owner}{_MARK}")
