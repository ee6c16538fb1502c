"""Who caused a start: the order of the reasons, services and people, names of other engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate import initiator
from sensor.model.container import EngineRecord
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import Confidence, Lineage, StartKind, Trigger
from tests.correlate.causes import (
    ANN,
    BOB,
    BOOT,
    BY_API,
    EXACT,
    INFERRED,
    POD,
    POD_UID,
    UNKNOWN,
    candidates,
    pid,
    process,
    runs,
    said,
    starts,
)
from tests.correlate.observations import (
    SESSION,
    SHIM,
    ancestor,
    asks,
    below,
    caller,
    connects,
    ended,
    engine_boots,
    facts,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import DB, WEB, Core, described

PODMAN = ancestor("podman", BOB, 1450)
LAUNCHER = facts(33, 1400, comm="launcher", exe="launcher", cgroup=SESSION)


ANSWERS: dict[str, tuple[tuple[Trigger, Confidence, Confidence], int | None]] = {
    "by_request": ((Trigger.API_CLIENT, Confidence.EXACT, Confidence.EXACT), 60),
    "by_descent": (EXACT, BOB),
    "by_command": (EXACT, ANN),
    "by_policy": ((Trigger.RESTART_POLICY, Confidence.EXACT, Confidence.NONE), None),
    "by_orchestrator": ((Trigger.ORCHESTRATOR, Confidence.EXACT, Confidence.NONE), None),
    "by_engine_boot": (BOOT, None),
    "by_launcher": (INFERRED, 33),
    "by_unread_request": (BY_API, 61),
    "by_elimination": (BY_API, 77),
    "nothing": (UNKNOWN, None),
}


UNREAD = bytes(
    (0, 0, 1, 1, 4, 0, 0, 0, 9, 0xBE, 0, 0, 71, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 66, 10, 64)
)
"""HEADERS with an entry of a table that is not known, DATA, and the beginning of a message."""


ORDER = tuple(reason.__name__ for reason in initiator.REASONS)


def test_the_reasons_are_walked_below() -> None:
    assert (*ORDER, "nothing") == tuple(ANSWERS)


@pytest.mark.parametrize("first", range(len(ANSWERS)), ids=ANSWERS)
def test_the_first_reason_that_answers_is_taken(core: Core, first: int) -> None:
    """Every reason from ``first`` on holds; those before it do not."""
    holds = set(tuple(ANSWERS)[first:])
    again = (WEB.in_pod(POD_UID) if "by_orchestrator" in holds else WEB).again()
    record = EngineRecord(has_run=True, restarting="by_policy" in holds)
    create = again.create(2000)
    execs = again.execs(2005)
    core >> runs(WEB, 0)
    if "by_engine_boot" in holds:
        core >> engine_boots(1000)
    if "by_launcher" in holds:
        # Known only where no runtime's command explains the container.
        execs = replace(
            again.execs(2005, lineage=Lineage.CGROUP),
            process=replace(execs.process, ancestors=(ancestor("launcher", 33, 1400),)),
        )
        core >> replace(again.birth(1900), maker=LAUNCHER, argv=("launcher", "--all"))
    if "by_unread_request" in holds:
        unread = requests(1550, caller(61), UNREAD + WEB.id.encode())
        core >> replace(unread, connection=9)
    if "by_elimination" in holds:
        core >> connects(1400, caller(77))
    if "by_descent" in holds:
        core >> typed(1450, "podman run other", BOB)
    if "by_command" in holds:
        core >> asks(1500, "docker start web", ANN)
    if "by_request" in holds:
        core >> requests(1600, caller(60), "POST /containers/web/start")
    if "by_descent" in holds:
        core >> below(create, PODMAN)
    elif "by_launcher" not in holds:
        core >> below(create, SHIM)
    (
        core
        >> execs
        >> described(2006, again, record=record, pod=POD if "by_orchestrator" in holds else None)
    )
    event = core.starts[-1]
    answer, cause = ANSWERS[tuple(ANSWERS)[first]]
    assert said(event) == answer
    assert (process(event.initiator).pid if event.initiator else None) == cause
    assert event.candidates == ()


def test_nothing_is_guessed(core: Core) -> None:
    core >> starts(WEB, 0)
    assert said(core.start) == UNKNOWN
    assert (core.start.initiator, core.start.candidates) == (None, ())


SERVICE = CgroupPaths(None, "/system.slice/backup.service")


PLACES: dict[str, tuple[CgroupPaths, int | None, str | None, Trigger]] = {
    "session": (CgroupPaths(None, "/user.slice/session-3.scope"), 1000, None, Trigger.USER_COMMAND),
    "unit": (SERVICE, None, None, Trigger.SERVICE_MANAGER),
    "unit-v1": (
        CgroupPaths("/system.slice/backup.service", None), None, None, Trigger.SERVICE_MANAGER
    ),
    "unit-with-a-login": (SERVICE, 1000, None, Trigger.USER_COMMAND),
    "ssh": (CgroupPaths(None, "/system.slice/ssh.service"), None, None, Trigger.USER_COMMAND),
    "sshd": (CgroupPaths(None, "/system.slice/sshd.service"), None, None, Trigger.USER_COMMAND),
    "sshd-instance": (
        CgroupPaths(None, "/system.slice/sshd@1-10.0.0.1.service"), None, None,
        Trigger.USER_COMMAND,
    ),
    "user-manager": (
        CgroupPaths(None, "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope"),
        None, None, Trigger.USER_COMMAND,
    ),
    "unit-of-a-user": (
        CgroupPaths(None, "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service"),
        None, None, Trigger.SERVICE_MANAGER,
    ),
    "console": (CgroupPaths(None, "/system.slice/getty@tty1.service"), None, None,
                Trigger.USER_COMMAND),
    "no-cgroup": (CgroupPaths(None, None), None, None, Trigger.USER_COMMAND),
    "shell": (CgroupPaths(None, None), 1000, "bash", Trigger.USER_COMMAND),
}  # fmt: skip


@pytest.mark.parametrize(("place", "login", "above", "trigger"), PLACES.values(), ids=PLACES)
def test_a_service_is_distinguished_from_a_person(
    core: Core, place: CgroupPaths, login: int | None, above: str | None, trigger: Trigger
) -> None:
    ancestors = (ancestor("sh", 41), ancestor(above, 40)) if above is not None else ()
    core >> asks(0, "docker start web", ANN, login=login, cgroup=place, above=ancestors)
    core >> starts(WEB, 10)
    assert said(core.start) == (trigger, Confidence.EXACT, Confidence.EXACT)


def test_the_unit_of_a_service_is_named_and_that_of_a_login_is_not(core: Core) -> None:
    service = CgroupPaths(None, "/system.slice/backup.service")
    core >> asks(0, "docker start web", ANN, login=None, cgroup=service) >> starts(WEB, 10)
    assert core.start.initiator is not None
    assert core.start.initiator.unit == "backup.service"


def test_a_login_is_in_no_unit(core: Core) -> None:
    session = CgroupPaths(None, "/system.slice/ssh.service")
    core >> asks(0, "docker start web", ANN, login=1000, cgroup=session) >> starts(WEB, 10)
    assert core.start.initiator is not None
    assert core.start.initiator.unit is None


def test_dockers_container_is_named_to_the_containerd_below_by_its_full_id(core: Core) -> None:
    core >> asks(0, f"ctr -n moby tasks start {WEB.id}", 50) >> starts(WEB, 10)
    assert pid(core.starts[-1]) == 50


@pytest.mark.parametrize("line", ["docker start /web", "docker restart /web"])
def test_docker_takes_a_name_with_its_slash(core: Core, line: str) -> None:
    core >> asks(0, line, 50) >> starts(WEB, 10)
    assert said(core.starts[-1])[2] is Confidence.EXACT


def test_a_run_makes_one_container_and_is_not_a_suspect_for_the_next(core: Core) -> None:
    core >> asks(0, "docker run nginx", 50) >> starts(WEB, 10, image="nginx")
    core >> starts(DB, 2000, image="nginx")
    first, second = core.starts
    assert pid(first) == 50
    assert said(second)[2] is Confidence.NONE


def test_a_caller_of_another_engines_socket_is_not_a_cause(core: Core) -> None:
    core >> connects(0, caller(77), socket="/run/podman/podman.sock") >> starts(WEB, 10)
    assert said(core.starts[-1])[2] is Confidence.NONE


def test_a_restart_asked_for_before_the_first_execve_is_its_cause(core: Core) -> None:
    """An engine says that a container is started before its init has executed anything."""
    core >> asks(0, "docker run --name web nginx", 50)
    core >> [below(WEB.create(10), SHIM), described(11, WEB)]
    core >> asks(14, "docker restart web", 51) >> WEB.execs(15) >> WEB.exits(30)
    core >> starts(WEB.again(), 40)
    event = core.starts[-1]
    assert event.start is not None
    assert (event.start.kind, pid(event)) == (StartKind.RESTART, 51)


def test_who_still_waits_for_a_start_after_the_run_that_another_got_is_inferred(core: Core) -> None:
    first, second = typed(0, "docker start web", 50), typed(0, "docker start web", 51)
    core >> first >> talks(first) >> second >> talks(second)
    core >> starts(WEB, 10) >> ended(16, first) >> WEB.exits(20)
    core >> starts(WEB.again(), 40)
    earlier, later = core.starts
    assert candidates(earlier) == [50, 51]
    assert (said(later)[2], pid(later)) == (Confidence.INFERRED, 51)
