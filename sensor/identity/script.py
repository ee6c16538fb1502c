"""A text that may be a shell's: split as a shell would, each command read like a command line.

A quote that is not closed is an ordinary character. Each kind of quote can be found open once only,
so the cost is linear in the text. Most words mean something to the next one at most: what a reader
makes of those is remembered.
"""

from __future__ import annotations

import re
from enum import Enum, auto, unique
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from sensor.identity import secret_options
from sensor.identity.command_reader import CommandReader
from sensor.identity.command_words import is_marked
from sensor.identity.secret_names import REDACTED, is_secret_name, is_secret_path
from sensor.identity.secret_shapes import is_plain, without_shapes
from sensor.identity.secret_text import without_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.identity.command_words import Announced

MAX_DEPTH = 3
"""Scripts within scripts that are read: ``sh -c "sudo sh -c 'mysql -pS'"``."""

_SPACE = re.compile(r"\s")
_QUOTES = re.compile(r"[\"'\\]")
_SHORT = 64
"""Characters of a word of which it is remembered how it is read."""
WORDS_REMEMBERED = 1024
_OPERATORS = frozenset("|;&()<>")
_ENDS = frozenset("|;&()")
"""Operators behind which another command begins. So does a line."""
_GROUPS = {"{": 1, "}": -1}
_HERE_STRING = "<<<"
_HERE_DOCUMENT = "<<"
_REDIRECTIONS = frozenset({">", ">>", ">|"})
_PIPED_HINTS = (
    *("stdin", "pass", "-S", "secret", "login", "token", "kinit", "cryptsetup", "-fd"),
    *("netrc", "cred", ".my.cnf", "su "),
)
"""Texts of which one is in every command that takes a secret from a pipe or writes it to a file."""


def redact_text(text: str) -> str:
    """Take the secrets out of a word that may be a whole script."""
    if is_plain(text):
        return text
    # What is found by its look or by a name beside it is found in all of the text at once.
    return _script(without_named(without_shapes(text)), 0)


def _script(text: str, depth: int) -> str:
    if depth >= MAX_DEPTH or _SPACE.search(text) is None or _is_prose(text):
        return text
    pieces = split(text)
    secret = _piped(pieces) if any(hint in text for hint in _PIPED_HINTS) else frozenset()
    # Once a piece: texts of strangers may consist of a few of them, thousands of times.
    kinds = {piece: _kind(piece) for piece in set(pieces)}
    if not secret and all(map(_is_dull, kinds.items())):
        return text
    return "".join(_without_secrets(pieces, kinds, secret, depth))


def _without_secrets(
    pieces: list[str], kinds: Mapping[str, _Kind], secret: frozenset[int], depth: int
) -> list[str]:
    """Return the pieces of a script as they may be shown; ``secret`` are places of secrets."""

    def within(word: str) -> str:
        # A script has spaces, and most words have not.
        return word if _SPACE.search(word) is None else _script(word, depth + 1)

    reader: CommandReader | None = None
    announced: Announced | None = None
    read = pieces.copy()
    begin = 0
    for place in [at for at, piece in enumerate(pieces) if kinds[piece] is not _BETWEEN]:
        if place < begin:
            continue
        piece = pieces[place]
        kind = kinds[piece]
        if kind is _END:
            reader = announced = None
            continue
        if place in secret:
            clean = REDACTED
        elif reader is None and kind is _WORD and (step := _step(piece, announced)) is not None:
            clean, announced = step
        else:
            if reader is None:
                reader = CommandReader(within, announced)
            clean = reader.read(piece) if kind is _WORD else _read(piece, reader)
            announced = reader.announced
            if reader.is_simple:
                reader = None
        if clean != piece:
            begin = _rest_of_word(pieces, place + 1)
            begin = max(begin, _rest_of_substitution(pieces, place))
            read[place:begin] = clean, *[""] * (begin - place - 1)
    return read


@unique
class _Kind(Enum):
    """What a piece of a script is."""

    BETWEEN = auto()
    END = auto()
    """Another command begins behind it."""
    WORD = auto()
    """A short one without quotes."""
    OTHER = auto()


_BETWEEN, _END, _WORD = _Kind.BETWEEN, _Kind.END, _Kind.WORD


def _is_dull(known: tuple[str, _Kind]) -> bool:
    """Return whether a piece has no secret and no meaning for what follows."""
    piece, kind = known
    return (
        kind is _BETWEEN or kind is _END or (kind is _WORD and _step(piece, None) == (piece, None))
    )


def _kind(piece: str) -> _Kind:
    if piece[0] in _OPERATORS or piece.isspace():
        return _END if piece[0] in _ENDS or "\n" in piece else _BETWEEN
    return _WORD if len(piece) <= _SHORT and _QUOTES.search(piece) is None else _Kind.OTHER


@lru_cache(WORDS_REMEMBERED)
def _step(word: str, announced: Announced | None) -> tuple[str, Announced | None] | None:
    """Read a word without quotes; returns it and what it makes of the next one.

    None for a word that means more than that to what follows.
    """
    # A script has spaces, and this word has not.
    reader = CommandReader(str, announced)
    clean = reader.read(word)
    return (clean, reader.announced) if reader.is_simple else None


def _is_prose(text: str) -> bool:
    """Return whether nothing in a text can be an option, an assignment or a known command."""
    return not (
        "-" in text
        or "=" in text
        or "|" in text
        or ">" in text
        or _HERE_STRING in text
        or any(is_marked(word) for word in set(text.split()))
    )


def _read(piece: str, reader: CommandReader) -> str:
    """Read a word of a script, without the quotes around it where those are one pair."""
    quote = piece[0]
    if quote not in "\"'" or len(piece) == 1 or piece.find(quote, 1) != len(piece) - 1:
        return reader.read(piece)
    bare = piece[1:-1]
    clean = reader.read(bare)
    if clean == bare:
        return piece
    return f"{quote}{clean}{quote}" if _SPACE.search(clean) is not None else clean


def _rest_of_word(pieces: list[str], place: int) -> int:
    """Return the place behind what is joined to a secret, which a shell would split off.

    A program other than a shell takes all of it for the secret. Operators before a space are kept.
    """
    end = place
    while end < len(pieces) and not pieces[end].isspace():
        end += 1
    return place if all(piece[0] in _OPERATORS for piece in pieces[place:end]) else end


def _rest_of_substitution(pieces: list[str], place: int) -> int:
    """Return the place behind a command whose output is the secret: ``TOKEN=$(echo S)``.

    One that does not end takes all that follows.
    """
    piece = pieces[place]
    if piece.count("`") % 2 == 1:
        closing = (at for at in range(place + 1, len(pieces)) if pieces[at].count("`") % 2 == 1)
        return next(closing, len(pieces) - 1) + 1
    if not piece.endswith("$") or not "".join(pieces[place + 1 : place + 2]).startswith("("):
        return place
    depth = 0
    for at in range(place + 1, len(pieces)):
        if pieces[at][0] in _OPERATORS:
            depth += pieces[at].count("(") - pieces[at].count(")")
            if depth <= 0:
                return at + 1
    return len(pieces)


@cache
def _pattern(*, double: bool, single: bool) -> re.Pattern[str]:
    """Return the expression for pieces where these kinds of quotes may still be closed."""
    quotes = ('"' if double else "") + ("'" if single else "")
    closed = (r'|"[^"\\]*+(?:\\.[^"\\]*+)*"' if double else "") + (r"|'[^']*+'" if single else "")
    word = rf"(?:[^\s|;&()<>\\{quotes}]++|\\.?{closed})+"
    return re.compile(rf"{word}|\s++|[|;&()<>]++|.", re.DOTALL)


def split(text: str) -> list[str]:
    """Split a script into spaces, operators and words; joined they are the text again."""
    double = single = True
    found: list[str] = []
    place = 0
    while True:
        pieces = _pattern(double=double, single=single).findall(text, place)
        open_double = pieces.index('"') if double and '"' in pieces else len(pieces)
        open_single = pieces.index("'") if single and "'" in pieces else len(pieces)
        cut = min(open_double, open_single)
        if cut == len(pieces):
            return found + pieces
        if open_double < open_single:
            double = False
        else:
            single = False
        # The word begins anew, with this quote as one of its characters.
        if cut and pieces[cut - 1][0] not in _OPERATORS and not pieces[cut - 1].isspace():
            cut -= 1
        found += pieces[:cut]
        place += sum(map(len, pieces[:cut]))


def _piped(pieces: list[str]) -> frozenset[int]:
    """Return the places of words that are piped into a command that takes a secret from there.

    So are those of a here-document, and what is written into a file for secrets.
    """
    found: set[int] = set()
    pipeline: list[list[int]] = [[]]
    document_end: str | None = None
    depth = 0
    for place, piece in enumerate(pieces):
        depth = max(0, depth + _opened(piece))
        if document_end is not None:
            if piece == document_end:
                document_end = None
            elif not piece.isspace():
                found.add(place)
        elif (piece[0] in _ENDS or piece.isspace()) and (depth or not piece.strip(" \t()")):
            continue  # Inside of a group all commands write into its pipe.
        elif piece.lstrip("()") in ("|", "|&"):
            pipeline.append([])
        elif piece[0] in _ENDS or (piece.isspace() and "\n" in piece):
            reads = _add_piped(pieces, pipeline, found)
            if reads and piece.isspace():
                document_end = _document_end(pieces, pipeline)
            pipeline = [[]]
        elif not piece.isspace():
            pipeline[-1].append(place)
    _add_piped(pieces, pipeline, found)
    return frozenset(found)


def _opened(piece: str) -> int:
    """Return how many groups a piece opens, fewer than none where it closes some."""
    if piece in _GROUPS:
        return _GROUPS[piece]
    return piece.count("(") - piece.count(")") if piece[0] in _ENDS else 0


def _add_piped(pieces: list[str], pipeline: list[list[int]], found: set[int]) -> bool:
    """Add the secrets of one pipeline; returns whether a command of it takes one."""
    reads = False
    for command in reversed(pipeline):
        words = [pieces[place].strip("\"'") for place in command]
        target = next((at for at, word in enumerate(words) if word in _REDIRECTIONS), len(words))
        keeps = any(is_secret_path(word) for word in words[target + 1 : target + 2])
        if (reads or keeps) and not secret_options.WRITERS.isdisjoint(words):
            found.update(
                place
                for place, word in zip(command[:target], words[:target], strict=True)
                if word not in secret_options.WRITERS and not word.startswith("-")
            )
        reads = reads or keeps or _reads_secret(words)
        if reads and _HERE_STRING in words:
            found.update(command[words.index(_HERE_STRING) + 1 :])
    return reads


def _document_end(pieces: list[str], pipeline: list[list[int]]) -> str | None:
    """Return the word that ends the here-document of a pipeline; None where it has none."""
    words = [pieces[place] for command in pipeline for place in command]
    for word, after in pairwise(words):
        if word == _HERE_DOCUMENT:
            return after.removeprefix("-").strip("\"'\\")
    return None


def _reads_secret(words: list[str]) -> bool:
    """Return whether a command takes a secret from its standard input."""
    known = set(words)
    if not secret_options.STDIN_READERS.isdisjoint(known):
        return True
    if any(needed <= known for needed in secret_options.STDIN_READING):
        return True
    if "tee" in known and any(is_secret_path(word) for word in words):
        return True
    return any(
        word.endswith("stdin") and word.startswith("--") and is_secret_name(word[: -len("-stdin")])
        for word in words
    )
