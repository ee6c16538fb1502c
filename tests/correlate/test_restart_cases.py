"""Restarts, reactivations and boots of an engine: what decides between them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.container import EngineRecord
from sensor.model.observations import Observation
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import Role, Trigger
from tests.correlate.cases import (
    ANN,
    BOB,
    BY_API,
    EXACT,
    INFERRED,
    MALLORY,
    NONE,
    START,
    cause,
    kind,
    starts,
)
from tests.correlate.observations import (
    SESSION,
    asks,
    caller,
    command,
    connects,
    ended,
    engine_boots,
    facts,
    ns,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import WEB, Core


def test_an_engine_that_was_killed_ends_and_starts_its_orphans(core: Core) -> None:
    """engine-crash-boot: the container ends after the engine has begun again."""
    record = EngineRecord(has_run=True, restart_policy="always")
    core >> starts(WEB, 0) >> engine_boots(60_000) >> WEB.exits(60_900, signal=9)
    core >> starts(WEB.again(), 61_500, record=record)
    event = core.starts[-1]
    assert kind(event) == "restart"
    assert cause(event) == (Trigger.ENGINE_BOOT, NONE, None)


NO_BOOTS: dict[str, tuple[list[Observation], float]] = {
    "the-run-began-after-the-boot": ([engine_boots(-20_000)], 300),
    "long-after-the-boot": ([engine_boots(1000)], 70_000),
    "a-boot-by-a-user": (
        [command(1000, ("dockerd",), role=Role.ENGINE, process=facts(9, 1000, uid=1001))],
        1500,
    ),
    "a-stop-was-asked-for": ([engine_boots(1000), *asks(1200, "docker stop web", ANN)], 1500),
}


@pytest.mark.parametrize(("story", "ends"), NO_BOOTS.values(), ids=NO_BOOTS)
def test_it_is_not_an_engine_boot_otherwise(
    core: Core, story: list[Observation], ends: float
) -> None:
    record = EngineRecord(has_run=True, restart_policy="always")
    before = [one for one in story if one.time < ns(0)]  # type: ignore[union-attr]  # each of these has a time
    core >> before >> starts(WEB, 0) >> [one for one in story if one not in before]
    core >> WEB.exits(ends, signal=9) >> starts(WEB.again(), ends + 5000, record=record)
    assert cause(core.starts[-1])[0] is Trigger.UNKNOWN


ACTIONS = {
    "stop-and-start": (["stop?t=0", "start"], "reactivation"),
    "kill-and-start": (["kill", "start"], "reactivation"),
    "restart": (["restart?t=0"], "restart"),
}


@pytest.mark.parametrize(("actions", "expected"), ACTIONS.values(), ids=ACTIONS)
@pytest.mark.parametrize("how", ["request", "command"])
def test_the_request_decides_and_not_the_gap(
    core: Core, actions: list[str], expected: str, how: str
) -> None:
    """api-stop-then-start: both take less than a second."""
    core >> starts(WEB, 0)
    at = 1000.0
    for action in actions:
        verb = action.partition("?")[0]
        if verb == "start":
            core >> WEB.exits(at - 100)
        if how == "request":
            core >> requests(at, caller(77, at), f"POST /containers/web/{action}")
        else:
            core >> asks(at, f"docker {verb} web", 77)
        at += 400
    if len(actions) == 1:
        core >> WEB.exits(at - 100)
    core >> starts(WEB.again(), at)
    event = core.starts[-1]
    assert kind(event) == expected
    assert cause(event)[1:] == (EXACT, 77)


@pytest.mark.parametrize("how", ["request", "command", "shell"])
@pytest.mark.parametrize("apart", [500, 60_000])
def test_a_restart_of_a_container_that_had_ended_is_a_reactivation(
    core: Core, how: str, apart: int
) -> None:
    """api-stop-then-start, the same kind: there is nothing to stop."""
    core >> starts(WEB, 0) >> WEB.exits(1000, 1)
    at = 1000.0 + apart
    if how == "request":
        core >> requests(at, caller(77, 0), "POST /containers/web/restart")
    elif how == "command":
        core >> asks(at, "docker restart web", 77)
    else:
        # A process that ran before, and becomes the client by execve.
        exec_ = typed(at, "docker restart web", 77)
        older = replace(exec_.process, key=ProcessKey(77, ns(0)))
        exec_ = replace(exec_, process=older)
        core >> exec_ >> replace(talks(exec_), time=ns(at + 1))
    core >> starts(WEB.again(), at + 100)
    assert kind(core.starts[-1]) == "reactivation"
    assert cause(core.starts[-1])[1:] == (EXACT, 77)


def test_a_restart_that_ends_its_container_late_is_a_restart(core: Core) -> None:
    core >> starts(WEB, 0) >> asks(1000, "docker restart -t 30 web", 77) >> WEB.exits(31_000)
    core >> starts(WEB.again(), 31_200)
    assert kind(core.starts[-1]) == "restart"


@pytest.mark.parametrize(("unit", "expected"), [(None, "reactivation"), ("a.service", "restart")])
def test_a_runtime_that_is_run_again_at_once_is_a_request_of_its_own(
    core: Core, unit: str | None, expected: str
) -> None:
    """The same kind: runc by hand. A service that restarts it is one operation with its end."""
    place = CgroupPaths(None, f"/system.slice/{unit}") if unit is not None else SESSION
    web = replace(WEB, place=place)
    core >> web.life(0) >> web.again().life(500)
    later = replace(web, run=20, pid=800)
    core >> later.create(700) >> later.described(701) >> later.execs(705)
    assert kind(core.starts[-1]) == expected


def test_a_restart_command_that_never_connected_disguises_nothing(core: Core) -> None:
    """sec-reactivation-disguised (a)."""
    core >> starts(WEB, 0)
    core >> typed(1000, ["docker", "restart", *"0123456789abcdef"], MALLORY, uid=1001)
    core >> asks(1001, "docker ps", BOB) >> WEB.exits(20_000)
    core >> requests(40_000, caller(77), START) >> starts(WEB.again(), 40_010)
    assert kind(core.starts[-1]) == "reactivation"


def test_a_restart_command_that_ended_before_the_stop_restarted_nothing(core: Core) -> None:
    core >> starts(WEB, 0)
    early = typed(1000, "docker restart web", BOB)
    core >> early >> talks(early) >> ended(1100, early) >> WEB.exits(20_000)
    core >> requests(40_000, caller(77), START) >> starts(WEB.again(), 40_010)
    assert kind(core.starts[-1]) == "reactivation"


def test_an_engine_that_a_user_began_starts_nothing_of_roots(core: Core) -> None:
    """sec-reactivation-disguised (b)."""
    record = EngineRecord(has_run=True, restart_policy="always")
    core >> starts(WEB, 0) >> WEB.exits(1000)
    core >> command(2000, ("dockerd",), role=Role.ENGINE, process=facts(9, 2000, uid=1001))
    core >> connects(20_000, caller(77)) >> starts(WEB.again(), 21_000, record=record)
    assert kind(core.starts[-1]) == "reactivation"
    assert cause(core.starts[-1]) == (BY_API, INFERRED, 77)
