"""Secrets of the configuration: passwords, keys, tokens, taken from where they are kept.

======================  ============================================================================
``file:/path``          what stands in the file, without the newline at its end
``${file:/path}``       the same in the midst of other text: ``Bearer ${file:/etc/castoff/token}``
``${env:NAME}``         the environment variable, likewise
anything else           itself
======================  ============================================================================

They are read once, at start-up. A file has to be a regular one of at most ``FILE_LIMIT`` bytes,
owned by root or by the agent's own user and writable by no other user. A link to it must have such
an owner, too (Kubernetes mounts its secrets as links). So no other user can make the agent read
what its operator did not mean, nor wait for a FIFO.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import field, fields, is_dataclass
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.linux.regular_file import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_LIMIT = 64 * 1024
SHOWN = "***"
HIDDEN_LEAST = 4
"""Characters of a secret that is looked for in messages: a shorter one would garble every word."""

_REFERENCE = re.compile(r"\$\{(env|file):([^}]*)\}")


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that is shown nowhere: ``reveal`` is the one way to it."""

    _text: str = field(default="")

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return f"Secret({SHOWN})"

    def __str__(self) -> str:
        return SHOWN

    def __format__(self, _spec: str) -> str:
        return SHOWN

    def __reduce__(self) -> str:
        message = "a secret is not copied out of the process"
        raise TypeError(message)


def resolve(text: str, environment: Mapping[str, str]) -> Secret:
    """Follow the references in ``text``; raises ValueError with a sentence that shows no secret."""

    def found(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if kind == "file":
            return _read(name)
        if name not in environment:
            message = f"the environment has no variable {name!r}"
            raise ValueError(message)
        return environment[name]

    whole = text.startswith("file:")
    resolved = _read(text.removeprefix("file:")) if whole else _REFERENCE.sub(found, text)
    if "\x00" in resolved:
        message = "a secret has no NUL in it"
        raise ValueError(message)
    return Secret(resolved)


def secrets_of(settings: object) -> Iterator[Secret]:
    """Yield every secret in a settings dataclass and in those inside of it."""
    if isinstance(settings, Secret):
        yield settings
    elif isinstance(settings, tuple):
        for item in settings:
            yield from secrets_of(item)
    elif is_dataclass(settings):
        for one in fields(settings):
            yield from secrets_of(getattr(settings, one.name))


def hidden(text: str, secrets: tuple[Secret, ...]) -> str:
    """Return the text with each secret in it replaced: what others wrote may quote one."""
    for secret in secrets:
        if len(secret.reveal()) >= HIDDEN_LEAST:
            text = text.replace(secret.reveal(), SHOWN)
    return text


def _read(path: str) -> str:
    if not path.startswith("/"):
        message = f"{path!r} is not an absolute path"
        raise ValueError(message)
    trusted = {0, os.geteuid()}
    try:
        if os.lstat(path).st_uid not in trusted:
            message = f"{path} belongs to neither root nor this user"
            raise ValueError(message)
        file = open_regular(path)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise ValueError(message) from error
    with file:
        found = os.fstat(file.fileno())
        if found.st_uid not in trusted or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            message = f"{path} may be written by others than its owner, root or this user"
            raise ValueError(message)
        data = file.read(FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        message = f"{path} is larger than {FILE_LIMIT} bytes"
        raise ValueError(message)
    try:
        return data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        message = f"{path} is not valid UTF-8"
        raise ValueError(message) from None
