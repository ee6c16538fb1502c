"""Operators' own patterns for cgroup layouts that Castoff does not know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.errors import ConfigError
from sensor.identity.cgroup import MAX_PATH, parse
from sensor.model.container import CgroupIdentity, CgroupParser
from sensor.model.vocabulary import ContainerId

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PATTERNS = 32
MAX_PATTERN = 512
"""Characters of one pattern."""

MAX_ID = 1024
"""Longest id that a pattern may yield: what OCI runtimes take (runc: ``validateID``)."""

_NESTED_REPEAT = re.compile(r"[+*}]\??\)(?:[+*]|\{\d*,\d*\})")
"""A repeat right inside a repeated group, ``(a+)+``: matching time explodes with the path."""


def parser_with(patterns: Sequence[str]) -> CgroupParser:
    """Return a parser that tries ``patterns`` in order, and then what Castoff knows by itself.

    A pattern is a regular expression, searched anywhere in the path, with the one named group
    ``id``. Where Castoff sees a container too, with another id, that one is taken for the parent:
    the operator names what is inside it. Raises ConfigError for a pattern that cannot be used.
    """
    if len(patterns) > MAX_PATTERNS:
        problem = f"identity.cgroup_patterns: {len(patterns)} patterns, at most {MAX_PATTERNS}"
        raise ConfigError(problem, "Join patterns with '|', or remove those that are not needed.")
    compiled = tuple(_compiled(pattern) for pattern in patterns)
    if not compiled:
        return parse

    def parse_with_patterns(path: str) -> CgroupIdentity | None:
        if len(path) > MAX_PATH or "/../" in f"{path}/":
            return None
        by_itself = parse(path)
        for pattern in compiled:
            match = pattern.search(path)
            name = match["id"] if match else None
            if name and len(name) <= MAX_ID and "/" not in name and "\0" not in name:
                return _operators(ContainerId(name), by_itself)
        return by_itself

    return parse_with_patterns


def _operators(name: ContainerId, by_itself: CgroupIdentity | None) -> CgroupIdentity:
    if by_itself is None or not by_itself.exact:
        return CgroupIdentity(id=name, engine=None)
    if by_itself.id == name:
        return by_itself
    return CgroupIdentity(id=name, engine=None, parents=(*by_itself.parents, by_itself.id))


def _compiled(pattern: str) -> re.Pattern[str]:
    where = f"identity.cgroup_patterns: {pattern[:80]!r}"
    if len(pattern) > MAX_PATTERN:
        problem = f"{where} is longer than {MAX_PATTERN} characters"
        raise ConfigError(problem, "Shorten the pattern.")
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        problem = f"{where} is not a regular expression: {error}"
        raise ConfigError(problem, "Write it in the syntax of Python's re module.") from error
    if set(compiled.groupindex) != {"id"}:
        problem = f"{where} needs exactly one named group, 'id'"
        raise ConfigError(problem, "Mark the id in the pattern as (?P<id>…).")
    if _NESTED_REPEAT.search(pattern):
        problem = f"{where} repeats a group that ends in a repeat"
        raise ConfigError(problem, "Write (a+)+ as a+: nested repeats can take forever.")
    return compiled
