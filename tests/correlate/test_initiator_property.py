"""Whatever happens in whatever order, an answer is exact by a name or by descent only."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.decision import CANDIDATES_MAX
from sensor.model.kernel_records import CommandExec
from sensor.model.observations import Observation
from sensor.model.vocabulary import Confidence, Trigger
from tests.correlate.causes import pid, said, starts
from tests.correlate.observations import (
    SHIM,
    asks,
    audited,
    below,
    caller,
    connects,
    ended,
    engine_boots,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import WEB, Core, described, numbered

BOXES = tuple(numbered(number) for number in range(3))
PEOPLE = range(50, 56)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("run", "name", "end", "connect", "request", "audit", "boot", "live", "stop")
        ),
        st.integers(0, len(BOXES) - 1),
        st.sampled_from(PEOPLE),
        st.booleans(),
    ),
    max_size=40,
)


class Story:
    """Makes observations of steps, and keeps who has named or borne which container."""

    def __init__(self) -> None:
        self.core = Core()
        self.may: dict[str, set[int]] = {box.id: set() for box in BOXES}
        self._boxes = list(BOXES)
        self._clients: dict[int, CommandExec] = {}
        self._alive: set[int] = set()
        self._at = 0.0

    def step(self, what: str, number: int, who: int, *, flag: bool) -> None:
        self._at += 7
        make: dict[str, Callable[[], list[Observation]]] = {
            "run": lambda: self._type(who, "docker run nginx"),
            "name": lambda: self._name(number, who, flag=flag),
            "end": lambda: self._end(who),
            "connect": lambda: [connects(self._at, caller(who, -1))],
            "request": lambda: self._request(number, who),
            "audit": lambda: [audited(self._at, who)],
            "boot": lambda: [engine_boots(self._at)],
            "live": lambda: self._live(number, engine=flag),
            "stop": lambda: self._stop(number),
        }
        self.core >> make[what]()

    def _type(self, who: int, line: str) -> list[Observation]:
        self._clients[who] = client = typed(self._at, line, who)
        return [client, talks(client)]

    def _name(self, number: int, who: int, *, flag: bool) -> list[Observation]:
        box = self._boxes[number]
        self.may[box.id].add(who)
        return self._type(who, f"docker {'start' if flag else 'restart'} {box.name}")

    def _end(self, who: int) -> list[Observation]:
        client = self._clients.pop(who, None)
        return [ended(self._at, client)] if client is not None else []

    def _request(self, number: int, who: int) -> list[Observation]:
        box = self._boxes[number]
        self.may[box.id].add(who)
        return [requests(self._at, caller(who, -1), f"POST /containers/{box.id}/start")]

    def _live(self, number: int, *, engine: bool) -> list[Observation]:
        if number in self._alive:
            return self._stop(number)
        self._alive.add(number)
        box = self._boxes[number]
        create = box.create(self._at)
        if engine:
            create = below(create, SHIM)
        else:
            self.may[box.id].add(box.pid)
        self._at += 4
        return [create, described(self._at, box, image="nginx"), box.execs(self._at)]

    def _stop(self, number: int) -> list[Observation]:
        if number not in self._alive:
            return []
        self._alive.remove(number)
        box = self._boxes[number]
        self._boxes[number] = box.again()
        return [box.exits(self._at)]


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_an_answer_is_exact_by_a_name_or_by_descent_only(
    steps: list[tuple[str, int, int, bool]],
) -> None:
    story = Story()
    for what, number, who, flag in steps:
        story.step(what, number, who, flag=flag)
    assert not story.core.core.defects
    for event in story.core.starts:
        trigger, trigger_confidence, confidence = said(event)
        assert event.container is not None
        if confidence is Confidence.EXACT:
            assert event.container.id is not None
            assert pid(event) in story.may[event.container.id]
            assert event.evidence
        assert (event.initiator is not None) == (
            confidence in (Confidence.EXACT, Confidence.INFERRED)
        )
        assert bool(event.candidates) == (confidence is Confidence.AMBIGUOUS)
        assert len(event.candidates) in {0, *range(2, CANDIDATES_MAX + 1)}
        assert (trigger is Trigger.UNKNOWN) == (
            trigger_confidence in (Confidence.NONE, Confidence.AMBIGUOUS)
        )


@pytest.mark.parametrize(
    "line", ["podman start web", f"podman start {WEB.id}", "podman restart web"]
)
def test_a_name_given_to_another_engine_names_another_container(core: Core, line: str) -> None:
    core >> asks(0, line, 50) >> starts(WEB, 10)
    assert said(core.starts[-1]) == (Trigger.UNKNOWN, Confidence.NONE, Confidence.NONE)
