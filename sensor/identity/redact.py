"""Secrets out of command lines: the name of an option or variable stays, its value goes.

A command line is read word by word, as its program would: an option that takes a secret makes the
next word one. A word that holds spaces (``sh -c '…'``) is split as a shell would and read in the
same way. Whatever looks like a credential by itself (a JWT, an AWS key, a PEM block, the userinfo
of a URL) goes wherever it stands. In doubt a value is redacted: a lost word is a nuisance, a
secret in an event is a breach.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.identity.credentials import (
    REDACTED,
    is_plain,
    is_secret_name,
    without_credentials,
)
from sensor.identity.text import CUT, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ARGUMENTS = 256
"""Words of a command line that are kept; one more says how many were left out."""

MAX_ARGUMENT = 4096
"""Characters of a word that are kept, the mark of the cut among them."""

MAX_COMMAND = 32_768
"""Characters of a whole command line: the words after that are left out and counted, too."""

_MAX_LOOKED_AT = 2 * MAX_ARGUMENT
"""Characters of a word that are searched: what is cut off later needs no search."""

_SCRIPT_OPTION = re.compile(r"-[a-z]{0,8}c")
_ENV_OPTION = re.compile(r"-[a-zA-Z]{0,8}e|--env|--build-arg|--container-env|--setenv")
_OPTION = re.compile(r"(--?[A-Za-z][\w.-]{0,127})(=(.*))?", re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]{0,255})=(.*)", re.DOTALL)
_JOINED_ENV = re.compile(r"(-e|--env=|--build-arg=|--container-env=|--setenv=)"
                         r"([A-Za-z_][\w.-]{0,255})=(.*)", re.DOTALL)  # fmt: skip
_HEADER = re.compile(r"\s*[\"']?([A-Za-z][\w-]{0,127})\s*:\s*(.+)", re.DOTALL)
_SPACE = re.compile(r"\s")
_WORDS = re.compile(r"\s+|(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|[^\s\"'])+|[\"']", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Client:
    """How one program takes a secret in short options."""

    separate: frozenset[str] = frozenset()
    joined: tuple[str, ...] = ()
    after: str | None = None
    """The sub-command that must have been seen."""


_LOGIN = _Client(frozenset({"-p"}), ("-p",), after="login")
_MYSQL = _Client(joined=("-p",))
_MONGO = _Client(frozenset({"-p"}), ("-p",))
_CURL = _Client(
    frozenset({"-u", "--user", "-U", "--proxy-user"}), ("-u", "--user=", "--proxy-user=")
)
_CLIENTS = {
    "docker": _LOGIN, "podman": _LOGIN, "nerdctl": _LOGIN, "buildah": _LOGIN, "skopeo": _LOGIN,
    "helm": _LOGIN, "oc": _LOGIN, "az": _LOGIN, "crane": _LOGIN,
    "mysql": _MYSQL, "mysqldump": _MYSQL, "mysqladmin": _MYSQL, "mariadb": _MYSQL,
    "mariadb-dump": _MYSQL, "mariadb-admin": _MYSQL,
    "mongo": _MONGO, "mongosh": _MONGO, "mongodump": _MONGO, "mongorestore": _MONGO,
    "sshpass": _MONGO,
    "redis-cli": _Client(frozenset({"-a"})),
    "curl": _CURL,
    "ctr": _Client(frozenset({"-u", "--user"}), ("--user=", "-u="), after="pull"),
    "ldapsearch": _Client(frozenset({"-w"})), "ldapmodify": _Client(frozenset({"-w"})),
    "ldapadd": _Client(frozenset({"-w"})),
    "openssl": _Client(frozenset({"-passin", "-passout", "-k", "-K"})),
}  # fmt: skip


_TELLING = _CLIENTS.keys() | {client.after for client in _CLIENTS.values() if client.after}
"""Words that decide what the options after them mean."""


MAX_OPTION = 64
"""Characters of an option without a value whose meaning is remembered."""

OPTIONS_REMEMBERED = 512


@dataclass(frozen=True, slots=True)
class _Option:
    """What an option means by itself, whichever program it is for."""

    assignment_next: bool
    header_next: bool
    script_next: bool
    secret: str | None
    """Its name, if it takes a secret."""
    value: str | None
    """What is joined to a name that takes a secret."""


@lru_cache(OPTIONS_REMEMBERED)
def _option_of(word: str) -> _Option:
    named = _OPTION.fullmatch(word)
    secret = named is not None and is_secret_name(named[1])
    return _Option(
        assignment_next=_ENV_OPTION.fullmatch(word) is not None,
        header_next=word in ("-H", "--header"),
        script_next=_SCRIPT_OPTION.fullmatch(word) is not None,
        secret=named[1] if named is not None and secret else None,
        value=named[3] if named is not None and secret else None,
    )


@dataclass(slots=True)
class _Reader:
    """Reads words in their order; remembers what the last ones make of the next."""

    secret_next: bool = False
    assignment_next: bool = False
    header_next: bool = False
    script_next: bool = False
    inside: bool = False
    """The words are those of one word, which was searched for credentials as a whole."""
    programs: set[str] = field(default_factory=set)

    def read(self, word: str) -> str:
        secret, self.secret_next = self.secret_next, False
        assignment, self.assignment_next = self.assignment_next, False
        header, self.header_next = self.header_next, False
        script, self.script_next = self.script_next, False
        if secret:
            return _value(word)
        if assignment:
            match = _ASSIGNMENT.fullmatch(_bare(word))
            if match is not None:
                return f"{match[1]}={_value(match[2])}"
        if header:
            match = _HEADER.fullmatch(word)
            if match is not None and is_secret_name(match[1]):
                return f"{match[1]}: {REDACTED}"
        option = self._option(word)
        if option is not None:
            return option
        plain = word if script else self._assignment(word)
        return plain if self.inside else _within(plain)

    def _option(self, word: str) -> str | None:
        """Read an option; None for a word that is none, or none that bears on secrets."""
        if not word.startswith("-"):
            program = word.rpartition("/")[2]
            if program in _TELLING:
                self.programs.add(program)
            return None
        joined = _JOINED_ENV.fullmatch(word) if "=" in word else None
        if joined is not None:
            return f"{joined[1]}{joined[2]}={_value(joined[3])}"
        by_client = self._client_option(word)
        if by_client is not None:
            return by_client
        if "=" not in word and len(word) <= MAX_OPTION:
            option = _option_of(word)
        else:
            option = _option_of.__wrapped__(word)
        self.assignment_next = option.assignment_next
        self.header_next = option.header_next
        self.script_next = option.script_next
        if option.secret is None:
            return None
        if option.value is not None:
            return f"{option.secret}={_value(option.value)}"
        self.secret_next = True
        return word

    def _client_option(self, word: str) -> str | None:
        if not self.programs:
            return None
        for name in self.programs & _CLIENTS.keys():
            client = _CLIENTS[name]
            if client.after is not None and client.after not in self.programs:
                continue
            if word in client.separate:
                self.secret_next = True
                return word
            for prefix in client.joined:
                if word.startswith(prefix) and len(word) > len(prefix):
                    return prefix + REDACTED
        return None

    @staticmethod
    def _assignment(word: str) -> str:
        match = _ASSIGNMENT.fullmatch(word) if "=" in word else None
        if match is None or not is_secret_name(match[1]):
            return word
        return f"{match[1]}={_value(match[2])}"


def redact_argv(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line without its secrets, bounded. Never raises.

    A word longer than :data:`MAX_ARGUMENT` ends in the mark of a cut; words beyond
    :data:`MAX_ARGUMENTS` or :data:`MAX_COMMAND` become one that tells their number.
    """
    reader = _Reader()
    words: list[str] = []
    room = MAX_COMMAND
    for word in argv[:MAX_ARGUMENTS]:
        room -= min(len(word), _MAX_LOOKED_AT)
        if room < 0:
            break
        words.append(_redacted(word, reader))
    left_out = len(argv) - len(words)
    return (*words, f"{CUT} {left_out} more") if left_out else tuple(words)


def redact_labels(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return labels without secrets: by the name of the key, and by what the value looks like."""
    return tuple(
        (key, _value(value) if is_secret_name(key) else _within(value)) for key, value in labels
    )


def _redacted(word: str, reader: _Reader) -> str:
    looked_at = word if len(word) <= _MAX_LOOKED_AT else word[:_MAX_LOOKED_AT]
    clean = reader.read(looked_at)
    if len(word) > _MAX_LOOKED_AT and len(clean) <= MAX_ARGUMENT:
        return bounded(clean, MAX_ARGUMENT - len(CUT)) + CUT
    return bounded(clean, MAX_ARGUMENT)


def _within(word: str) -> str:
    """Redact what stands inside a word, reading it as a command line if it has spaces."""
    if is_plain(word):
        return word
    word = without_credentials(word)
    if _SPACE.search(word) is None:
        return word
    reader = _Reader(inside=True)
    return "".join(
        piece if piece.isspace() else _inner(piece, reader) for piece in _WORDS.findall(word)
    )


def _inner(piece: str, reader: _Reader) -> str:
    if _SPACE.search(piece) is not None and not reader.secret_next:
        return _quoted_assignment(piece, reader)
    return reader.read(piece)


def _quoted_assignment(piece: str, reader: _Reader) -> str:
    bare = _bare(piece)
    match = _ASSIGNMENT.fullmatch(bare)
    named = match is not None and (reader.assignment_next or is_secret_name(match[1]))
    reader.assignment_next = False
    if match is not None and named:
        return f"{match[1]}={_value(match[2])}"
    option = _OPTION.fullmatch(bare)
    if option is not None and option[2] is not None and is_secret_name(option[1]):
        return f"{option[1]}={_value(option[3])}"
    return piece


def _bare(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0] else word


def _value(value: str) -> str:
    return REDACTED if value else value
