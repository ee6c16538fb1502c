"""What others than its owner do about a container: nothing of it changes, and it is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.start_limits import FAILURES_BURST, UNNAMED_BURST
from sensor.model.events import Event
from sensor.model.kernel_records import CgroupFrozen, InitExec
from sensor.model.observations import Observation
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import Confidence, ContainerId, EventType, Lineage
from tests.correlate.observations import ancestor, below, command, facts, ns
from tests.correlate.scenario import DB, WEB, Box, Core, numbered

START, FAILED, STOP = "container.start", "container.start_failed", "container.stop"
MALLORY = 1001
SLICE = f"/user.slice/user-{MALLORY}.slice"
THERE = CgroupPaths(None, f"{SLICE}/session-9.scope")
IN_BOX = CgroupPaths(None, f"/docker/{DB.id}")

ACTORS: dict[str, tuple[int, CgroupPaths]] = {
    "a-user": (MALLORY, THERE),
    "a-users-user-namespace": (100_000, THERE),
    "root-in-a-container": (0, IN_BOX),
    "a-user-in-a-container": (MALLORY, IN_BOX),
}


@pytest.fixture
def core() -> Core:
    core = Core()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    return core


@pytest.fixture(params=list(ACTORS.values()), ids=list(ACTORS))
def fake(request: pytest.FixtureRequest) -> Box:
    """A stranger who speaks of web."""
    uid, place = request.param
    return replace(WEB, pid=800, run=1, uid=uid, place=place, path=place.v2)


@pytest.mark.parametrize("verb", ["pause", "resume", "kill", "delete", "start"])
def test_a_strangers_command_about_a_running_container_is_not_an_event(
    core: Core, fake: Box, verb: str
) -> None:
    """sec-forged-runtime-commands."""
    core >> fake.other(10, verb) >> fake.other_done(12, verb)
    assert core.types() == [START]
    core >> WEB.other(20, "pause") >> WEB.other_done(22, "pause")
    core >> fake.other(30, "resume") >> fake.other_done(32, "resume")
    assert core.types() == [START, "container.pause"]
    assert any(reason.startswith("stranger: ") for reason in core.ignored)


def test_a_strangers_start_of_a_running_container_takes_nothing_from_it(
    core: Core, fake: Box
) -> None:
    """sec-forged-start-takes-a-running-container."""
    core >> fake.create(10, "run") >> fake.execs(20) >> fake.exits(30)
    core >> WEB.exits(40)
    assert core.types() == [START, START, STOP, STOP]
    mine, forged, forged_end, end = core.events[-4:]
    assert ids(mine, end) == [WEB.id, WEB.id]
    assert ids(forged, forged_end) == [None, None]
    assert forged.confidence.container is Confidence.INFERRED
    assert forged.initiator is not None
    assert forged.initiator.process is not None
    assert forged.initiator.process.pid == fake.pid
    assert core.table.running == 0


def ids(*events: Event) -> list[str | None]:
    assert all(event.container is not None for event in events)
    return [event.container.id for event in events if event.container is not None]


def test_a_strangers_failed_creation_of_a_stopped_container_is_not_a_failure(
    core: Core, fake: Box
) -> None:
    core >> WEB.exits(10)
    core >> fake.create(20) >> fake.exits(25, started=False) >> fake.created(30, 1 << 8)
    core >> fake.create(40, "restore") >> fake.created(50)
    assert core.types() == [START, STOP]
    again = WEB.again()
    core >> again.create(60) >> again.described(61) >> again.execs(65)
    assert core.last_start().previous is not None


def test_a_strangers_container_with_the_name_of_a_cgroup_of_roots_is_not_roots(core: Core) -> None:
    """A user makes cgroups of any name below the slice that systemd delegates."""
    path = f"/user.slice/user-{MALLORY}.slice/user@{MALLORY}.service/docker-{WEB.id}.scope"
    fake = replace(WEB, pid=800, run=1, path=path)
    core >> fake.execs(20, lineage=Lineage.CGROUP) >> fake.exits(25)
    assert core.types() == [START]
    core >> WEB.exits(40)
    assert core.types() == [START, STOP]


GHOST = Box("ghost", ContainerId("ghost"), pid=900, uid=MALLORY, place=THERE, path=THERE.v2)
CLAIMS: dict[str, list[Observation]] = {
    "create-that-fails": [GHOST.create(10), GHOST.created(11, 1 << 8)],
    "restore-that-succeeds": [GHOST.create(10, "restore"), GHOST.created(11)],
    "create-and-delete": [GHOST.create(10), GHOST.other(12, "delete")],
}


@pytest.mark.parametrize("story", CLAIMS.values(), ids=CLAIMS)
def test_a_users_command_line_alone_makes_no_event(core: Core, story: list[Observation]) -> None:
    """sec-forged-runtime-commands: a file called runc that is /bin/true or /bin/false."""
    core >> story
    core.wait(until=5000)
    assert core.types() == [START]
    assert core.table.named(GHOST.id) is None


def test_what_a_user_really_starts_is_reported_as_that_users(core: Core) -> None:
    core >> GHOST.create(10) >> GHOST.execs(15) >> GHOST.described(20) >> GHOST.exits(30)
    assert core.types() == [START, START, STOP]
    assert ids(core.starts[-1]) == ["ghost"]
    assert core.starts[-1].confidence.container is Confidence.INFERRED


def test_a_users_failure_is_inferred_once_an_init_showed_it(core: Core) -> None:
    core >> GHOST.create(10) >> GHOST.exits(15, 1, started=False)
    (event,) = core.of(EventType.START_FAILED)
    assert event.confidence.container is Confidence.INFERRED


def test_one_users_failures_are_limited_and_roots_are_not() -> None:
    """sec-event-log-washed-out."""
    core = Core()
    for number in range(4 * FAILURES_BURST):
        box = replace(numbered(number), uid=MALLORY, place=THERE)
        core >> box.create(10) >> box.exits(15, 1, started=False)
    assert len(core.of(EventType.START_FAILED)) == FAILURES_BURST
    mine = numbered(1 << 20)
    core >> mine.create(20) >> mine.created(21, 1 << 8)
    assert len(core.of(EventType.START_FAILED)) == FAILURES_BURST + 1


def test_a_users_containers_push_no_others_out() -> None:
    core = Core(limit=3000)
    core >> WEB.life(0)
    for number in range(4000):
        box = replace(numbered(number), uid=MALLORY, place=THERE)
        core >> box.create(100)
    again = WEB.again()
    core >> again.create(200) >> again.described(201) >> again.execs(205)
    assert core.last_start().previous is not None


# ------------------------------------------------------------------ what is not understood

SHELL = facts(40, -50, comm="runc", exe="runc")


def test_a_start_below_a_runtime_that_is_not_understood_has_no_id(core: Core) -> None:
    """sec-runtime-options-in-gos-spelling: reported as a container of unknown id."""
    odd = replace(DB, path="/system.slice/x.service")
    core >> command(10, ("runc", "run", "--novel", "/tmp/b", "a/b"), process=odd.runtime)
    core >> odd.execs(15) >> odd.exits(20)
    assert core.types() == [START, START, STOP]
    assert ids(*core.events[-2:]) == [None, None]
    event = core.starts[-1]
    assert event.confidence.container is Confidence.INFERRED
    assert [one.what for one in event.evidence] == ["first execve of the init", "runc command"]
    changed, _ = core.core.changes()
    assert [known.id for known in changed] == [WEB.id]


def test_a_runtime_below_a_shell_called_runc_names_its_container(core: Core) -> None:
    """sec-below-a-shell-called-runc: the shell founded the lineage."""
    core >> command(10, ("runc", "-c", "/usr/sbin/runc run e21; true"), process=SHELL)
    create = below(DB.create(11, "run"), ancestor("runc", 40, -50))
    exec_ = DB.execs(15)
    process = replace(
        exec_.process,
        ancestors=(ancestor("runc", DB.pid, DB.born), ancestor("runc", 40, -50)),
    )
    core >> create >> replace(exec_, process=process, root=SHELL.key) >> DB.described(16)
    assert ids(core.starts[-1]) == [DB.id]


def test_what_a_container_starts_below_an_exec_is_not_a_container(core: Core) -> None:
    exec_ = WEB.other(10, "exec")
    inner = replace(
        WEB.again().execs(20),
        root=exec_.process.key,
    )
    inner = replace(inner, process=replace(inner.process, ns_pids=(7, 3, 1)))
    core >> exec_ >> inner
    assert core.types() == [START]
    assert core.ignored["second_init"] == 1


def test_unnamed_starts_of_one_user_are_limited_and_become_a_gap() -> None:
    core = Core()
    for number in range(3 * UNNAMED_BURST):
        box = replace(numbered(number), uid=MALLORY, place=THERE, path=THERE.v2)
        core >> command(10, ("runc", "x"), process=box.runtime) >> box.execs(15)
    assert len(core.starts) == UNNAMED_BURST
    (gap,) = core.of(EventType.GAP)
    assert gap.gap is not None
    assert "uid 1001" in gap.gap.reason


# ------------------------------------------------------------------ one init at a time


@pytest.mark.parametrize("verb", ["run", "create"])
def test_a_second_process_below_the_same_runtime_is_not_a_second_start(verb: str) -> None:
    """gvisor-one-start: the gofer and the sentry both look like inits."""
    core = Core()
    box = replace(DB, program="runsc")
    sentry = replace(box.execs(6), process=facts(box.pid + 2, -70, cgroup=box.cgroup))
    core >> box.create(0, verb) >> box.described(1) >> box.execs(5) >> sentry >> box.exits(90)
    assert core.types() == [START, STOP]
    assert core.ignored["second_init"] == 1


def test_a_second_process_is_not_a_start_while_the_first_waits_for_its_description() -> None:
    core = Core()
    sentry = replace(DB.execs(6), process=facts(DB.pid + 2, -70, cgroup=DB.cgroup))
    core >> DB.create(0) >> DB.execs(5) >> sentry >> DB.described(8)
    assert core.types() == [START]


def test_a_run_whose_init_was_not_seen_is_a_gap_and_no_failure() -> None:
    """sec-pid-host-start-is-missed: it was started, and then it was deleted."""
    core = Core()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.other(3, "start") >> WEB.other(900, "delete")
    assert [event.type for event in core.events] == [EventType.GAP]
    (gap,) = core.events
    assert gap.container is not None
    assert gap.container.id == WEB.id


def frozen(at: float, box: Box, *, state: bool = True) -> CgroupFrozen:
    return CgroupFrozen(
        ns(at), f"cpu0:{at:g}", box.cgroup.v2 or "", state, settled=True, process=None
    )


def test_a_pause_counts_when_the_kernel_froze_the_cgroup(core: Core) -> None:
    core >> frozen(6, DB)
    core >> WEB.other(10, "pause") >> WEB.other_done(12, "pause")
    assert core.types() == [START], "another cgroup was frozen"
    assert core.ignored["pause_not_seen"] == 1
    core >> WEB.other(20, "pause") >> frozen(21, WEB) >> WEB.other_done(22, "pause")
    assert core.types() == [START, "container.pause"]
    core >> WEB.other(30, "resume") >> WEB.other_done(32, "resume")
    assert core.types() == [START, "container.pause"], "it is frozen still"
    core >> WEB.other(40, "resume") >> frozen(41, WEB, state=False) >> WEB.other_done(42, "resume")
    assert core.types() == [START, "container.pause", "container.unpause"]


def test_effective_users_count_and_not_real_ones(core: Core) -> None:
    fake = WEB.other(10, "pause")
    core >> replace(fake, process=replace(fake.process, euid=MALLORY))
    core >> WEB.other_done(12, "pause")
    assert core.types() == [START]


def test_root_of_a_user_namespace_is_not_root(core: Core) -> None:
    fake = WEB.other(10, "pause")
    core >> replace(fake, process=replace(fake.process, euid=0, user_ns=4026532999))
    core >> WEB.other_done(12, "pause")
    assert core.types() == [START]


def sandboxed(at: float, number: int) -> InitExec:
    """GVisor's gofer and sentry run the runtime's own file."""
    exec_ = replace(DB, program="runsc").execs(at, argv=(f"runsc-{number}", "--root", "/r"))
    process = facts(DB.pid + number, -70, comm="exe", exe="runsc", cgroup=DB.cgroup)
    return replace(exec_, process=process)


def test_a_sandbox_that_was_created_starts_with_the_runtimes_start() -> None:
    """gvisor-one-start, with runsc create: both processes come before runsc start."""
    core = Core()
    box = replace(DB, program="runsc")
    core >> box.create(0) >> box.described(1) >> sandboxed(5, 1) >> sandboxed(6, 2)
    assert core.types() == []
    core >> box.other(500, "start")
    assert core.types() == [START]
    assert core.start.time == ns(500)
    core >> replace(box.exits(900), process=sandboxed(5, 1).process.key)
    assert core.types() == [START, STOP]


def test_a_sandbox_that_was_never_started_is_not_a_start() -> None:
    core = Core()
    box = replace(DB, program="runsc")
    core >> box.create(0) >> box.described(1) >> sandboxed(5, 1)
    core >> replace(box.exits(90), process=sandboxed(5, 1).process.key)
    assert START not in core.types()


def test_the_workload_may_be_a_runtime() -> None:
    """The runtime's start comes before the init's execve."""
    core = Core()
    runs = replace(DB.execs(9), process=replace(DB.execs(9).process, exe="runc"))
    core >> DB.create(0) >> DB.described(1) >> DB.other(5, "start") >> runs
    assert core.types() == [START]
