"""The manifest of an export: what was handed over, and how anyone can check it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from sensor.dataclass import dataclass
from sensor.errors import StateUnusable

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "castoff.export/1"
NAME = "manifest.json"
SIZE_LIMIT = 1 << 20

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds. ``first`` and ``last`` are numbers of the chain.

    ``before`` is the chain's digest in front of ``first`` and ``digest`` that at ``last``, so the
    events between them can be checked without the node. ``sha256`` is that of the file.
    """

    format: str
    host: str | None
    machine_id: str | None
    log_id: str
    file: str
    sha256: str
    bytes: int
    events: int
    """Lines of the file."""
    outside: int
    """Of these, events from before the chain."""
    first: int | None
    last: int | None
    before: str | None
    digest: str | None
    since: str | None
    """As it was asked, RFC 3339; None for the log's beginning."""
    until: str | None
    made: str
    """When, RFC 3339."""
    version: str
    """Of Castoff."""
    policy: str | None
    """SHA-256 of the policy's files at that time; None where there are none."""
    sound: bool
    """Whether the chain of the log was whole where the events came from."""

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


def read(directory: Path) -> Manifest | None:
    """Return a directory's manifest, None where it has none. Raises :class:`StateUnusable`."""
    path = directory / NAME
    fix = "Take the export again."
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT)
        value = json.loads(raw)
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise StateUnusable(f"{path} is not a manifest of {FORMAT}", fix)
        return _checked(path, value)
    except (OSError, ValueError, RecursionError) as error:
        raise StateUnusable(f"{path} cannot be read: {error}", fix) from error


_TEXTS = ("log_id", "file", "sha256", "made", "version", "format")
_NUMBERS = ("bytes", "events", "outside")
_TEXTS_OR_NONE = ("host", "machine_id", "before", "digest", "since", "until", "policy")
_NUMBERS_OR_NONE = ("first", "last")


def _checked(path: Path, value: dict[str, object]) -> Manifest:
    wrong = [name for name in _TEXTS if not isinstance(value.get(name), str)]
    wrong += [name for name in _NUMBERS if type(value.get(name)) is not int]
    wrong += [name for name in _TEXTS_OR_NONE if not isinstance(value.get(name), str | type(None))]
    wrong += [name for name in _NUMBERS_OR_NONE if type(value.get(name)) not in {int, type(None)}]
    wrong += ["sound"] if not isinstance(value.get("sound"), bool) else []
    wrong += [
        name
        for name in ("before", "digest")
        if isinstance(value.get(name), str) and not _HEX.fullmatch(str(value[name]))
    ]
    if wrong:
        raise StateUnusable(f"{path}: {', '.join(wrong)} missing or wrong", "Take it again.")
    name = str(value["file"])
    if "/" in name or name in {"", ".", "..", NAME}:
        raise StateUnusable(f"{path}: file is not a name in this directory", "Take it again.")
    fields = (*_TEXTS, *_NUMBERS, *_TEXTS_OR_NONE, *_NUMBERS_OR_NONE, "sound")
    checked = cast("dict[str, Any]", value)
    return Manifest(**{name: checked[name] for name in fields})
