"""Image references, as far as the formats take them apart."""

from __future__ import annotations


def tag_of(name: str | None) -> str | None:
    """Return the tag of ``[registry[:port]/]repository[:tag][@digest]``, None without one.

    (distribution/reference, reference.go)
    """
    if name is None:
        return None
    last = name.partition("@")[0].rpartition("/")[2]
    return last.partition(":")[2] or None


def repository_of(name: str) -> str:
    """Return the reference without tag and digest."""
    bare = name.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    return head + slash + last.partition(":")[0]
