"""What single words of a command line mean: programs with secrets, their options, and verbs."""

from __future__ import annotations

import re
from enum import Enum, auto, unique
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.identity import client_options, secret_options
from sensor.identity.secret_names import is_secret_name

if TYPE_CHECKING:
    from sensor.identity.secret_options import OptionSecret, WordSecret

OPTION = re.compile(r"--?[A-Za-z][\w.-]{0,127}")
HEADER_OPTIONS = frozenset({"-H", "--header", "--proxy-header", "--add-header"})
SHORT_PREFIX = 2
"""Characters of an option of one letter."""
_ENV_OPTION = re.compile(
    r"-[a-zA-Z]{0,8}e|--(?:env|build-arg|container-env|setenv|env-add|env-merge)"
)
_SCRIPT_OPTION = re.compile(r"-[a-z]{0,8}c")
OPTIONS_REMEMBERED = 512
MAX_OPTION = 64
"""Characters of an option whose meaning is remembered."""


@unique
class Announced(Enum):
    """What the word before makes of this one."""

    SECRET = auto()
    NAMED_SECRET = auto()
    """The next word is a secret, unless it is an option: the word before was only a name."""
    VARIABLE = auto()
    VARIABLES = auto()
    """So are the words behind it, up to an option."""
    NAME = auto()
    """The next word is the name of the word behind it."""
    HEADER = auto()
    SCRIPT = auto()
    VALUE = auto()
    """The value of a client's own option: no program begins here."""


def _by_program() -> dict[str, tuple[tuple[OptionSecret, tuple[str, ...]], ...]]:
    found: dict[str, list[tuple[OptionSecret, tuple[str, ...]]]] = {}
    for rule in secret_options.OPTION_SECRETS:
        for program in rule.programs.split():
            found.setdefault(program, []).append((rule, tuple(rule.options.split())))
    return {program: tuple(rules) for program, rules in found.items()}


def _words_by_program() -> dict[str, tuple[tuple[WordSecret, tuple[str, ...]], ...]]:
    found: dict[str, list[tuple[WordSecret, tuple[str, ...]]]] = {}
    for rule in secret_options.WORD_SECRETS:
        for program in rule.programs.split():
            found.setdefault(program, []).append((rule, tuple(rule.verbs.split())))
    return {program: tuple(rules) for program, rules in found.items()}


OPTION_RULES = _by_program()
WORD_RULES = _words_by_program()
VERBS = frozenset(rule.after for rule in secret_options.OPTION_SECRETS if rule.after)
PROGRAMS = OPTION_RULES.keys() | WORD_RULES.keys()
SETTERS = secret_options.SETTERS | {verb.upper() for verb in secret_options.SETTERS}
_MARKED = PROGRAMS | VERBS | client_options.CLIENTS | SETTERS
"""Words that decide what those after them mean."""


def announced_by(option: str) -> Announced | None:
    """Return what an option without a value makes of the next word, whichever program it is for."""
    return _announced_by(option) if len(option) <= MAX_OPTION else _announced_by.__wrapped__(option)


@lru_cache(OPTIONS_REMEMBERED)
def _announced_by(option: str) -> Announced | None:
    if _ENV_OPTION.fullmatch(option) is not None:
        return Announced.VARIABLE
    if option in secret_options.VARIABLES:
        return Announced.VARIABLES
    if option in HEADER_OPTIONS:
        return Announced.HEADER
    if option in secret_options.NAMED:
        return Announced.NAME
    if OPTION.fullmatch(option) is not None and is_secret_name(option):
        return Announced.SECRET
    return Announced.SCRIPT if _SCRIPT_OPTION.fullmatch(option) is not None else None


def is_marked(word: str) -> bool:
    """Return whether a word decides what those after it mean."""
    return word in _MARKED or ("/" in word and word.rpartition("/")[2] in _MARKED)


def head_of(word: str, option: str, flags: str) -> str | None:
    """Return what of a word stands before the secret of an option; None if it is not this option.

    The whole word is the option alone. ``flags`` may stand before a short one.
    """
    if word.startswith(option):
        if len(word) == len(option) or len(option) == SHORT_PREFIX or option[0] != "-":
            return option
        return f"{option}=" if word[len(option)] == "=" else None
    if flags and len(option) == SHORT_PREFIX and word[1:2] != "-":
        before, letter, _ = word[1:].partition(option[1])
        if letter and not before.strip(flags):
            return word[: len(before) + SHORT_PREFIX]
    return None
