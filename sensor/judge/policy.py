"""A policy: what a site expects, forbids and wants explained. Immutable once it is read."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.privilege import strong
from sensor.judge.rule_index import RuleIndex
from sensor.judge.tuning import DEFAULT, Tuning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.judge.case import Facts
    from sensor.judge.glob import Glob
    from sensor.judge.selector import Selector
    from sensor.judge.window import Window
    from sensor.model.vocabulary import Finding

RULES_MAX = 4096
"""Rules of a whole policy."""


@unique
class Section(StrEnum):
    """The tables of a policy file."""

    EXPECT = "expect"
    FORBID = "forbid"
    WINDOW = "window"
    REQUIRE = "require_explanation"
    APPROVE = "approve"
    SUPPRESS = "suppress"


@dataclass(frozen=True, slots=True)
class Rule:
    """What all rules have. ``place`` is where it stands, ``file:line``."""

    section: Section
    name: str
    selector: Selector
    place: str
    windows: tuple[Window, ...] = ()
    """Within which it holds; none is always."""
    allows: tuple[Glob, ...] = ()
    """Of ``expect``: the privilege atoms that it explains."""

    def in_time(self, wall: int) -> bool:
        """Whether it holds at a wall-clock time in ns."""
        return not self.windows or any(window.holds(wall) for window in self.windows)

    def lacking(self, atoms: frozenset[str]) -> tuple[str, ...]:
        """Return the strong privilege atoms that it does not name."""
        return not_allowed(self.allows, atoms)


@dataclass(frozen=True, slots=True)
class Approval(Rule):
    """Images that are approved for the starts that the selector selects."""

    repositories: tuple[Glob, ...] = ()
    tags: tuple[Glob, ...] = ()
    digests: frozenset[str] = frozenset()
    pinned: bool = False
    """Whether the reference that the container is made from has to name a digest."""

    @property
    def demands(self) -> bool:
        """Whether it asks for anything."""
        return bool(self.repositories or self.tags or self.digests or self.pinned)

    def unpinned(self, facts: Facts) -> str | None:
        """Return that a digest is wanted and the reference named none; None where unknown."""
        image = facts.event.container.image if facts.event.container is not None else None
        if not self.pinned or image is None or image.pinned is not False:
            return None
        return _unlike("image", ("a digest",), image.name or "none")

    def refusal(self, facts: Facts) -> str | None:
        """Return why the start's image is not approved here; None where it is, or is unknown."""
        image = facts.event.container.image if facts.event.container is not None else None
        if facts.image is None:
            return None
        repository = facts.image.repository
        if self.repositories and not any(
            glob.matches(name)
            for glob in self.repositories
            for name in (repository, *facts.image_names)
        ):
            return _unlike("repository", [glob.pattern for glob in self.repositories], repository)
        if self.tags and not any(glob.matches(facts.image.tag) for glob in self.tags):
            return _unlike("tag", [glob.pattern for glob in self.tags], facts.image.tag)
        digest = image.digest if image is not None else None
        if self.digests and digest is not None and digest not in self.digests:
            return _unlike("digest", sorted(self.digests), digest)
        return None


@dataclass(frozen=True, slots=True)
class Suppression(Rule):
    """A finding that is not to be raised for the starts selected, for a time and for a reason."""

    finding: Finding | None = None
    until: int = 0
    """Wall-clock ns."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules by section."""

    expect: RuleIndex[Rule] = field(default_factory=lambda: RuleIndex[Rule](()))
    forbid: RuleIndex[Rule] = field(default_factory=lambda: RuleIndex[Rule](()))
    windows: RuleIndex[Rule] = field(default_factory=lambda: RuleIndex[Rule](()))
    """Windows that have a selector: what they select may start within them only."""
    require: RuleIndex[Rule] = field(default_factory=lambda: RuleIndex[Rule](()))
    approve: RuleIndex[Approval] = field(default_factory=lambda: RuleIndex[Approval](()))
    suppress: RuleIndex[Suppression] = field(default_factory=lambda: RuleIndex[Suppression](()))
    tuning: Tuning = DEFAULT
    """What is set of findings and of the baseline."""
    digest: str | None = None
    """SHA-256 of the files that it was read from; None for the empty policy."""
    files: tuple[str, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order in which sections are asked."""
        return (
            *self.forbid.rules,
            *self.windows.rules,
            *self.approve.rules,
            *self.expect.rules,
            *self.require.rules,
            *self.suppress.rules,
        )


def not_allowed(allows: Iterable[Glob], atoms: frozenset[str]) -> tuple[str, ...]:
    """Return the strong atoms that no pattern of ``allows`` names, sorted."""
    patterns = tuple(allows)
    return tuple(
        sorted(atom for atom in strong(atoms) if not any(glob.matches(atom) for glob in patterns))
    )


def _unlike(what: str, expected: Iterable[str], seen: str) -> str:
    return f"{what}: expected {' or '.join(expected)}, seen {seen}"
