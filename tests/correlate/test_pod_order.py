"""Which containers of a pod were init containers, by their order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from sensor.model.container import Orchestrator
from sensor.model.process import Namespaces
from sensor.model.vocabulary import ContainerId, ContainerType, Engine
from tests.correlate.observations import SHIM, below
from tests.correlate.scenario import Box, Core, described

UID = "0a4d1c6e-0000-4000-8000-000000000001"
SANDBOX, ANOTHER = ContainerId("f" * 64), ContainerId("e" * 64)
INIT = ContainerType.INIT


@dataclass
class Life:
    """A pod's containers, one after the other, a second apart."""

    core: Core
    at: float = 0
    made: int = 0

    def starts(
        self, name: str, attempt: int = 0, *, sandbox: ContainerId = SANDBOX, pid_ns: int = 9
    ) -> Box:
        self.made += 1
        self.at += 1000
        id_ = ContainerId(f"{self.made:064x}")
        box = Box(name, id_, pid=1000 + 10 * self.made).in_pod(UID)
        claim = Orchestrator("kubernetes", "shop", "web-1", UID, name, attempt)
        observed = described(self.at + 1, box, pod=claim, engine=Engine.CONTAINERD)
        description = replace(observed.description, sandbox_id=sandbox)
        self.core >> below(box.create(self.at), SHIM) >> replace(observed, description=description)
        own = Namespaces(1, pid_ns, 3, 4, 5, 6, 7)
        self.core >> replace(box.execs(self.at + 5), namespaces=own)
        return box

    def ends(self, box: Box, code: int = 0) -> None:
        self.at += 1000
        self.core >> box.exits(self.at, code)

    def runs(self, name: str, attempt: int = 0, code: int = 0) -> None:
        self.ends(self.starts(name, attempt), code)

    def types(self) -> dict[str, ContainerType | None]:
        """By name what the latest container of it is."""
        found = self.core.table.members_of(self.core.table.all()[0], UID)
        return {one.pod_container: one.by_order for one in found if one.pod_container is not None}

    def said(self) -> list[str]:
        """What the latest start has as evidence of the one before."""
        return [
            one.what for one in self.core.starts[-1].evidence if "an init container" in one.what
        ]


@pytest.fixture
def life(core: Core) -> Life:
    return Life(core)


def test_each_that_ended_with_0_before_the_next_began_was_an_init_container(life: Life) -> None:
    life.runs("wait")
    life.runs("migrate")
    life.starts("app")
    life.starts("proxy")
    assert life.types() == {"wait": INIT, "migrate": INIT, "app": None, "proxy": None}
    said = [
        [one.what for one in event.evidence if one.what.startswith(("wait", "migrate"))]
        for event in life.core.starts
    ]
    assert said == [
        [],
        ["wait ended with 0 before it: an init container"],
        ["migrate ended with 0 before it: an init container"],
        [],
    ]


def test_its_own_start_says_nothing_of_it_as_nothing_was_known_then(life: Life) -> None:
    life.runs("wait")
    life.starts("app")
    found = [one.orchestrator.container_type for one in life.core.starts if one.orchestrator]
    assert found == [None, None]


def test_an_init_container_may_fail_before(life: Life) -> None:
    life.runs("migrate", code=1)
    life.runs("migrate", attempt=1)
    life.starts("app")
    assert life.types() == {"migrate": INIT, "app": None}


def test_one_that_failed_last_was_none(life: Life) -> None:
    life.runs("main", code=1)
    life.starts("other")
    assert life.types() == {"main": None, "other": None}
    assert life.said() == []


def test_what_still_runs_when_the_next_begins_is_a_main_container_or_a_sidecar(life: Life) -> None:
    first = life.starts("proxy")
    life.runs("setup")
    life.starts("app")
    life.ends(first)
    life.starts("late")
    assert set(life.types().values()) == {None}


def test_what_ends_beside_others_is_no_init_container(life: Life) -> None:
    """As a debugging container of a pod whose main container waits for its next attempt."""
    life.runs("app", code=1)
    life.runs("debugger-1")
    life.starts("debugger-2")
    assert set(life.types().values()) == {None}


def test_a_further_attempt_follows_no_init_container(life: Life) -> None:
    life.runs("one")
    life.starts("other", attempt=2)
    assert set(life.types().values()) == {None}


def test_one_that_starts_again_in_its_sandbox_was_none(life: Life) -> None:
    """A main container that was over before kubelet came to the next one."""
    life.runs("quick")
    life.starts("app")
    assert life.types()["quick"] is INIT
    life.runs("quick", attempt=1)
    life.starts("late")
    assert set(life.types().values()) == {None}


def test_a_new_sandbox_begins_the_order_anew(life: Life) -> None:
    life.runs("app")
    life.starts("other", sandbox=ANOTHER)
    assert set(life.types().values()) == {None}


def test_without_a_sandbox_nothing_is_inferred(life: Life) -> None:
    life.runs("wait")
    box = Box("app", ContainerId("a" * 64), pid=5000).in_pod(UID)
    claim = Orchestrator("kubernetes", "shop", "web-1", UID, "app", 0)
    life.core >> below(box.create(9000), SHIM)
    life.core >> described(9001, box, pod=claim, engine=Engine.CONTAINERD) >> box.execs(9005)
    assert life.types() == {"wait": None, "app": None}
