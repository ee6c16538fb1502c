"""The tables ``[outputs.NAME]`` of the configuration.

Every output has the keys of :class:`Common`, and those of its kind beside them.
"""

from __future__ import annotations

import re
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.outputs import registry
from sensor.schema import filters
from sensor.settings import tables
from sensor.settings.secret import hidden, secrets_of
from sensor.settings.tables import Placed, Tree

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.outputs.delivery import Format, Transport
    from sensor.outputs.network.tls import TlsSettings
    from sensor.outputs.registry import OutputKind, Surroundings
    from sensor.schema.filters import Filters

OUTPUTS_MAX = 16
"""Each holds batches in memory and a cursor in the store."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_NAME_FIX = "Use a small letter and up to 31 of a-z, 0-9, - and _."


class StartAt(StrEnum):
    """Where an output begins that has never shipped anything."""

    OLDEST = "oldest"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class Common:
    """``[outputs.NAME]``: the keys that every kind has."""

    type: str
    """``forward``, ``http``, ``jsonl``, ``kafka``, ``nats``, ``otlp`` or ``syslog``."""
    format: str | None = None
    """The encoding: ``native``, ``ocsf``, ``ecs``, ``otel``, ``cef`` or ``cloudevents``."""
    filter: tuple[str, ...] = ()
    """Ship only events that fit, as in ``castoff events --filter``: ``key=value``."""
    types: tuple[str, ...] = ()
    """Ship only events of these types: ``start``, ``stop``, ``gap``, …"""
    start: StartAt = StartAt.OLDEST
    """Where a new output begins: at the oldest event of the log, or at the next one."""


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """One output as it is configured."""

    name: str
    kind: str
    own: object
    """The kind's own settings."""
    format: str
    filters: Filters
    start: StartAt
    file: Path | None = None
    """Where its table stands, for errors."""

    def check_files(self) -> None:
        """Read authorities, certificate and key of the table tls; raises :class:`ConfigError`.

        A running agent reads them anew for each connection: one that is missing for a while costs
        no start.
        """
        tls: TlsSettings | None = getattr(self.own, "tls", None)
        if tls is None:
            return
        # OpenSSL takes some MiB.
        from sensor.outputs.network.tls import TlsUnusable, context

        try:
            context(tls)
        except TlsUnusable as error:
            problem = f"{self.file}: [outputs.{self.name}.tls]: {error}"
            raise ConfigError(problem, "Name PEM files that the agent can read.") from None

    def transport(self, surroundings: Surroundings) -> tuple[Transport, Format]:
        """Make the transport and its format; raises :class:`ConfigError`."""
        kind: OutputKind[Any] = registry.kind_of(self.kind)
        form = registry.format_of(self.format)
        return kind.make(self.own, form, surroundings), form

    def without_secrets(self, text: str) -> str:
        """Return a text, in which a secret of this output may be quoted, without it."""
        return hidden(text, tuple(secrets_of(self.own)))


def outputs_of(tree: Tree, file: Path) -> tuple[OutputSettings, ...]:
    """Read ``[outputs]``, all tables of it; raises :class:`ConfigError`."""
    if len(tree) > OUTPUTS_MAX:
        raise ConfigError(f"{file}: there are {len(tree)} outputs", f"{OUTPUTS_MAX} at most.")
    return tuple(_output(name, found, file) for name, found in tree.items())


def _output(name: str, found: Placed | Tree, file: Path) -> OutputSettings:
    if isinstance(found, Placed):
        problem = f"{found.file}: outputs.{name} is not a table"
        raise ConfigError(problem, f"Write [outputs.{name}] above its keys.")
    if not _NAME.fullmatch(name):
        problem = f"{tables.file_of(found, (), file)}: {name!r} is not a name for an output"
        raise ConfigError(problem, _NAME_FIX)
    common_keys = {one.name for one in fields(Common)}
    table = f"outputs.{name}"
    shared: Tree = {key: one for key, one in found.items() if key in common_keys}
    own: Tree = {key: one for key, one in found.items() if key not in common_keys}
    if "type" not in shared:
        problem = f"{_where(found, next(iter(found), 'type'), file)}: [{table}] lacks the key type"
        raise ConfigError(problem, f"Add type = one of {', '.join(registry.KINDS)}.")
    common = tables.build(Common, shared, table, file)
    if common.type not in registry.KINDS:
        problem = f"{_where(found, 'type', file)}: {table}.type: there is no kind {common.type!r}"
        raise ConfigError(problem, f"Use one of {', '.join(registry.KINDS)}.")
    kind = registry.kind_of(common.type)
    form = common.format or kind.format
    known = kind.formats or tuple(registry.FORMATS)
    if form not in known:
        where = _where(found, "format", file)
        problem = f"{where}: {table}.format: {common.type} has no format {form!r}"
        raise ConfigError(problem, f"Use one of {', '.join(known)}.")
    try:
        wanted = filters.parse(common.filter, common.types)
    except ValueError as error:
        where = _where(found, "filter" if common.filter else "types", file)
        fix = "See docs/operations.md for filters and types."
        raise ConfigError(f"{where}: [{table}]: {error}", fix) from error
    return OutputSettings(
        name=name,
        kind=common.type,
        own=_own(kind, own, table, file),
        format=form,
        filters=wanted,
        start=common.start,
        file=_where(found, "tls", file),
    )


def _own(kind: OutputKind[Any], own: Tree, table: str, file: Path) -> object:
    known = [one.name for one in fields(kind.settings)]
    for key in own:
        if key not in known:
            every = (*(one.name for one in fields(Common)), *known)
            raise tables.unknown_key(tables.file_of(own, (key,), file), table, key, every)
    built: object = tables.build(kind.settings, own, table, file)
    return built


def _where(found: Tree, key: str, file: Path) -> Path:
    return tables.file_of(found, (key,), file)
