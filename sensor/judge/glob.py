"""Patterns with ``*`` as the only wildcard: any run of characters, an empty one too.

A match costs time linear in the text for each ``*``: the parts between them are looked for from
left to right, and the leftmost place of each is always good enough. Regular expressions are not
accepted: Python's have no bound in time.
"""

from __future__ import annotations

from typing import Self

from sensor.dataclass import dataclass

LENGTH_MAX = 256
"""Characters of a pattern."""
STARS_MAX = 8
TEXT_MAX = 4096
"""Characters of a text that are looked at; a longer one matches no pattern but ``*``."""


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern."""

    pattern: str
    head: str
    middle: tuple[str, ...]
    tail: str | None
    """What stands behind the last ``*``; None in a pattern without one."""

    @classmethod
    def compile(cls, pattern: str) -> Self:
        """Compile a pattern. Raises ValueError with the reason."""
        if not pattern:
            message = "a pattern must not be empty"
            raise ValueError(message)
        if len(pattern) > LENGTH_MAX:
            message = f"a pattern of {len(pattern)} characters; at most {LENGTH_MAX} are allowed"
            raise ValueError(message)
        if pattern.count("*") > STARS_MAX:
            message = f"a pattern with {pattern.count('*')} '*'; at most {STARS_MAX} are allowed"
            raise ValueError(message)
        if wrong := set(pattern) & set("?["):
            message = f"{min(wrong)!r} is not a wildcard here; only '*' is"
            raise ValueError(message)
        head, *rest = pattern.split("*")
        if not rest:
            return cls(pattern, head, (), None)
        return cls(pattern, head, tuple(part for part in rest[:-1] if part), rest[-1])

    def matches(self, text: str) -> bool:
        """Whether the pattern covers the whole text."""
        if self.tail is None:
            return text == self.head
        if not text.startswith(self.head):
            return False
        if len(text) > TEXT_MAX:
            return self.pattern == "*"
        at, end = len(self.head), len(text) - len(self.tail)
        if end < at or not text.endswith(self.tail):
            return False
        for part in self.middle:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True
