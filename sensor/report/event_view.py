"""Parts of an event that may be of any form: what is of the wrong type is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, object]

TEXT_LIMIT = 300
"""Characters of one text on the page."""


def at(document: object, *keys: str) -> object:
    """Return the value under nested keys, None where there is no such."""
    value = document
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def text(document: object, *keys: str) -> str | None:
    """Return a text that is not empty."""
    value = at(document, *keys)
    return value[:TEXT_LIMIT] if isinstance(value, str) and value else None


def number(document: object, *keys: str) -> int | None:
    """Return a whole number."""
    value = at(document, *keys)
    return value if type(value) is int else None


def seconds(document: object, *keys: str) -> float | None:
    """Return a number of seconds."""
    value = at(document, *keys)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def flag(document: object, *keys: str) -> bool | None:
    """Return true or false."""
    value = at(document, *keys)
    return value if isinstance(value, bool) else None


def texts(document: object, *keys: str) -> tuple[str, ...]:
    """Return the texts of a list."""
    value = at(document, *keys)
    if not isinstance(value, list):
        return ()
    return tuple(one[:TEXT_LIMIT] for one in value if isinstance(one, str))


def blocks(document: object, *keys: str) -> Iterator[Document]:
    """Yield the blocks of a list."""
    value = at(document, *keys)
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))


def who(document: Document) -> str | None:
    """Return the person who caused a start: the login, with the account where that differs."""
    login = text(document, "initiator", "user", "auid_name")
    if login is None and number(document, "initiator", "user", "auid") is not None:
        login = f"login uid {number(document, 'initiator', 'user', 'auid')}"
    return login


def caller(document: Document) -> str | None:
    """Return who caused a start, a person or not: login, requester, unit, container, account."""
    person = who(document)
    if person is not None:
        return person
    requester = text(document, "orchestrator", "requested_by", "actor")
    if requester is not None:
        return requester
    unit = text(document, "initiator", "unit")
    if unit is not None:
        return f"unit {unit}"
    inside = text(document, "initiator", "container_id")
    if inside is not None:
        return f"container {inside[:12]}"
    account = text(document, "initiator", "user", "name")
    return None if account is None else f"account {account}"


def command(document: Document) -> str | None:
    """Return the command that asked for a start."""
    argv = texts(document, "initiator", "process", "argv")
    if argv:
        return " ".join(argv)[:TEXT_LIMIT]
    return text(document, "initiator", "process", "exe")


def container(document: Document) -> str:
    """Return a container's name, else the beginning of its id."""
    name = text(document, "container", "name")
    id_ = text(document, "container", "id")
    return name or (id_[:12] if id_ is not None else "unknown")


def image(document: Document) -> str | None:
    """Return an image's name, else its id."""
    return text(document, "container", "image", "name") or text(
        document, "container", "image", "id"
    )


def host(document: Document) -> tuple[str, str]:
    """Return a host's key and its name. Names are not unique in a fleet."""
    name = text(document, "host", "name") or "no host"
    key = text(document, "host", "machine_id") or text(document, "host", "boot_id") or name
    return key, name
