"""Secrets out of command lines and labels: names stay, values go.

In doubt a value is redacted: a lost word is a nuisance, a secret in an event is a breach. The cost
is linear in what is looked at, whatever stands in it: strangers choose these texts.

====================  ==============================================================================
``secret_names``      names that announce a secret
``secret_shapes``     secrets that are known by their own look
``secret_text``       names and values inside JSON, queries, connection strings, SQL
``secret_options``    programs that take a secret where no name says so
``client_options``    what belongs to a container client and what to the command inside
``command_reader``    one command line, word by word
``script``            a text that may be a shell's
====================  ==============================================================================
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.identity.command_reader import CommandReader
from sensor.identity.script import redact_text
from sensor.identity.secret_names import REDACTED, is_secret_name
from sensor.identity.secret_options import BODY_OPTIONS, CLIENTS_OF_HTTP, STORES
from sensor.identity.text import CUT, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.identity.command_words import Announced

MAX_ARGUMENTS = 256
"""Words of a command line that are kept; one more says how many were left out."""

MAX_ARGUMENT = 4096
"""Characters of a word that are kept, the mark of the cut among them."""

MAX_COMMAND = 32_768
"""Characters of a whole command line: the words after that are left out and counted, too."""

MAX_LOOKED_AT = MAX_ARGUMENT + 512
"""Characters of a word that are searched. Some more than are kept: a secret that stands across the
cut must be known as one."""

MAX_REMEMBERED = 48
"""Characters of a word of which it is remembered how it is read: ids are longer."""

WORDS_REMEMBERED = 512


def redact_argv(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line without its secrets, bounded. Never raises.

    A word longer than :data:`MAX_ARGUMENT` ends in the mark of a cut; words beyond
    :data:`MAX_ARGUMENTS` or :data:`MAX_COMMAND` become one that gives their number.
    """
    reader: CommandReader | None = None
    announced: Announced | None = None
    words: list[str] = []
    room = MAX_COMMAND
    for word in _without_bodies(argv[:MAX_ARGUMENTS]):
        room -= min(len(word), MAX_LOOKED_AT)
        if room < 0:
            break
        if reader is None:
            # What an option announces may be a secret: it is not remembered.
            short = announced is None and len(word) <= MAX_REMEMBERED
            if short and (read := _alone(word)) is not None:
                clean, announced = read
                words.append(clean)
                continue
            reader = CommandReader(redact_text, announced)
        words.append(_redacted(word, reader))
        if reader.is_simple:
            announced, reader = reader.announced, None
    left_out = len(argv) - len(words)
    return (*words, f"{CUT} {left_out} more") if left_out else tuple(words)


def redact_labels(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return labels without secrets: by the name of the key, and by what the value looks like."""
    return tuple(
        (key, REDACTED if value and is_secret_name(key) else redact_text(value))
        for key, value in labels
    )


def _without_bodies(argv: tuple[str, ...]) -> Iterable[str]:
    """Take out the bodies that a command line posts to where secrets are kept."""
    if not any("://" in word and any(one in word for one in STORES) for word in argv):
        return argv
    bodies: list[str] = []
    posts = follows = False
    for word in argv:
        posts = posts or word.rpartition("/")[2] in CLIENTS_OF_HTTP
        name, equals, _ = word.partition("=")
        if follows and not word.startswith("-"):
            bodies.append(REDACTED)
        elif posts and equals and name in BODY_OPTIONS:
            bodies.append(f"{name}={REDACTED}")
        elif posts and word[:2] in BODY_OPTIONS and word not in BODY_OPTIONS:
            bodies.append(f"{word[:2]}{REDACTED}")
        else:
            bodies.append(word)
        follows = posts and word in BODY_OPTIONS
    return bodies


@lru_cache(WORDS_REMEMBERED)
def _alone(word: str) -> tuple[str, Announced | None] | None:
    """Read a word before which nothing has a meaning for it; returns it and what it announces.

    None for a word that means more than that to what follows.
    """
    reader = CommandReader(redact_text)
    clean = _redacted(word, reader)
    return (clean, reader.announced) if reader.is_simple else None


def _redacted(word: str, reader: CommandReader) -> str:
    if len(word) <= MAX_LOOKED_AT:
        return bounded(reader.read(word), MAX_ARGUMENT)
    clean = reader.read(word[:MAX_LOOKED_AT])
    if not clean.endswith(REDACTED):
        # The end may be half of a secret, too short to be known as one.
        clean = clean[: max(0, len(clean) - (MAX_LOOKED_AT - MAX_ARGUMENT))]
    return bounded(clean, MAX_ARGUMENT - len(CUT)) + CUT
