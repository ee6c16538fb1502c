"""Reads one table of a policy or of changes; what is wrong names file, line, key and reason."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sensor.errors import ConfigError
from sensor.judge import selector as selecting
from sensor.judge.glob import Glob
from sensor.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sensor.judge.selector import Selector
    from sensor.judge.toml_lines import KeyLines

TEXT_MAX = 512
"""Characters of a reason, a name or an address."""
SHOWN = 64
"""Characters of a wrong value that an error repeats."""
NS_PER_SECOND = 1_000_000_000
_DAY = 86_400
YEAR_10000 = 253_402_300_800
"""Seconds of the first time that no event can state."""
_NOT_PLAIN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that a line of text never has: controls, halves of surrogate pairs,
separators of lines."""
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that show a text in another order than it is written in."""

_Parsed = TypeVar("_Parsed")
_Known = TypeVar("_Known")


class TableReader:
    """A table at ``path`` in a file. Every key that is read counts as known."""

    def __init__(
        self, values: Mapping[str, Any], file: str, lines: KeyLines | None, path: tuple[str, ...]
    ) -> None:
        self._values = values
        self._file = file
        self._lines = lines
        self._path = path
        self._known: dict[str, None] = {}

    @property
    def place(self) -> str:
        """``file:line`` of the table."""
        return place_of(self._file, self._lines, self._path)

    def check(self, also: Iterable[str] = ()) -> None:
        """Refuse keys that were not asked for; ``also`` are further ones that exist."""
        known = (*self._known, *also)
        for key in self._values:
            if key not in known:
                unknown(
                    place_of(self._file, self._lines, (*self._path, key)), self._path, key, known
                )

    def fail(self, key: str, reason: str, fix: str) -> NoReturn:
        """Raise :class:`ConfigError` about a key."""
        place = place_of(self._file, self._lines, (*self._path, key) if key else self._path)
        dotted = ".".join((*self._path, key) if key else self._path)
        raise ConfigError(f"{place}: {dotted}: {reason}", fix)

    def text(self, key: str) -> str | None:
        """Return a text that is not empty; None where there is none."""
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or len(value) > TEXT_MAX:
            self.fail(key, f"not a text of 1 to {TEXT_MAX} characters", "Write a text in quotes.")
        self._check_plain(key, value)
        return value

    def needed(self, key: str) -> str:
        """Return a text that has to be there."""
        value = self.text(key)
        if value is None:
            self.fail(key, "missing", f'Add {key} = "…".')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return one text or a list of texts."""
        value = self._value(key)
        if value is None:
            return ()
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            self.fail(key, "neither a text nor a list of texts", 'Write "…" or ["…", "…"].')
        if not listed:
            self.fail(key, "an empty list", "List a value, or leave the key out.")
        for one in listed:
            self._check_plain(key, one)
        return tuple(listed)

    def flag(self, key: str) -> bool:
        """Return true or false; false where it is not there."""
        return self.truth(key) is True

    def truth(self, key: str) -> bool | None:
        """Return true or false; None where it is not there."""
        value = self._value(key)
        if value is not None and not isinstance(value, bool):
            self.fail(key, "not true or false", "Write true or false.")
        return value is True if value is not None else None

    def number(self, key: str, least: int, most: int) -> int | None:
        """Return a whole number between bounds."""
        value = self._value(key)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= most:
            self.fail(key, "not a whole number in its range", f"Give {least} to {most}.")
        return value

    def moment(self, key: str, *, begins: bool = False) -> int | None:
        """Return a date or a time with its zone in wall-clock ns.

        A date is its end in UTC, with ``begins`` its begin.
        """
        value = self._value(key)
        if value is None:
            return None
        if isinstance(value, str):
            value = self._time(key, value)
        if isinstance(value, datetime):
            if value.tzinfo is None:
                self.fail(key, "a time without a zone", _TIME)
            seconds = int(value.timestamp())
        elif isinstance(value, date):
            midnight = datetime.combine(value, time(), UTC)
            seconds = int(midnight.timestamp()) + (0 if begins else _DAY)
        else:
            self.fail(key, "not a time", _TIME)
        if not 0 <= seconds < YEAR_10000:
            self.fail(key, "not in the years 1970 to 9999", _TIME)
        return seconds * NS_PER_SECOND

    def _time(self, key: str, text: str) -> date:
        # RFC 3339 has small letters, too.
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(text.upper())
        except ValueError:
            self.fail(key, "not a time", _TIME)

    def dates(self, key: str) -> frozenset[date]:
        """Return a list of dates, as TOML has them or in quotes."""
        value = self._value(key)
        if value is None:
            return frozenset()
        found = set()
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, date) and not isinstance(one, datetime):
                found.add(one)
                continue
            try:
                found.add(date.fromisoformat(str(one)))
            except ValueError:
                self.fail(key, "holds what is not a date", "Write dates as 2026-12-25.")
        return frozenset(found)

    def globs(self, key: str) -> tuple[Glob, ...]:
        """Return patterns."""
        try:
            return tuple(Glob.compile(one) for one in self.texts(key))
        except ValueError as error:
            self.fail(key, str(error), _PATTERN)

    def members(self, key: str, known: Mapping[str, _Known]) -> tuple[_Known, ...]:
        """Return what the texts of a list stand for in ``known``."""
        listed = self.texts(key)
        for one in listed:
            if one not in known:
                near = nearest(one, known)
                fix = f"Did you mean {near!r}?" if near else f"Use one of {', '.join(known)}."
                if not known:
                    fix = f"Define [{key}.{one}]."
                self.fail(key, f"{one[:SHOWN]!r} is unknown", fix)
        return tuple(known[one] for one in listed)

    def member(self, key: str, known: Mapping[str, _Known]) -> _Known | None:
        """Return what the one text stands for; None where there is none."""
        found = self.members(key, known)
        if len(found) > 1:
            self.fail(key, f"{len(found)} values", "Give one of them.")
        return found[0] if found else None

    def selector(self) -> Selector:
        """Return the selector that the table's keys make."""
        values: dict[str, tuple[str, ...]] = {}
        for key in selecting.KEYS:
            values[key] = self.texts(key)
            try:
                selecting.make({key: values[key]})
            except ValueError as error:
                self.fail(key, str(error).removeprefix(f"{key}: "), _PATTERN)
        return selecting.make(values)

    def parsed(self, key: str, parse: Callable[[str], _Parsed]) -> _Parsed | None:
        """Return a text as ``parse`` understands it, None where there is none."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.fail(key, str(error), "Correct the value.")

    def _check_plain(self, key: str, text: str) -> None:
        if text.isprintable():
            return
        if any(unicodedata.category(one) in _NOT_PLAIN or one in _TURNING for one in text):
            self.fail(key, "holds a control character", "Write it on one line, as plain text.")

    def _value(self, key: str) -> object:
        self._known[key] = None
        return self._values.get(key)


def unknown(place: str, path: tuple[str, ...], key: str, known: Iterable[str]) -> NoReturn:
    """Raise :class:`ConfigError` for a key that does not exist, with the nearest that does."""
    valid = tuple(known)
    near = nearest(key, valid)
    fix = f"Did you mean {near}?" if near else f"Valid names: {', '.join(valid)}."
    dotted = ".".join((*path, key[:SHOWN]))
    raise ConfigError(f"{place}: {dotted}: unknown key", fix)


def place_of(file: str, lines: KeyLines | None, path: tuple[str, ...]) -> str:
    """Return ``file:line``, or the file alone where the line is unknown."""
    line = lines.line(*path) if lines is not None else None
    return file if line is None else f"{file}:{line}"


_TIME = "Write a date or a time with its zone, as 2026-12-01 or 2026-12-01T08:00:00+01:00."
_PATTERN = "Patterns have at most 256 characters and 8 '*', and no other wildcard."
