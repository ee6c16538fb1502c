"""Who caused a start, by the order of reasons at the top of initiator.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate import initiator
from sensor.correlate.core import Correlator, Parsers
from sensor.correlate.decision import CANDIDATES_MAX
from sensor.identity import cgroup
from sensor.identity.redact import redact_argv
from sensor.model.agent_records import AccountsRead
from sensor.model.container import EngineRecord
from sensor.model.kernel_records import CommandExec
from sensor.model.observations import Observation
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import Confidence, Engine, Lineage, StartKind, Trigger, Witness
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
    WAIT,
    candidates,
    pid,
    process,
    runs,
    said,
    starts,
)
from tests.correlate.observations import (
    DOCKER_SOCKET,
    HOST,
    ROLES,
    SESSION,
    SHIM,
    ancestor,
    asks,
    audited,
    below,
    caller,
    connects,
    ended,
    engine_boots,
    facts,
    ns,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import DB, WEB, Core, described, numbered

# ------------------------------------------------------------------ the order of the reasons

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


# ------------------------------------------------------------------ 7: no one person


def test_nothing_is_guessed(core: Core) -> None:
    core >> starts(WEB, 0)
    assert said(core.start) == UNKNOWN
    assert (core.start.initiator, core.start.candidates) == (None, ())


# ------------------------------------------------------------------ services and people

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
    "cron": (CgroupPaths(None, None), 1000, "cron", Trigger.SERVICE_MANAGER),
    "crond": (CgroupPaths(None, None), 1000, "crond", Trigger.SERVICE_MANAGER),
    "at": (CgroupPaths(None, None), 1000, "atd", Trigger.SERVICE_MANAGER),
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


# ------------------------------------------------------------------ one pid, several processes


def test_a_process_that_has_a_dead_clients_pid_is_not_that_client(core: Core) -> None:
    """The client's end was not seen, as when a record is lost; its pid is another process now."""
    core >> asks(-2000, "docker ps", ANN) >> connects(0, caller(ANN, -100, login=1009))
    core >> starts(WEB, 10)
    assert said(core.start) == BY_API
    assert core.start.initiator is not None
    assert core.start.initiator.user is not None
    assert process(core.start.initiator).start_time == ns(-100)
    assert core.start.initiator.user.auid == 1009


def test_an_ancestor_that_has_a_dead_clients_pid_is_not_that_client(core: Core) -> None:
    core >> asks(0, "podman run nginx", ANN)
    core >> below(WEB.create(5000), ancestor("podman", ANN, 4000))
    core >> described(5001, WEB, engine=Engine.PODMAN, image="other") >> WEB.execs(5005)
    assert said(core.start) == UNKNOWN


def test_the_end_of_a_pids_next_process_does_not_end_the_client(core: Core) -> None:
    client = typed(0, "docker start web", ANN)
    core >> client >> talks(client) >> ended(5, typed(3, "docker ps", ANN)) >> starts(WEB, 10)
    assert said(core.start) == EXACT


def test_audit_is_joined_to_the_command_of_its_pid_and_time(core: Core) -> None:
    core >> asks(0, "docker start web", ANN) >> audited(0, ANN, "/opt/docker/docker")
    core >> audited(0, BOB, "/opt/evil")
    core >> connects(3, caller(ANN, None, comm="docker"), witness=Witness.AUDIT)
    core >> starts(WEB, 10)
    assert said(core.start) == EXACT
    assert process(core.start.initiator).exe == "/opt/docker/docker"
    audit = [one for one in core.start.evidence if one.source is Witness.AUDIT]
    assert [one.what for one in audit] == ["execve", f"connect {DOCKER_SOCKET}"]
    assert all(one.ref for one in audit)


@pytest.mark.parametrize("at", [-1000, 6000], ids=["before", "long-after"])
def test_audit_of_another_time_is_of_another_process(core: Core, at: float) -> None:
    core >> asks(0, "docker start web", ANN) >> audited(at, ANN, "/opt/evil")
    core >> starts(WEB, 8000)
    assert process(core.start.initiator).exe == "docker"
    assert Witness.AUDIT not in [one.source for one in core.start.evidence]


# ----------------------------------------------------------------what is reported of the initiator


SECRETIVE = ("docker", "run", "-e", "DB_PASSWORD=hunter2", "--name", "web", "nginx")
SECRETS: dict[str, list[Observation]] = {
    "command": [*asks(0, SECRETIVE, ANN), *starts(WEB, 10)],
    "caller": [connects(0, replace(caller(77), argv=SECRETIVE)), *starts(WEB, 10)],
    "runtime": [
        replace(WEB.create(10), argv=("runc", "--password=hunter2", "create", WEB.id)),
        described(11, WEB),
        WEB.execs(15),
    ],
}


@pytest.mark.parametrize("story", SECRETS.values(), ids=SECRETS)
def test_secrets_of_the_command_line_are_not_repeated(story: list[Observation]) -> None:
    core = Core()
    core.core = Correlator(Parsers(cgroup.parse, redact_argv, ROLES.of_name))
    core.feed([HOST])
    core >> story
    reported = process(core.start.initiator).argv
    assert reported is not None
    assert "hunter2" not in " ".join(reported)
    assert reported[-1] in {"nginx", WEB.id}


@pytest.mark.parametrize("asked", ["command", "connect"])
def test_accounts_are_named(core: Core, asked: str) -> None:
    core >> AccountsRead(ns(-9), ((0, "root"), (1000, "ann"), (1001, "bob")))
    core >> (
        asks(0, "docker start web", ANN, login=1001, uid=0)
        if asked == "command"
        else connects(0, replace(caller(ANN, login=1001), uid=0))
    )
    core >> starts(WEB, 10)
    who = core.start.initiator
    assert who is not None
    assert who.user is not None
    assert (who.user.uid, who.user.name) == (0, "root")
    assert (who.user.auid, who.user.auid_name) == (1001, "bob")


def test_an_account_that_is_unknown_stays_a_number(core: Core) -> None:
    core >> AccountsRead(ns(-9), ((0, "root"),)) >> asks(0, "docker start web", ANN)
    core >> starts(WEB, 10)
    assert core.start.initiator is not None
    assert core.start.initiator.user is not None
    assert (core.start.initiator.user.auid, core.start.initiator.user.auid_name) == (1000, None)


def test_a_container_that_was_gone_takes_name_and_image_of_the_only_fitting_client(
    core: Core,
) -> None:
    core >> asks(0, "docker run --rm --name flash busybox:1", ANN)
    core >> below(WEB.create(10), SHIM) >> WEB.execs(15) >> WEB.exits(16)
    core.wait(until=2 * WAIT)
    container = core.start.container
    assert container is not None
    assert container.image is not None
    assert (container.name, container.image.name) == ("flash", "busybox:1")
    assert said(core.start) == INFERRED


def test_a_container_that_was_gone_takes_no_name_of_several_clients(core: Core) -> None:
    core >> asks(0, "docker run --rm --name flash busybox:1", ANN)
    core >> asks(1, "docker run --rm --name flush busybox:2", BOB)
    core >> below(WEB.create(10), SHIM) >> WEB.execs(15)
    core.wait(until=2 * WAIT)
    assert core.start.container is not None
    assert (core.start.container.name, core.start.container.image) == (None, None)
    assert candidates(core.start) == [ANN, BOB]


# ------------------------------------------------------------------ whatever the order

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
