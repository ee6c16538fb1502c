"""One command line, read word by word as its program would, with its secrets taken out.

Rules, in their order:

1. What the word before announced decides: a secret's value, a variable, a header, a script.
2. An option is read by the client that it belongs to, by the program that was named, by its name.
3. Another word may be a secret by its place (``vault login S``), a program, or ``NAME=value``.
4. What is left is searched for secrets that are known by their look or by a name beside them.
"""

from __future__ import annotations

import re
from enum import Enum, auto, unique
from typing import TYPE_CHECKING

from sensor.identity import client_options, secret_options
from sensor.identity.command_words import (
    HEADER_OPTIONS,
    OPTION,
    OPTION_RULES,
    PROGRAMS,
    SETTERS,
    SHORT_PREFIX,
    VERBS,
    WORD_RULES,
    Announced,
    announced_by,
    head_of,
    is_marked,
)
from sensor.identity.secret_names import REDACTED, is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable

_JOINED_ENV = re.compile(
    r"(-[ditPqT]{0,6}e|--(?:env|build-arg|container-env|setenv|env-add|env-merge)=)"
    r"([A-Za-z_][\w.-]{0,255})=(.*)", re.DOTALL
)  # fmt: skip
_VARIABLE = re.compile(r"[A-Za-z_][\w.-]{0,255}")
_NAME = re.compile(r"[\w.\-/:@\[\]]{1,256}")
_HEADER = re.compile(r"\s{0,64}[\"']?([A-Za-z][\w-]{0,127})\s{0,8}:\s{0,64}(.+)", re.DOTALL)
_NO_SECRETS = frozenset({"", "-", "true", "false", "True", "False", "none", "None", "null"})
"""Values that are never a secret, whatever they are given to. ``-`` is the standard input."""
_FILE = re.compile(
    r"\.{0,2}(?:/[A-Za-z0-9_.-]{1,64}){1,16}"
    r"\.(?:pem|key|pub|crt|cer|p12|pfx|jks|txt|json|ya?ml|toml|conf|env|sops|enc|gpg)"
)
"""The path of a file by its ending: the secret is in it."""
_LONG_OPTION = re.compile(r"--[a-z][a-z0-9_-]{1,63}")
_SPELLED = frozenset({"-p" + rest for rest in ("ass", "assword", "asswd", "assphrase", "asscode")})
"""Long options with one dash, and not ``-p`` with a value: ``influx -password S``."""


_DELIMITERS = frozenset("/|#@,!%~")
"""What may stand around the two parts of a substitution by ``sed``."""
_WORDS = re.compile(r"[A-Za-z][\w-]{1,63}")
_SIGNS = frozenset("/>")
"""What a secret of some programs begins with, beside a dash."""


@unique
class _Stage(Enum):
    """Where in a container client's command line the word stands."""

    OUTSIDE = auto()
    GLOBAL = auto()
    """Before the verb."""
    RUN = auto()
    """Between the verb and the image."""
    OTHER = auto()
    """Behind a verb that runs no command."""


class _Progress:
    """How much of a :class:`~sensor.identity.secret_options.WordSecret` has been seen."""

    __slots__ = ("at", "skipped", "verbs")

    def __init__(self, verbs: tuple[str, ...], skipped: int) -> None:
        self.verbs = verbs
        self.skipped = skipped
        self.at = 0

    def is_secret(self, word: str) -> bool:
        """Take the next word that is not an option."""
        place = self.at - len(self.verbs)
        if place < 0:
            self.at += word.lower() == self.verbs[self.at]
            return False
        self.at += 1
        return place >= self.skipped


class CommandReader:
    """Reads the words of one command in their order."""

    def __init__(self, plain: Callable[[str], str], announced: Announced | None = None) -> None:
        """``plain`` takes the secrets out of a word that means nothing by its place.

        ``announced`` is what the word before the first one makes of it.
        """
        self._plain = plain
        self._next = announced
        self._stage = _Stage.OUTSIDE
        self._exec = False
        self._setter = False
        self._programs: dict[str, None] = {}
        self._rules: list[_Progress] = []
        self._rest_is_secret = False

    @property
    def announced(self) -> Announced | None:
        """What the last word makes of the next one."""
        return self._next

    @property
    def is_simple(self) -> bool:
        """Whether nothing that was read, but what it announces, has a meaning for what follows."""
        return self._stage is _Stage.OUTSIDE and not (self._setter or self._programs or self._rules)

    def read(self, word: str) -> str:
        """Return the word without what is secret in it."""
        if self._next is not None:
            read = self._announced(word)
            if read is not None:
                return read
        if word.startswith("-") and len(word) > 1:
            return self._option(word)
        return self._word(word)

    # ----------------------------------------------------------------- announced

    def _announced(self, word: str) -> str | None:
        """Read a word that the one before announced; None for one that is read like any other."""
        announced, self._next = self._next, None
        read: str | None = None
        match announced:
            case Announced.SECRET:
                # What looks like a long option is one: "--auth --bind_ip_all" is two switches.
                read = None if _LONG_OPTION.fullmatch(word) else _value(word)
            case Announced.NAMED_SECRET:
                read = None if word.startswith("-") else _value(word)
            case Announced.SCRIPT:
                read = self._plain(word)
            case Announced.VALUE:
                read = self._assignment(word)
            case Announced.VARIABLE:
                read = self._variable(word)
            case Announced.VARIABLES:
                read = None if word.startswith("-") else self._variable(word)
                self._next = None if read is None else announced
            case Announced.NAME:
                read = self._plain(word)
                self._next = Announced.NAMED_SECRET if is_secret_name(word) else None
            case Announced.HEADER:
                read = self._header(word)
        return read

    def _variable(self, word: str) -> str | None:
        name, equals, value = word.partition("=")
        if equals and _VARIABLE.fullmatch(name) is not None:
            return f"{name}={_value(value)}"
        return self._plain(word) if self._stage is _Stage.RUN else None

    @staticmethod
    def _header(word: str) -> str | None:
        if not is_secret_name(word.partition(":")[0]):
            return None
        match = _HEADER.fullmatch(word)
        if match is None or not is_secret_name(match[1]):
            return None
        return f"{match[1]}: {REDACTED}"

    # ----------------------------------------------------------------- options

    def _option(self, word: str) -> str:
        if "=" in word:
            joined = _JOINED_ENV.fullmatch(word)
            if joined is not None:
                return f"{joined[1]}{joined[2]}={_value(joined[3])}"
        if self._programs:
            by_program = self._by_program(word)
            if by_program is not None:
                return by_program
        if self._stage is _Stage.RUN and not word.startswith("--"):
            return self._short_of_client(word)
        name, equals, value = word.partition("=")
        if equals:
            return self._with_value(name, value, word)
        self._next = self._announces(word)
        if self._next is None and word.startswith("-H"):
            header = self._header(word[SHORT_PREFIX:])
            if header is not None:
                return f"-H{header}"
        return self._plain(word)

    def _announces(self, word: str) -> Announced | None:
        """Return what an option without a value makes of the next word."""
        if self._stage is _Stage.RUN or self._stage is _Stage.GLOBAL:
            return self._of_client(word)
        if self._is_reference(word):
            return Announced.VALUE
        return announced_by(word)

    def _with_value(self, name: str, value: str, word: str) -> str:
        if OPTION.fullmatch(name) is None:
            return self._plain(word)
        if is_secret_name(name) and not self._is_reference(name):
            return f"{name}={_value(value)}"
        if name in HEADER_OPTIONS:
            return f"{name}={self._header(value) or self._plain(value)}"
        return f"{name}={self._assignment(value)}"

    def _is_reference(self, option: str) -> bool:
        """Return whether a client's option only names a secret: ``--secret id=x,src=file``."""
        return option in client_options.REFERENCES and self._stage is not _Stage.OUTSIDE

    def _of_client(self, word: str) -> Announced | None:
        """Return what a client's own option makes of the next word."""
        if not word.startswith("--"):
            return Announced.VALUE if word in client_options.GLOBAL_VALUES else None
        takes = client_options.takes_value(word[2:])
        if takes is None:
            return announced_by(word)
        return Announced.VALUE if takes else None

    def _short_of_client(self, word: str) -> str:
        split = client_options.short_value(word)
        if split is None:
            return word
        option, value = split
        if value.startswith("="):
            # pflag takes ``-e=A=b`` as well.
            option, value = f"{option}=", value[1:]
            name, equals, rest = value.partition("=")
            if option[-2] == "e" and equals:
                return f"{option}{name}={_value(rest)}"
        if not value:
            self._next = Announced.VARIABLE if option[-1] == "e" else Announced.VALUE
            return word
        return option + self._assignment(value)

    def _by_program(self, word: str) -> str | None:
        """Read an option as the programs that were named do; None where none of them knows it.

        Whichever of them it is for, its secret goes: ``-p`` of sshpass behind ``mysql``.
        """
        if word.partition("=")[0] in _SPELLED:
            return None
        read: str | None = None
        for program in self._programs:
            for rule, options in OPTION_RULES.get(program, ()):
                if rule.after is not None and rule.after not in self._programs:
                    continue
                for option in options:
                    head = head_of(word, option, rule.flags)
                    if head is None:
                        continue
                    if len(head) < len(word):
                        joined = head + REDACTED
                        read = joined if read in (None, word) else min(joined, read, key=len)
                        continue
                    if not rule.joined_only:
                        self._next = Announced.SECRET
                    read = read or word
        return read

    # ----------------------------------------------------------------- other words

    def _word(self, word: str) -> str:
        if self._rules and self._is_secret_by_place(word):
            name, equals, value = word.partition("=")
            named = equals and _VARIABLE.fullmatch(name) is not None
            return f"{name}={_value(value)}" if named else _value(word)
        if self._stage is not _Stage.OUTSIDE:
            return self._of_stage(word)
        if is_marked(word):
            self._meet(word.rpartition("/")[2])
        elif self._setter and _NAME.fullmatch(word) is not None and is_secret_name(word):
            if word.lower() not in secret_options.NOUNS:
                self._next = Announced.NAMED_SECRET
                return self._plain(word)
        elif word[0:1] in _SIGNS and self._programs:
            return self._by_program(word) or self._plain(word)
        elif word[0:1] == "s" and word[1:2] in _DELIMITERS:
            word = _without_replacement(word)
        return self._assignment(word)

    def _is_secret_by_place(self, word: str) -> bool:
        if not self._rest_is_secret:
            # Each rule takes the word, also behind one that it is a secret for.
            self._rest_is_secret = sum(rule.is_secret(word) for rule in self._rules) > 0
        return self._rest_is_secret

    def _of_stage(self, word: str) -> str:
        """Read a word of a container client that is neither an option nor an option's value."""
        if self._stage is _Stage.GLOBAL:
            if word in client_options.RUN_VERBS:
                self._stage, self._exec = _Stage.RUN, word == "exec"
            elif word in client_options.LOOSE_VERBS:
                self._stage = _Stage.OUTSIDE
            elif word not in client_options.GROUPS:
                self._stage = _Stage.OTHER
                if word in VERBS:
                    self._programs[word] = None
            return self._plain(word)
        if self._stage is _Stage.RUN:
            self._stage = _Stage.OUTSIDE
            self._programs.clear()
            self._rules.clear()
            self._rest_is_secret = False
            program = client_options.program_of(word)
            if not self._exec and program in PROGRAMS:
                self._meet(program)
        return self._plain(word)

    def _meet(self, program: str) -> None:
        """Take note of a word that decides what others mean."""
        self._setter = self._setter or program in SETTERS
        if program in PROGRAMS and program not in self._programs:
            self._rules += [
                _Progress(verbs, rule.skipped) for rule, verbs in WORD_RULES.get(program, ())
            ]
        if program in PROGRAMS or program in VERBS:
            self._programs[program] = None
        if program in client_options.CLIENTS:
            self._stage = _Stage.GLOBAL

    def _assignment(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if not equals or _NAME.fullmatch(name) is None or "://" in name:
            return self._plain(word)
        if is_secret_name(name):
            return f"{name}={_value(value)}"
        if is_marked(value):
            # ``ProxyCommand=sshpass -p S``
            self._meet(value.rpartition("/")[2])
        return self._plain(word)


def _without_replacement(word: str) -> str:
    """Take out what ``sed`` puts in the place of a secret's name: ``s/__DB_PASSWORD__/S/``."""
    sign = word[1]
    parts = word.split(sign)
    for at in range(1, len(parts) - 1):
        names = [name for name in _WORDS.findall(parts[at]) if is_secret_name(name)]
        if parts[at - 1].endswith("s") and names and names[-1] not in parts[at + 1]:
            parts[at + 1] = REDACTED
    return sign.join(parts)


def _value(value: str) -> str:
    return value if value in _NO_SECRETS or _FILE.fullmatch(value) else REDACTED
