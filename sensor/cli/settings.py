"""The agent's settings: the configuration file, and what the command line says otherwise."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from sensor.agent.agent import AgentSettings
from sensor.agent.config import DEFAULT_PATH, Config
from sensor.agent.delivery import DeliverySettings, transports
from sensor.agent.parsers import parsers
from sensor.agent.policy_files import load_changes, load_policy
from sensor.agent.sources import OptionalSourceSettings
from sensor.model.vocabulary import Witness
from sensor.sources import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., object]")

_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Instead of /etc/castoff/castoff.toml.",
    ),
    click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="What the agent remembers between runs. [default: /var/lib/castoff]",
    ),
    click.option(
        "--socket",
        type=click.Path(path_type=Path),
        envvar="CASTOFF_SOCKET",
        help="Where it answers questions. [default: /run/castoff/castoff.sock]",
    ),
    click.option(
        "--audit",
        help="Audit records from: netlink, - (standard input: an audisp plugin), a log file, off.",
    ),
    click.option("--engines/--no-engines", default=True, help="Listen to the engines' own events."),
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
) -> AgentSettings:
    """Read the configuration and apply the command line; raises :class:`ConfigError`."""
    config = Config.load(path)
    followed = {
        Witness.DOCKER: config.sources.docker,
        Witness.CONTAINERD: config.sources.containerd,
        Witness.PODMAN: config.sources.podman,
    }
    parsers(config.identity.cgroup_patterns)
    return AgentSettings(
        state_dir=state_dir or config.agent.state_dir,
        socket=socket or config.socket.path,
        socket_group=config.socket.group,
        run_dir=config.agent.run_dir,
        log_level="warning" if quiet else config.agent.log_level,
        node_name=config.agent.node_name or None,
        heartbeat_seconds=config.agent.heartbeat_seconds,
        realtime=config.agent.realtime,
        capture=capture,
        cgroup_patterns=config.identity.cgroup_patterns,
        host_root=config.identity.host_root,
        kubernetes_audit=Path(config.sources.kubernetes_audit)
        if config.sources.kubernetes_audit
        else None,
        store_sync=config.store.sync,
        store_max_mib=config.store.max_mib,
        store_max_age_days=config.store.max_age_days,
        shipping=DeliverySettings(
            outputs=config.outputs,
            flush_seconds=config.delivery.flush_seconds,
            dead_letters=config.delivery.dead_letters,
        ),
        requests=config.sources.requests,
        witnesses=OptionalSourceSettings(
            audit=audit or config.sources.audit,
            engines=frozenset(w for w, wanted in followed.items() if wanted and engines),
        ),
        notify=config.notify,
        policy_dir=(path or DEFAULT_PATH).absolute().parent,
    )


def check(settings: AgentSettings) -> None:
    """Make the outputs, which connect nowhere yet, and read policy and changes.

    Raises :class:`ConfigError`.
    """
    now = time.time_ns()
    load_policy(settings.policy_dir, now)
    _, errors = load_changes(settings.policy_dir, now)
    if errors:
        raise errors[0]
    transports(settings.shipping, procfs.host_facts())
