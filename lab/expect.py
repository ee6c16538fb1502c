"""Compare an event with the part of it that a test speaks about."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from lab.agent import Event

FIRST = {"kind": "first", "previous": None, "dormant_seconds": None}


def differences(actual: object, expected: object, path: str = "$") -> Iterator[str]:
    """Yield where ``actual`` lacks something of ``expected``; further keys make no difference."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            yield from differences(actual.get(key, "(no such key)"), value, f"{path}.{key}")
    elif actual != expected:
        yield f"{path} is {actual!r}, not {expected!r}"


def assert_has(event: Event, **expected: object) -> None:
    """Assert that each block of the event named has what is given for it."""
    found = list(differences(event, expected))
    assert not found, "\n".join([*found, json.dumps(event, indent=1)])
