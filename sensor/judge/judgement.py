"""A start before its judge: what is known of it, what was found, what was decided."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.judge.assessment import INITIATOR

if TYPE_CHECKING:
    from sensor.judge.assessment import Assessment
    from sensor.judge.case import Facts
    from sensor.judge.change import Change
    from sensor.judge.change_label import Claim
    from sensor.judge.finding import Found
    from sensor.judge.lifecycle import Continuation
    from sensor.judge.policy import Policy
    from sensor.judge.selector import Selector
    from sensor.model.events import Verdict
    from sensor.model.vocabulary import Explanation


@dataclass(slots=True)
class Case:
    """A start before its judge."""

    facts: Facts
    policy: Policy
    changes: tuple[Change, ...]
    """That go on and select it."""
    continuation: Continuation | None
    """What it carries on, if an engine or orchestrator started it by itself."""
    unsettled: str | None = None
    """Why the wall clock cannot be trusted, as a sentence; None where it can."""
    remarks: list[str] = field(default_factory=list)
    """What steps looked at and could not use."""
    found: list[Found] = field(default_factory=list)
    assessment: Assessment | None = None
    """What is new about it; None where it carries on the same container."""
    claim: Claim | None = None
    """The change that a label names."""
    no_initiator: str | None = None
    """Why the past does not explain it where nothing is known to have caused it."""
    knows_direct: bool = False
    """Whether who starts it is known to run a runtime without an engine."""

    def atoms_for(self, selector: Selector) -> frozenset[str]:
        """Return what an approval with this selector has to allow by name.

        A selector that names who starts approves of a new initiator, too.
        """
        if self.assessment is None:
            return self.facts.atoms
        strong = self.assessment.atoms
        if selector.names_initiator:
            strong = frozenset(one for one in strong if not one.startswith(INITIATOR))
        return self.facts.atoms | strong


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """What a step decided. ``basis`` is what later starts may inherit."""

    expected: bool | None
    reasons: tuple[str, ...]
    explanation: Explanation | None = None
    basis: str | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and what has to be remembered of it."""

    verdict: Verdict
    decision: Decision
    found: tuple[Found, ...] = ()
    beside: tuple[Found, ...] = ()
    """What the baseline would have found, had not a strong finding or a rule decided before it."""
