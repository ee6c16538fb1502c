"""Policy and changes on disk: which files, and which of them are trusted.

    /etc/castoff/policy.toml, policy.d/*.toml    the policy
    /etc/castoff/changes.d/*.toml                changes from configuration management
    STATE/policy.last                            the last policy that was good, with its digest

An account that can write a policy decides what is expected. So a file counts only when it is a
regular file of root's in a directory of root's, and no other account may write either. Symbolic
links are not followed. A file that does not meet this is an error.

A name that begins with a dot is not read: editors and configuration management write such files
beside the real one, and leave them behind.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sensor.agent.host_zone import zone_of
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
SUFFIX = ".toml"
LAST_GOOD = "policy.last"
FILES_MAX = 256
"""Drop-ins of one directory."""
LAST_GOOD_MAX = 2 * FILE_MAX * FILES_MAX
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


def load_policy(directory: Path, now: int, accepted: str | None = None) -> LoadedPolicy:
    """Read the policy of a directory; the empty one where there is no file.

    ``accepted`` is the digest of files that were good before. They are good again, also where the
    clock stands earlier than then: many hosts boot with a clock that is not set yet.

    Raises :class:`ConfigError` for a file that is wrong or not to be trusted.
    """
    files = tuple(_sources(directory, POLICY, POLICY_DROP_INS))
    known = accepted is not None and digest_of(files) == accepted
    return LoadedPolicy(policy_text.read(files, zone_of, None if known else now), files)


def passed_over(directory: Path) -> tuple[Path, ...]:
    """Return the files of a directory's drop-ins that are not read for the dot in their name."""
    found: list[Path] = []
    for drop_ins in (POLICY_DROP_INS, CHANGES):
        with contextlib.suppress(OSError):
            found += (one for one in (directory / drop_ins).iterdir() if _is_hidden(one))
    return tuple(sorted(found))[:FILES_MAX]


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
        names = _drop_ins(directory, CHANGES)
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


def load_last_good(state: Path) -> LoadedPolicy | None:
    """Return the last good policy; None where there is no such, or it was tampered with."""
    files = _last_good_files(state)
    try:
        return LoadedPolicy(policy_text.read(files, zone_of, None), files) if files else None
    except ConfigError:
        return None


def last_good_digest(state: Path) -> str | None:
    """Return the digest of the last good policy's files; None where there is no such."""
    files = _last_good_files(state)
    return digest_of(files) if files else None


def _last_good_files(state: Path) -> tuple[SourceText, ...]:
    try:
        with (state / LAST_GOOD).open("rb") as file:
            values = json.loads(file.read(LAST_GOOD_MAX))
        files = tuple(SourceText(path, text.encode("utf-8")) for path, text in values["files"])
        return files if digest_of(files) == values["digest"] else ()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return ()


# --------------------------------------------------------------------------- trusted files


def _sources(directory: Path, main: str, drop_ins: str) -> Iterator[SourceText]:
    found = _trusted(directory, main)
    if found is not None:
        yield found
    for name in _drop_ins(directory, drop_ins):
        found = _trusted(directory / drop_ins, name)
        if found is not None:
            yield found


def _drop_ins(directory: Path, drop_ins: str) -> list[str]:
    """Return the names in a directory of drop-ins. Raises :class:`ConfigError`.

    Who may write the directory above could put another one in its place.
    """
    if (directory / drop_ins).exists():
        handle = _open(directory)
        if handle is not None:
            try:
                _check(directory, os.fstat(handle))
            finally:
                os.close(handle)
    return _names(directory / drop_ins)


def _is_hidden(path: Path) -> bool:
    return path.suffix == SUFFIX and path.name.startswith(".")


def _names(directory: Path) -> list[str]:
    try:
        names = sorted(
            path.name
            for path in directory.iterdir()
            if path.suffix == SUFFIX and not _is_hidden(path)
        )
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
    at = _open(directory)
    if at is None:
        return None
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


def _open(directory: Path) -> int | None:
    """Open a directory that is not a link; None where there is none."""
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        _refuse(directory, error.strerror, "Use a directory of root's, without symbolic links.")


def _check(path: Path, status: os.stat_result) -> None:
    """Refuse what is not root's own, or what another account may write."""
    if status.st_uid != 0:
        _refuse(path, f"owned by uid {status.st_uid}, not by root", f"chown root {path}")
    if status.st_mode & OTHERS_WRITE:
        mode = stat.S_IMODE(status.st_mode)
        _refuse(path, f"writable by others than root (mode {mode:o})", f"chmod go-w {path}")


def _refuse(path: Path, reason: str | None, fix: str) -> NoReturn:
    raise ConfigError(f"{path}: {reason or 'cannot be opened'}", fix)
