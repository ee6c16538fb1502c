"""Options of the verbs that read the log's own file, and what they mean."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.agent.config import DEFAULT_PATH, Config
from sensor.agent.policy_files import load_policy
from sensor.errors import CastoffError, StateUnusable
from sensor.report.page import SuppressedRule

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = "castoff.db"

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read this file instead of /etc/castoff/castoff.toml.",
)
log_option = click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="Read the log in this file or directory. [default: castoff.db of the state directory]",
)


def since_option(what: str) -> Callable[..., object]:
    """Return the option ``--since``."""
    return click.option("--since", help=f"{what}: 10m, 2h, 7d, RFC 3339, Unix seconds.")


def until_option(what: str) -> Callable[..., object]:
    """Return the option ``--until``."""
    return click.option("--until", help=f"{what}.")


def log_file(log: Path | None, config: Path | None, *, needed: bool) -> Path | None:
    """Return the file of the log; None where there is none and it is not ``needed``.

    Raises :class:`StateUnusable`.
    """
    path = log if log is not None else Config.load(config).agent.state_dir
    try:
        if path.is_dir():
            path = path / FILE
        if path.is_file():
            return path
    except OSError as error:
        if needed:
            problem = f"{path} cannot be read: {error.strerror}"
            raise StateUnusable(problem, "Run as root, or name a copy with --log.") from error
        return None
    if not needed and log is None:
        return None
    raise StateUnusable(f"{path} is missing", "Name the log's file or directory with --log.")


def suppressions(config: Path | None) -> tuple[SuppressedRule, ...]:
    """Return the policy's rules that suppress findings; nothing where it is refused."""
    directory = (config or DEFAULT_PATH).absolute().parent
    try:
        policy = load_policy(directory, time.time_ns()).policy
    except CastoffError:
        return ()
    return tuple(
        SuppressedRule(rule.name, str(rule.finding), rule.until, rule.reason)
        for rule in policy.suppress.rules
    )


def policy_digest(config: Path | None) -> str | None:
    """Return the SHA-256 of the policy's files; None where there are none or they are refused."""
    directory = (config or DEFAULT_PATH).absolute().parent
    try:
        return load_policy(directory, time.time_ns()).digest
    except CastoffError:
        return None
