"""The pure functions of ``identity`` and ``bpf`` that the core is given, live and in replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.bpf import loader, watched
from sensor.correlate.core import Parsers
from sensor.identity.pattern import parser_with
from sensor.identity.redact import redact_argv

if TYPE_CHECKING:
    from collections.abc import Sequence


def parsers(cgroup_patterns: Sequence[str] = ()) -> Parsers:
    """Gather the pure functions of ``identity`` that the core uses, live and in replay.

    Raises :class:`ConfigError` for a pattern that cannot be used.
    """
    roles = watched.Roles(watched.read(loader.SOURCES / "watched.toml"))
    return Parsers(cgroup=parser_with(cgroup_patterns), redact=redact_argv, role_of=roles.of_name)
