"""The configuration: ``/etc/castoff/castoff.toml`` and the drop-ins beside it.

Every key has a default, so that no file is needed. A key that is not known, or a value of another
type than expected, is refused with the file, the key and what was expected: a sensor that goes on
with half of its configuration protects nothing.
"""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_type_hints

from sensor.agent.notify_settings import NotifySettings
from sensor.agent.receivers.settings import (
    EventBridgeSection,
    EventGridSection,
    KafkaSection,
    Mistake,
    PubSubSection,
    PushSection,
    PushSettings,
    SnsSection,
    listen_mistakes,
)
from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.identity.pattern import parser_with
from sensor.linux.regular_file import open_regular
from sensor.model.vocabulary import Witness
from sensor.outputs.settings import OutputSettings, outputs_of
from sensor.settings import tables
from sensor.settings.tables import Tree, overlay
from sensor.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import DataclassInstance

_Section = TypeVar("_Section", bound="DataclassInstance")

DEFAULT_PATH = Path("/etc/castoff/castoff.toml")
DROP_IN_DIR = "castoff.d"
SIZE_MAX = 1024 * 1024
FLUSH_MAX = 60.0
"""Seconds; systemd and Kubernetes kill what takes longer to stop."""
DEAD_LETTERS_MAX = 1_000_000
_BESIDE_SECTIONS = frozenset({"outputs", "directory", "capture", "pin_root"})
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class AgentSection:
    """``[agent]``."""

    state_dir: Path = Path("/var/lib/castoff")
    """What the agent remembers between runs."""
    run_dir: Path = Path("/run/castoff")
    """Where the lock is that keeps a second agent away."""
    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""
    node_name: str = ""
    """The node's name in Kubernetes; empty for the environment's NODE_NAME, or kubelet's."""
    heartbeat_seconds: int = 3600
    """Between two signs of life, events ``sensor``; 0 for none."""
    realtime: bool = True
    """Run at once when woken, for a tenth of one processor at most."""


@dataclass(frozen=True, slots=True)
class SocketSection:
    """``[socket]``."""

    path: Path = Path("/run/castoff/castoff.sock")
    group: str = "castoff"
    """Who may ask besides root."""


@dataclass(frozen=True, slots=True)
class IdentitySection:
    """``[identity]``."""

    cgroup_patterns: tuple[str, ...] = ()
    """Regular expressions for cgroup paths of your own, each with one named group ``id``."""
    host_root: Path = Path("/")
    """The host's root directory as the agent sees it: ``/proc/1/root`` in a pod."""


WEBHOOK = "webhook"
"""Of ``sources.kubernetes_audit``: records are taken by ``[webhook]``."""
NETLINK, STDIN, OFF = "netlink", "-", "off"
"""Of ``sources.audit``; any other value is a log file's path."""


@dataclass(frozen=True, slots=True)
class SourcesSection:
    """``[sources]``."""

    audit: str = "netlink"
    """``netlink``, ``-`` (standard input, as an audisp plugin), ``off``, or a log file's path."""
    docker: bool = True
    containerd: bool = True
    podman: bool = True
    requests: bool = True
    """Read the first bytes of what is asked of engines: who asked for a start is then certain."""
    kubernetes_audit: str = ""
    """The audit log of the API server on this node: a file or a directory, or ``webhook``, which
    takes what API servers post to ``[webhook]``. Empty: none is read."""

    @property
    def engines(self) -> frozenset[Witness]:
        """Engines whose event streams are followed."""
        wanted = {
            Witness.DOCKER: self.docker,
            Witness.CONTAINERD: self.containerd,
            Witness.PODMAN: self.podman,
        }
        return frozenset(witness for witness, follow in wanted.items() if follow)

    def mistakes(self) -> Iterator[Mistake]:
        """Yield section, key, problem and fix of each value that no type refuses."""
        if self.audit not in (NETLINK, STDIN, OFF) and not self.audit.startswith("/"):
            fix = "Use netlink, -, off or a log file's whole path."
            yield "sources", "audit", f"is {self.audit!r}", fix
        given = self.kubernetes_audit
        if given not in ("", WEBHOOK) and not given.startswith("/"):
            fix = "Use webhook, or the whole path of a file or a directory."
            yield "sources", "kubernetes_audit", f"is {given!r}", fix


@dataclass(frozen=True, slots=True)
class WebhookSection:
    """``[webhook]``: where batches of Kubernetes API servers are taken.

    ``castoff normalize`` reads it, and an agent whose ``sources.kubernetes_audit`` is ``webhook``.
    """

    listen: str = ""
    """HOST:PORT. Empty: it does not listen."""
    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    """The authority of the clients' certificates; a client without one is refused."""

    def mistakes(self) -> Iterator[Mistake]:
        """Yield section, key, problem and fix of each value that no type refuses."""
        files = {"certificate": self.certificate, "key": self.key, "client_ca": self.client_ca}
        yield from listen_mistakes("webhook", self.listen, files)


@dataclass(frozen=True, slots=True)
class StoreSection:
    """``[store]``."""

    sync: str = "full"
    """``full`` survives a power cut, ``normal`` a crash of the agent."""
    max_mib: int = 512
    max_age_days: int = 30


@dataclass(frozen=True, slots=True)
class DeliverySection:
    """``[delivery]``: what all outputs share."""

    flush_seconds: float = 5.0
    """How long a stopping agent goes on delivering. What is left is delivered by the next one."""
    dead_letters: int = 10_000
    """Limit of kept dead letters: events that collectors refused. The oldest goes first."""


@dataclass(frozen=True, slots=True)
class Config:
    """All sections, and what the command line adds to them. Passed whole."""

    agent: AgentSection = field(default_factory=AgentSection)
    socket: SocketSection = field(default_factory=SocketSection)
    identity: IdentitySection = field(default_factory=IdentitySection)
    sources: SourcesSection = field(default_factory=SourcesSection)
    webhook: WebhookSection = field(default_factory=WebhookSection)
    push: PushSection = field(default_factory=PushSection)
    push_sns: SnsSection = field(default_factory=SnsSection)
    push_event_bridge: EventBridgeSection = field(default_factory=EventBridgeSection)
    push_event_grid: EventGridSection = field(default_factory=EventGridSection)
    push_pub_sub: PubSubSection = field(default_factory=PubSubSection)
    kafka: KafkaSection = field(default_factory=KafkaSection)
    store: StoreSection = field(default_factory=StoreSection)
    delivery: DeliverySection = field(default_factory=DeliverySection)
    notify: NotifySettings = field(default_factory=NotifySettings)
    outputs: tuple[OutputSettings, ...] = ()
    """``[outputs.NAME]``, one table each."""
    directory: Path = DEFAULT_PATH.parent
    """Where the file is, with the policy and the changes beside it."""
    capture: Path | None = None
    """File of all observations, of ``castoff record``."""
    pin_root: Path = Path("/sys/fs/bpf/castoff")
    """Where the probe sets are pinned."""

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read ``path`` and then its drop-ins in order of their names; later ones win.

        Without a path the default one is read if it exists. Raises :class:`ConfigError`.
        """
        wanted = path or DEFAULT_PATH
        config, written, outputs = cls(), Tree(), Tree()
        for file in files(path):
            document = read_file(file)
            outputs = overlay(outputs, _outputs(document, file), file)
            config = config.merged(document, file)
            written = overlay(written, document, file)
        config = replace(
            config, outputs=outputs_of(outputs, wanted), directory=wanted.absolute().parent
        )
        for section, key, problem, fix in config.mistakes():
            place = tables.file_of(written, (section, key), wanted)
            raise ConfigError(f"{place}: {section}.{key} {problem}", fix)
        try:
            parser_with(config.identity.cgroup_patterns)
        except ConfigError as error:
            place = tables.file_of(written, ("identity", "cgroup_patterns"), wanted)
            raise ConfigError(f"{place}: {error.problem}", error.fix) from None
        return config

    def merged(self, document: dict[str, Any], path: Path) -> Self:
        """Return a copy with what ``document`` sets. Raises :class:`ConfigError`."""
        sections = {name: getattr(self, name) for name in self.sections()}
        for name, values in document.items():
            section = sections.get(name)
            if section is None:
                raise _unknown_section(path, name, values, sections)
            if not isinstance(values, dict):
                raise ConfigError(
                    f"{path}: {name} is not a section", f"Write [{name}] above its keys."
                )
            sections[name] = _section(section, name, values, path)
        return replace(self, **sections)

    @classmethod
    def sections(cls) -> tuple[str, ...]:
        """Return the names of the sections, but for ``outputs``."""
        return tuple(one.name for one in fields(cls) if one.name not in _BESIDE_SECTIONS)

    def pushes(self) -> PushSettings:
        """Return the sections about pushes of clouds."""
        return PushSettings(
            self.push,
            self.push_sns,
            self.push_event_bridge,
            self.push_event_grid,
            self.push_pub_sub,
        )

    def mistakes(self) -> Iterator[Mistake]:
        """Yield section, key, problem and fix of each value that no type refuses."""
        agent, store, delivery = self.agent, self.store, self.delivery
        for section in (self.sources, self.webhook, self.pushes(), self.kafka, self.notify):
            yield from section.mistakes()
        if self.sources.kubernetes_audit == WEBHOOK and not self.webhook.listen:
            fix = "Give listen, certificate, key and client_ca of [webhook]."
            yield "webhook", "listen", "is missing: sources.kubernetes_audit is webhook", fix
        if store.sync not in ("full", "normal"):
            yield "store", "sync", f"is {store.sync!r}", "Use full or normal."
        if agent.log_level not in LOG_LEVELS:
            fix = f"Use one of {', '.join(LOG_LEVELS)}."
            yield "agent", "log_level", f"is {agent.log_level!r}", fix
        if agent.heartbeat_seconds < 0:
            fix = "Give seconds, or 0 for no sign of life."
            yield "agent", "heartbeat_seconds", "is below 0", fix
        for key in ("max_mib", "max_age_days"):
            if getattr(store, key) < 1:
                yield "store", key, "is below 1", "Give a positive number."
        if not 0 <= delivery.flush_seconds <= FLUSH_MAX:
            fix = f"Give 0 to {FLUSH_MAX:g} seconds."
            yield "delivery", "flush_seconds", f"is {delivery.flush_seconds:g}", fix
        if not 0 <= delivery.dead_letters <= DEAD_LETTERS_MAX:
            fix = f"Give 0 to {DEAD_LETTERS_MAX}."
            yield "delivery", "dead_letters", f"is {delivery.dead_letters}", fix


def files(path: Path | None = None) -> list[Path]:
    """Return the file and its drop-ins in the order in which they count."""
    wanted = path or DEFAULT_PATH
    directory = wanted.parent / DROP_IN_DIR
    return [
        *([wanted] if path is not None or wanted.exists() else []),
        *(sorted(directory.glob("*.toml")) if directory.is_dir() else []),
    ]


def _unknown_section(path: Path, name: str, found: object, sections: dict[str, Any]) -> ConfigError:
    if not isinstance(found, dict):
        homes = [one for one in sections if name in get_type_hints(type(sections[one]))]
        fix = f"Write it below [{homes[0]}]." if len(homes) == 1 else "Write it below its section."
        return ConfigError(f"{path}: the key {name} is in no section", fix)
    known = (*sections, "outputs.NAME")
    meant = nearest(name, (*sections, "outputs"))
    question = "" if meant is None else f"Did you mean [{meant.replace('outputs', known[-1])}]? "
    fix = f"{question}Use one of {', '.join(f'[{one}]' for one in known)}."
    return ConfigError(f"{path}: there is no section [{name}]", fix)


def _outputs(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """Take ``[outputs]`` out of a document."""
    found = document.pop("outputs", {})
    if not isinstance(found, dict):
        raise ConfigError(
            f"{path}: outputs is not a section", "Write [outputs.NAME] above the keys of an output."
        )
    return found


def read_file(path: Path) -> dict[str, Any]:
    """Return one file's tables. Raises :class:`ConfigError`."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                # Its keys name programs to run and places to send events to.
                raise ConfigError(
                    f"{path}: may be written by every account", f"Run: chmod o-w {path}"
                )
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        fix = "Check the path and its permissions, or leave --config out."
        raise ConfigError(f"{path}: {error.strerror}", fix) from error
    if len(data) > SIZE_MAX:
        raise ConfigError(f"{path}: larger than {SIZE_MAX} bytes", "Is this the right file?")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        problem = "nested too deep" if isinstance(error, RecursionError) else error
        raise ConfigError(f"{path}: {problem}", "The file has to be TOML (toml.io).") from error


def _section(section: _Section, name: str, values: dict[str, Any], path: Path) -> _Section:
    hints = get_type_hints(type(section))
    changed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            raise tables.unknown_key(path, name, key, hints)
        changed[key] = tables.value(value, hints[key], f"{path}: {name}.{key}")
    return replace(section, **changed)
