"""What is new about a start: each feature against the past of its workload, its image, the node.

Rules:

1. What a workload is made with (privileges, registry, shell) is compared with its own past from
   the first start on: it does not vary by itself. Who starts it, and other values that vary, need
   ``LEVEL_STARTS`` starts of the workload, else of its image; else the node's past decides.
2. What follows from another novelty is not counted beside it: a new workload has a new image and a
   new entry point by nature.
3. While the node learns, strong facts only are reported, and none on the first day.
4. One weak fact is said in the verdict. One strong or two weak ones make an alert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.frozen import maker
from sensor.judge.assessment import Assessment, Novelty, fact_of, novelty
from sensor.judge.comparison import IMAGE, LEVEL_STARTS, NODE, WORKLOAD, Comparison
from sensor.judge.feature import (
    SYSTEM_NAMESPACES,
    Feature,
    WhoKind,
)
from sensor.judge.findings.unusual_combination import WEAK_FACTS
from sensor.judge.hours import hour_of, unusual_hour
from sensor.judge.image_novelty import of_entrypoint, of_image
from sensor.judge.lesson import TermKey
from sensor.judge.period import on_time
from sensor.judge.tuning import DEFAULT
from sensor.model.account import owner_in
from sensor.model.vocabulary import BaselineState, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.judge.baseline import Baseline
    from sensor.judge.comparison import Moment
    from sensor.judge.feature import Features, Who
    from sensor.judge.habit import Habit
    from sensor.judge.tuning import Tuning

_WHO_FINDINGS = {
    WhoKind.PERSON: Finding.NEW_PERSON,
    WhoKind.CONTAINER: Finding.ENGINE_SOCKET,
}
MAKER_DAYS = 3
"""Days on which a service, container or account started new workloads: it does so by nature."""
_MAKERS = frozenset({WhoKind.UNIT, WhoKind.CONTAINER, WhoKind.ACCOUNT})
_assessment = maker(Assessment)


def assess(
    baseline: Baseline, features: Features, moment: Moment, tuning: Tuning = DEFAULT
) -> Assessment:
    """Compare a start with the past."""
    habit = baseline.habit(features, moment.at)
    # A person's start alone has an hour, which may be an unusual one.
    if habit is None or habit.own.starts < LEVEL_STARTS or features.person is not None:
        return _Look(baseline, features, moment, tuning).result(habit)
    past, phase, rhythm = habit.own, baseline.phase(moment.at), None
    if moment.zone is not None and phase is not BaselineState.LEARNING:
        rhythm = on_time(past.times, moment.at, moment.zone)
    enough, since = tuning.number(WEAK_FACTS), past.own.first
    return _assessment(features, phase, WORKLOAD, past.starts, since, (), (), enough, rhythm, habit)


class _Look(Comparison):
    """The comparison of one start."""

    def result(self, habit: Habit | None) -> Assessment:
        phase = self.baseline.phase(self.at)
        level, profile = self.level()
        if self.baseline.first_day(self.at):
            found: tuple[Novelty, ...] = ()
            terms: tuple[TermKey, ...] = ()
        else:
            found = tuple(self._novelties() if habit is None else self._hour())
            terms = tuple(term for one in found for term in one.terms)
            if phase is BaselineState.LEARNING:
                found = tuple(one for one in found if one.strong)
        starts = profile.starts if profile is not None else self.baseline.state.starts
        since = profile.own.first if profile is not None else self.baseline.state.began
        enough = self.tuning.number(WEAK_FACTS)
        # It is said of a start like earlier ones, which a node that learns does not name.
        rhythm = None if found or phase is BaselineState.LEARNING else self._rhythm()
        return _assessment(
            self.features, phase, level, starts, since, found, terms, enough, rhythm, habit
        )

    def _rhythm(self) -> str | None:
        zone = self.moment.zone
        if self.instance is None or zone is None:
            return None
        return on_time(self.instance.times, self.at, zone)

    def _novelties(self) -> Iterator[Novelty]:
        yield from self._who()
        yield from self._runtime()
        yield from self._privileges()
        yield from of_image(self)
        yield from of_entrypoint(self)
        yield from self._instance()
        yield from self._special()
        yield from self._hour()

    # ----------------------------------------------------------------- who

    def _who(self) -> Iterator[Novelty]:
        whos = self.features.whos
        if not whos or self.features.by_engine:
            return
        at, node = self.at, self.baseline.node
        seen = " or ".join(who.value for who in whos)
        if not any(self.node_knows(Feature.INITIATOR, who.value) for who in whos):
            known = node.values(Feature.INITIATOR, at)
            terms = self._terms_of_who(whos)
            finding = _WHO_FINDINGS.get(whos[0].kind, Finding.NEW_INITIATOR)
            yield novelty(Feature.INITIATOR, known, seen, NODE, terms, finding)
            return
        profile = self.instance
        if profile is None or profile.starts < LEVEL_STARTS:
            return
        if not any(profile.knows(Feature.INITIATOR, who.value, at) for who in whos):
            known = profile.values(Feature.INITIATOR, at)
            terms = self._terms_of_who(whos)
            yield novelty(Feature.INITIATOR, known, seen, WORKLOAD, terms, strong=False)

    def _terms_of_who(self, whos: tuple[Who, ...]) -> tuple[TermKey, ...]:
        # Of several who may have done it, none is known to have.
        if len(whos) > 1:
            return ()
        return self.terms(Feature.INITIATOR, whos[0].value)

    def _runtime(self) -> Iterator[Novelty]:
        path, at = self.features.runtime, self.at
        if path is None or self.node_knows(Feature.RUNTIME, path):
            return
        known = self.baseline.node.values(Feature.RUNTIME, at)
        if self.features.owner is None:
            # What others run makes none of root's unknown.
            known = tuple(one for one in known if owner_in(one) is None)
        if known:
            terms = (TermKey(None, Feature.RUNTIME, path),)
            yield novelty(Feature.RUNTIME, known, path, NODE, terms, Finding.UNKNOWN_RUNTIME)

    # ----------------------------------------------------------------- privileges

    def _privileges(self) -> Iterator[Novelty]:
        for atoms, strong in (
            (self.features.strong_atoms, True),
            (self.features.weak_atoms, False),
        ):
            new, level = self._new_atoms(atoms, strong=strong)
            if not new:
                continue
            seen = ", ".join(sorted(new))
            terms = tuple(
                term for atom in sorted(new) for term in self.terms(Feature.PRIVILEGE, atom)
            )
            grave = strong and level != _BORROWED
            yield novelty(
                Feature.PRIVILEGE,
                self._known_atoms(level),
                seen,
                NODE if level == _BORROWED else level,
                terms,
                Finding.NEW_PRIVILEGE if strong else None,
                strong=grave,
            )

    def _new_atoms(self, atoms: frozenset[str], *, strong: bool) -> tuple[frozenset[str], str]:
        at = self.at
        if self.instance is not None:
            known = self.instance
            return frozenset(
                one for one in atoms if not known.knows(Feature.PRIVILEGE, one, at)
            ), WORKLOAD
        unknown = frozenset(one for one in atoms if not self.node_knows(Feature.PRIVILEGE, one))
        if unknown:
            return unknown, NODE
        if self.image is not None and self.image.starts >= LEVEL_STARTS:
            known = self.image
            return frozenset(
                one for one in atoms if not known.knows(Feature.PRIVILEGE, one, at)
            ), IMAGE
        # A new workload with what others on the node have: a weak fact.
        return (atoms if strong else frozenset()), _BORROWED

    def _known_atoms(self, level: str) -> tuple[str, ...]:
        if level == WORKLOAD and self.instance is not None:
            return self.instance.values(Feature.PRIVILEGE, self.at)
        if level == IMAGE and self.image is not None:
            return self.image.values(Feature.PRIVILEGE, self.at)
        return () if level == _BORROWED else self.baseline.node.values(Feature.PRIVILEGE, self.at)

    # ----------------------------------------------------------------- what it belongs to

    def _instance(self) -> Iterator[Novelty]:
        features, at = self.features, self.at
        key = f"w/{features.workload}"
        if features.workload is None:
            return
        if self.owner is None:
            yield from self._new_workload(key)
            return
        container = features.container
        if container is None or self.owner.knows(Feature.CONTAINER, container, at):
            return
        known = self.owner.values(Feature.CONTAINER, at)
        finding = Finding.LATE_CONTAINER if features.late else Finding.NEW_CONTAINER_IN_POD
        terms = (TermKey(key, Feature.CONTAINER, container),)
        yield Novelty(
            fact_of(Feature.CONTAINER, known, container, WORKLOAD, strong=features.late),
            f"{container} of {features.repository}",
            terms,
            finding,
        )

    def _new_workload(self, key: str) -> Iterator[Novelty]:
        features = self.features
        if self.baseline.phase(self.at) is BaselineState.LEARNING:
            return
        workload = features.workload or ""
        named_by_image = self.plain(workload) == f"image/{self.plain(features.repository)}"
        if named_by_image and self.node_knows(Feature.REPOSITORY, features.repository or ""):
            # It has no name of its own, and its image is known.
            return
        makers = [who for who in features.whos if who.kind in _MAKERS]
        if makers and not features.static and all(map(self._is_maker, makers)):
            return
        # The profile's existence is what makes it known.
        terms = (TermKey(key, Feature.WORKLOAD, workload),)
        expected = ("one of those that are known",)
        finding = Finding.STATIC_POD if features.static else None
        yield novelty(
            Feature.WORKLOAD, expected, workload, NODE, terms, finding, strong=features.static
        )
        if features.namespace in SYSTEM_NAMESPACES:
            yield novelty(
                Feature.NAMESPACE,
                ("no new workload in a namespace of the system",),
                features.namespace or "",
                NODE,
                (),
                strong=False,
            )

    def _is_maker(self, who: Who) -> bool:
        return self.baseline.node.days(Feature.MAKER, who.value, self.at) >= MAKER_DAYS

    def _special(self) -> Iterator[Novelty]:
        special = self.features.special
        if special is None:
            return
        past = self.instance
        if past is not None and past.knows(Feature.KIND, special, self.at):
            return
        finding = Finding.RESTORED if special == "restored" else Finding.DORMANT
        seen = "from a checkpoint" if special == "restored" else "after a long time stopped"
        yield Novelty(
            fact_of(Feature.KIND, ("an ordinary start",), seen, WORKLOAD, strong=True),
            f"{special} {self.features.workload}",
            self.terms(Feature.KIND, special),
            finding,
        )

    def _hour(self) -> Iterator[Novelty]:
        zone = self.moment.zone
        if zone is None or self.features.person is None:
            return
        hour = hour_of(self.at, zone)
        if hour is None:
            return
        usual = unusual_hour(self.baseline, hour, self.at, self.tuning)
        if usual is not None:
            yield novelty(Feature.HOUR, usual, hour, NODE, (), strong=False)


_BORROWED = "borrowed"
