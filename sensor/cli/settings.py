"""The agent's configuration: the file, and what the command line says otherwise."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from sensor.agent.config import Config
from sensor.agent.delivery import DeliverySettings, transports
from sensor.agent.parsers import parsers
from sensor.agent.policy_files import load_changes, load_policy
from sensor.optional_packages import require
from sensor.sources import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., object]")

_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read this file instead of /etc/castoff/castoff.toml.",
    ),
    click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Keep the state in this directory. [default: /var/lib/castoff]",
    ),
    click.option(
        "--socket",
        type=click.Path(path_type=Path),
        envvar="CASTOFF_SOCKET",
        help="Listen on this socket. [default: /run/castoff/castoff.sock]",
    ),
    click.option(
        "--audit",
        help="Take audit records from netlink, - (an audisp plugin) or a log file; off: take none.",
    ),
    click.option(
        "--engines/--no-engines", default=True, help="Follow the event streams of the engines."
    ),
)


def options(function: _Function) -> _Function:
    """Give a verb the options that :func:`of` takes."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def of(
    path: Path | None,
    state_dir: Path | None,
    socket: Path | None,
    audit: str | None,
    *,
    engines: bool,
    capture: Path | None = None,
    quiet: bool = False,
) -> Config:
    """Read the configuration and apply the command line; raises :class:`ConfigError`."""
    config = Config.load(path)
    parsers(config.identity.cgroup_patterns)
    sources = replace(config.sources, audit=audit or config.sources.audit)
    if not engines:
        sources = replace(sources, docker=False, containerd=False, podman=False)
    return replace(
        config,
        agent=replace(
            config.agent,
            state_dir=state_dir or config.agent.state_dir,
            log_level="warning" if quiet else config.agent.log_level,
        ),
        socket=replace(config.socket, path=socket or config.socket.path),
        sources=sources,
        capture=capture,
    )


def check(config: Config) -> None:
    """Make the outputs, which connect nowhere yet, and read certificates, policy and changes.

    Raises :class:`ConfigError`, or :class:`PackageMissing`.
    """
    now = time.time_ns()
    load_policy(config.directory, now)
    _, errors = load_changes(config.directory, now)
    if errors:
        raise errors[0]
    if config.sources.kubernetes_audit:
        require("sensor.agent.explaining", "sources.kubernetes_audit")
        _check_webhook(config)
    for output in config.outputs:
        output.check_files()
    transports(DeliverySettings.of(config), procfs.host_facts())


def _check_webhook(config: Config) -> None:
    from sensor.agent.explaining import sources_of

    _, place = sources_of(config)
    if place is not None:
        place.context()
