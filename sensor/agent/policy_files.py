"""Policy and changes on disk: which files, and which of them are trusted.

    /etc/castoff/policy.toml, policy.d/*.toml    the policy
    /etc/castoff/changes.d/*.toml                changes from configuration management
    STATE/policy.last                            the last policy that was good, with its digest

An account that can write a policy decides what is expected. So a file counts only when it is a
regular file of root's in a directory of root's, and no other account may write either. Symbolic
links are not followed. A file that does not meet this is an error.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.judge import change_text, policy_text
from sensor.judge.policy_text import FILE_MAX, SourceText, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.judge.change import Change
    from sensor.judge.policy import Policy

DIRECTORY = Path("/etc/castoff")
POLICY = "policy.toml"
POLICY_DROP_INS = "policy.d"
CHANGES = "changes.d"
LAST_GOOD = "policy.last"
FILES_MAX = 256
"""Drop-ins of one directory."""
LAST_GOOD_MAX = 2 * FILE_MAX * FILES_MAX
LOCALTIME = Path("/etc/localtime")
ZONEINFO = "zoneinfo/"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy and the files that it was made of."""

    policy: Policy
    files: tuple[SourceText, ...]

    @property
    def digest(self) -> str | None:
        """SHA-256 of the files; None where there are none."""
        return digest_of(self.files) if self.files else None


def load_policy(directory: Path, now: int) -> LoadedPolicy:
    """Read the policy of a directory; the empty one where there is no file.

    Raises :class:`ConfigError` for a file that is wrong or not to be trusted.
    """
    files = tuple(_sources(directory, POLICY, POLICY_DROP_INS))
    return LoadedPolicy(policy_text.read(files, zone_of, now), files)


def load_files(paths: tuple[Path, ...], now: int) -> LoadedPolicy:
    """Read a policy from these files, of any owner: for a look before it is installed."""
    files = []
    for path in paths:
        try:
            with path.open("rb") as file:
                files.append(SourceText(str(path), file.read(FILE_MAX + 1)))
        except OSError as error:
            fix = "Check the path and its permissions."
            raise ConfigError(f"{path}: {error.strerror}", fix) from error
    return LoadedPolicy(policy_text.read(files, zone_of, now), tuple(files))


def load_changes(directory: Path, now: int) -> tuple[tuple[Change, ...], tuple[ConfigError, ...]]:
    """Read the changes of a directory; a file that is wrong costs no other."""
    changes: list[Change] = []
    errors: list[ConfigError] = []
    try:
        names = _names(directory / CHANGES)
    except ConfigError as error:
        return (), (error,)
    for name in names:
        try:
            file = _trusted(directory / CHANGES, name)
            changes += change_text.of_file(file, now) if file is not None else ()
        except ConfigError as error:
            errors.append(error)
    return tuple(changes), tuple(errors)


# --------------------------------------------------------------------------- the last good one


def save_last_good(state: Path, files: tuple[SourceText, ...]) -> None:
    """Keep a policy that was good, in the place of the one before. Raises OSError."""
    written = {
        "digest": digest_of(files),
        "files": [[file.path, file.data.decode("utf-8")] for file in files],
    }
    fresh = state / f"{LAST_GOOD}.new"
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(written, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(state / LAST_GOOD)


def load_last_good(state: Path, now: int) -> LoadedPolicy | None:
    """Return the last good policy; None where there is no such, or it was tampered with."""
    try:
        with (state / LAST_GOOD).open("rb") as file:
            values = json.loads(file.read(LAST_GOOD_MAX))
        files = tuple(SourceText(path, text.encode("utf-8")) for path, text in values["files"])
        if not files or digest_of(files) != values["digest"]:
            return None
        return LoadedPolicy(policy_text.read(files, zone_of, now), files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ConfigError):
        return None


# --------------------------------------------------------------------------- zones


def zone_of(name: str | None) -> tzinfo:
    """Return the zone of an IANA name, the host's for None.

    Raises ValueError for a name that is unknown here: slim images lack the package ``tzdata``.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # windows alone need it

    if name is None:
        name = _host_zone()
        if name is None:
            return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{name[:64]!r} is not a known zone on this host"
        raise ValueError(message) from error


def local_zone() -> tzinfo:
    """Return the host's zone; UTC where it is unknown."""
    try:
        return zone_of(None)
    except ValueError:
        return UTC


def _host_zone() -> str | None:
    """Return the host's zone by where /etc/localtime points (localtime(5)); None for UTC."""
    try:
        target = str(LOCALTIME.resolve())
    except (OSError, RuntimeError):
        return None
    _, found, name = target.partition(ZONEINFO)
    return name or None if found else None


# --------------------------------------------------------------------------- trusted files


def _sources(directory: Path, main: str, drop_ins: str) -> Iterator[SourceText]:
    found = _trusted(directory, main)
    if found is not None:
        yield found
    for name in _names(directory / drop_ins):
        found = _trusted(directory / drop_ins, name)
        if found is not None:
            yield found


def _names(directory: Path) -> list[str]:
    try:
        names = sorted(path.name for path in directory.iterdir() if path.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(
            f"{directory}: {error.strerror}", "Let the agent's user read it."
        ) from error
    if len(names) > FILES_MAX:
        raise ConfigError(
            f"{directory}: {len(names)} files; at most {FILES_MAX} are read", "Join some of them."
        )
    return names


def _trusted(directory: Path, name: str) -> SourceText | None:
    """Read a text that root alone can have written; None where there is no file."""
    data = trusted_bytes(directory, name, FILE_MAX)
    return None if data is None else SourceText(str(directory / name), data)


def trusted_bytes(directory: Path, name: str, most: int) -> bytes | None:
    """Read a file that root alone can have written; None where there is no file.

    At most one byte beyond ``most`` is read. Raises :class:`ConfigError`.
    """
    path = directory / name
    try:
        at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        _refuse(directory, error.strerror, "Use a directory of root's, without symbolic links.")
    try:
        whose = os.fstat(at)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(name, flags, dir_fd=at)
    except FileNotFoundError:
        return None
    except OSError as error:
        readable = "Let the agent's user read it."
        linked = "Use a regular file, without symbolic links."
        _refuse(path, error.strerror, readable if error.errno == errno.EACCES else linked)
    finally:
        os.close(at)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            _refuse(path, "not a regular file", "Use a regular file.")
        _check(directory, whose)
        _check(path, status)
        return file.read(most + 1)


def _check(path: Path, status: os.stat_result) -> None:
    """Refuse what is not root's own, or what another account may write."""
    if status.st_uid != 0:
        _refuse(path, f"owned by uid {status.st_uid}, not by root", f"chown root {path}")
    if status.st_mode & OTHERS_WRITE:
        mode = stat.S_IMODE(status.st_mode)
        _refuse(path, f"writable by others than root (mode {mode:o})", f"chmod go-w {path}")


def _refuse(path: Path, reason: str | None, fix: str) -> NoReturn:
    raise ConfigError(f"{path}: {reason or 'cannot be opened'}", fix)
