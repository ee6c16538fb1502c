"""Restart policies, orchestrators and the boot of an engine as causes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.kind import ENGINE_BOOT_WINDOW
from sensor.model.container import EngineRecord
from sensor.model.observations import Observation
from sensor.model.vocabulary import Confidence, Engine, Role, Trigger, Witness
from tests.correlate.causes import (
    ANN,
    BOOT,
    EXACT,
    IN_BOX,
    IN_POD,
    POD,
    UNKNOWN,
    pid,
    runs,
    said,
    starts,
)
from tests.correlate.observations import MS, asks, caller, command, connects, engine_boots, facts
from tests.correlate.scenario import WEB, Core

# ------------------------------------------------------------------ 3 and 4: the engine's own word


def test_an_engine_that_restarts_by_policy_has_no_initiator(core: Core) -> None:
    record = EngineRecord(has_run=True, restarting=True, restart_policy="always")
    core >> runs(WEB, 0) >> connects(50, caller(77)) >> starts(WEB.again(), 100, record=record)
    event = core.starts[-1]
    assert said(event) == (Trigger.RESTART_POLICY, Confidence.EXACT, Confidence.NONE)
    assert event.initiator is None
    assert [one.source for one in event.evidence][-1] is Witness.DOCKER


def test_a_command_outranks_a_policy(core: Core) -> None:
    record = EngineRecord(has_run=True, restarting=True)
    core >> runs(WEB, 0) >> asks(50, "docker start web", ANN)
    core >> starts(WEB.again(), 100, record=record)
    assert said(core.starts[-1]) == EXACT


def test_a_pods_container_is_the_orchestrators(core: Core) -> None:
    core >> connects(0, caller(77)) >> starts(IN_POD, 10, engine=Engine.CONTAINERD, pod=POD)
    assert said(core.start) == (Trigger.ORCHESTRATOR, Confidence.EXACT, Confidence.NONE)
    assert core.start.initiator is None
    assert Witness.KUBERNETES in [one.source for one in core.start.evidence]


def test_a_kubelet_whose_requests_are_not_reported_is_the_initiator(
    core: Core,
) -> None:
    socket = "/run/containerd/containerd.sock"
    kubelet = caller(12, comm="kubelet", exe="/usr/bin/kubelet", login=None, uid=0)
    core >> replace(connects(0, kubelet, socket), connection=7)
    core >> starts(IN_POD, 100_000, engine=Engine.CONTAINERD, pod=POD)
    assert pid(core.start) == 12


@pytest.mark.parametrize("comm", ["kubelet", "k3s-server", "rke2"])
def test_a_kubelet_that_connected_is_inferred_as_the_initiator(core: Core, comm: str) -> None:
    socket = "/run/containerd/containerd.sock"
    kubelet = caller(12, comm=comm, exe=f"/usr/bin/{comm}", login=None, uid=0)
    core >> connects(0, kubelet, socket)
    core >> connects(1, caller(77), socket)
    core >> starts(IN_POD, 100_000, engine=Engine.CONTAINERD, pod=POD)
    assert said(core.start) == (Trigger.ORCHESTRATOR, Confidence.EXACT, Confidence.INFERRED)
    assert pid(core.start) == 12


# ------------------------------------------------------------------ 5: an engine's boot

INSIDE = replace(facts(9, 1000, comm="dockerd", exe="dockerd"), cgroup=IN_BOX)
BOOT_SECONDS = ENGINE_BOOT_WINDOW / MS
BOOTS: dict[str, tuple[Observation, float, str | None, tuple[Trigger, Confidence, Confidence]]] = {
    "between-stop-and-start": (engine_boots(1000), 2000, None, BOOT),
    "policy-always": (engine_boots(1000), 2000, "always", BOOT),
    "policy-unless-stopped": (engine_boots(1000), 2000, "unless-stopped", BOOT),
    "policy-on-failure": (engine_boots(1000), 2000, "on-failure", BOOT),
    "policy-no": (engine_boots(1000), 2000, "no", UNKNOWN),
    "long-ago": (engine_boots(1000), 1001 + BOOT_SECONDS, None, UNKNOWN),
    "before-the-stop": (engine_boots(5), 2000, None, UNKNOWN),
    "another-engine": (engine_boots(1000, "containerd"), 2000, None, UNKNOWN),
    "inside-a-container": (
        command(1000, ("dockerd",), role=Role.ENGINE, process=INSIDE),
        2000,
        None,
        UNKNOWN,
    ),
}


@pytest.mark.parametrize(("boots", "at", "policy", "answer"), BOOTS.values(), ids=BOOTS)
def test_an_engine_that_began_since_the_stop_started_it(
    core: Core,
    boots: Observation,
    at: float,
    policy: str | None,
    answer: tuple[Trigger, Confidence, Confidence],
) -> None:
    first = runs(WEB, 0)
    earlier = [one for one in first if one.time <= boots.time]  # type: ignore[union-attr]  # each of these has a time
    core >> [*earlier, boots, *first[len(earlier) :]]
    record = EngineRecord(has_run=True, restart_policy=policy)
    core >> starts(WEB.again(), at, record=record)
    assert said(core.starts[-1]) == answer
    assert core.starts[-1].initiator is None


def test_an_engines_boot_starts_nothing_for_the_first_time(core: Core) -> None:
    core >> engine_boots(0) >> starts(WEB, 100)
    assert said(core.start) == UNKNOWN
