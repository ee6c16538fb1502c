"""Text that other people chose, made safe to show and to line up on a terminal.

Names, labels and arguments of containers are chosen by the one who starts them. An escape
sequence in one of them must not move the cursor, a bidi mark must not reorder the line, and a line
break must not forge another row.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"
BRIEF_LIMIT = 200
"""Characters of a collector's reason that are kept."""
MIDDLE_MIN = 8
"""Columns below which a text is cut at its end alone."""
MARKS_PER_COLUMN = 2
"""Combining marks that :func:`fit` keeps for each column: beyond that they bury other rows."""

BYTES = range(0xDC80, 0xDD00)
"""Bytes that did not decode, as ``surrogateescape`` has them (PEP 383): above _BYTE_BASE."""
SURROGATES = range(0xD800, 0xE000)
"""Never valid alone."""
_BYTE_BASE = 0xDC00
_BYTE_MAX = 0xFF
_PLANE_MAX = 0xFFFF
"""Last of the basic plane: four digits, and one unit of UTF-16."""
_HALF = 0x400
"""Surrogates that begin a pair, and that end one."""


def visible(text: str) -> str:
    r"""Return the text with everything that does not print as an escape (``\x1b``, ``\u202e``).

    What prints is what :meth:`str.isprintable` says: no control, format (bidi marks, zero-width
    joiners), surrogate, private or unassigned character, and no separator but the space. Bytes
    that were no UTF-8 appear as ``\xNN``. A backslash stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _escaped(ord(character)) for character in text
    )


def brief(text: object) -> str:
    """Return the beginning of a foreign text, safe to show: a reason, for people."""
    return visible(str(text)[:BRIEF_LIMIT])


def columns(text: str) -> int:
    """Return how many terminal columns a visible text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(character) for character in text)


def fit(text: str, width: int) -> str:
    """Return a visible text in exactly ``width`` columns: padded, or cut with an ellipsis."""
    if text.isascii() and len(text) <= width:
        return text.ljust(width)
    kept: list[str] = []
    used = marks = 0
    for position, character in enumerate(text):
        size = _columns_of(character)
        if size == 0:
            marks += 1
            if marks > MARKS_PER_COLUMN * max(used, 1):
                continue
        elif used + size > width - 1 and columns(text[position:]) > width - used:
            # The ellipsis needs one column, and only when something is left that does not fit.
            return "".join(kept) + (ELLIPSIS + " " * (width - used - 1) if width else "")
        kept.append(character)
        used += size
    return "".join(kept) + " " * (width - used)


def fit_middle(text: str, width: int) -> str:
    """Return a visible text in exactly ``width`` columns, cut in the middle: both ends count."""
    if not text.isascii() or len(text) <= width or width < MIDDLE_MIN:
        return fit(text, width)
    head = (width - 1) // 3
    return text[:head] + ELLIPSIS + text[len(text) - (width - 1 - head) :]


def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _escaped(code: int) -> str:
    if code in BYTES:
        code -= _BYTE_BASE
    if code <= _BYTE_MAX:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _PLANE_MAX else f"\\U{code:08x}"


def json_escaped(code: int) -> str:
    r"""Return a code point as it stands in a JSON string of ASCII.

    A byte that was no text is shown as ``\xNN``, any other surrogate as ``\uNNNN``, each behind an
    escaped backslash: JSON has nothing for them. The rest is what JSON has (RFC 8259, section 7).
    """
    if code in BYTES:
        return f"\\\\x{code - _BYTE_BASE:02x}"
    if code in SURROGATES:
        return f"\\\\u{code:04x}"
    if code <= _PLANE_MAX:
        return f"\\u{code:04x}"
    high, low = divmod(code - _PLANE_MAX - 1, _HALF)
    return f"\\u{SURROGATES.start + high:04x}\\u{SURROGATES.start + _HALF + low:04x}"
