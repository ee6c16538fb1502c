"""Clients behind relays: the one that asked is the cause, and the relay its evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.api_calls import ApiHop, Caller
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import Confidence, Trigger, Witness
from tests.correlate.cases import (
    ANN,
    BY_API,
    BY_PERSON,
    EXACT,
    INFERRED,
    START,
    cause,
    evidence,
    starts,
)
from tests.correlate.observations import (
    ancestor,
    caller,
    connects,
    ended,
    ns,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import DB, WEB, Core


def relay(at: float, pid: int, comm: str = "socat") -> Caller:
    return caller(pid, at, comm=comm, exe=f"/usr/bin/{comm}", login=None, uid=0)


def hop(at: float, through: Caller, who: Caller) -> ApiHop:
    assert through.start_time is not None
    key = ProcessKey(through.pid, through.start_time)
    return ApiHop(ns(at), Witness.KERNEL, f"r:{at:g}", key, who, "tcp:127.0.0.1:23750")


def test_a_client_behind_a_relay_is_the_cause_and_the_relay_its_evidence(core: Core) -> None:
    """relay-to-the-socket."""
    client = typed(0, "docker -H tcp://127.0.0.1:23750 run -d --name web bb", ANN)
    through = relay(2, 80)
    core >> client >> connects(2, through) >> hop(3, through, talks(client).caller)
    core >> requests(4, through, START) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)
    assert "passed on by socat" in evidence(core.start)


def test_a_relay_that_forks_for_each_connection_is_followed_by_its_parent(core: Core) -> None:
    parent = relay(0, 79)
    child = replace(relay(12, 80), ancestors=(ancestor("socat", 79, 0),))
    curl, other = caller(77, 1, comm="curl"), caller(78, 1, comm="curl")
    core >> hop(5, parent, other) >> hop(11, parent, curl) >> connects(13, child)
    core >> requests(14, child, START) >> starts(WEB, 20)
    assert cause(core.start) == (BY_API, EXACT, 77)


PANEL = replace(caller(79, -60_000, comm="jenkins"), exe="python3")
"""A program that asks an engine of its own accord, and listens itself."""


BELOW_PANEL = (ancestor("python3", 79, -60_000),)


def test_what_a_program_executes_was_not_asked_by_who_is_connected_to_it(core: Core) -> None:
    """relay-to-the-socket, the other way: a build server that runs a script of the same file."""
    script = replace(caller(80, 5_000, above=BELOW_PANEL), exe="python3")
    core >> connects(0, PANEL) >> hop(1, PANEL, caller(77, -90_000)) >> connects(5_001, script)
    core >> requests(5_002, script, START) >> starts(WEB, 5_010)
    assert cause(core.start) == (BY_API, EXACT, 80)


def test_a_command_below_a_program_was_not_asked_by_who_is_connected_to_it(core: Core) -> None:
    run = typed(5_000, "docker run -d --name web bb", ANN, above=BELOW_PANEL)
    core >> connects(0, PANEL) >> hop(4_990, PANEL, caller(77, -90_000)) >> run
    core >> talks(run) >> requests(5_002, talks(run).caller, START) >> starts(WEB, 5_010)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


def test_a_relay_that_another_one_executes_is_followed_by_its_parent(core: Core) -> None:
    """The same kind: ``socat TCP-LISTEN:…,fork EXEC:"nc -U …"``."""
    child = replace(relay(12, 80, "nc"), ancestors=(ancestor("socat", 79, 0),))
    core >> hop(11, relay(0, 79), caller(77, 1, comm="curl")) >> connects(13, child)
    core >> requests(14, child, START) >> starts(WEB, 20)
    assert cause(core.start) == (BY_API, EXACT, 77)


def test_a_caller_behind_two_relays_is_the_cause(core: Core) -> None:
    """The same kind: haproxy before socat."""
    curl, front, back = caller(77, 0, comm="curl"), relay(1, 80, "haproxy"), relay(1, 81)
    core >> connects(2, back) >> hop(3, back, front) >> hop(3, front, curl)
    core >> requests(4, back, START) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, EXACT, 77)
    assert {"passed on by socat", "passed on by haproxy"} <= set(evidence(core.start))


def test_a_client_that_procfs_finds_behind_a_relay_is_that_client(core: Core) -> None:
    """Procfs rounds start times down to clock ticks."""
    client = typed(3, "docker -H tcp://127.0.0.1:23750 run -d --name web bb", ANN)
    found = replace(talks(client).caller, start_time=ns(0), argv=client.argv)
    through = relay(2, 80)
    seen = replace(hop(6, through, found), witness=Witness.PROCFS)
    core >> client >> connects(5, through) >> requests(5.5, through, START) >> seen
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


def looked(at: float, through: Caller, who: Caller) -> ApiHop:
    """What a look at the relay's sockets shows, when a request of that time is read."""
    return replace(hop(at, through, who), witness=Witness.PROCFS)


def test_a_client_that_left_a_relay_asked_for_nothing_later(core: Core) -> None:
    """relay-to-the-socket: haproxy sends what several ask over one connection."""
    through = relay(0, 80, "haproxy")
    run = typed(0, "docker -H tcp://127.0.0.1:23750 run -d --name web bb", ANN)
    core >> connects(0, through) >> run >> hop(1, through, talks(run).caller)
    core >> requests(2, through, START) >> starts(WEB, 10) >> ended(20, run)
    core >> hop(1000, through, caller(77, 999, comm="curl"))
    core >> requests(1001, through, f"POST /containers/{WEB.id}/restart?t=0")
    core >> WEB.exits(1100) >> starts(WEB.again(), 1200)
    assert cause(core.starts[-1]) == (BY_API, EXACT, 77)


def test_who_left_a_relay_before_it_was_looked_at_makes_the_others_inferred(core: Core) -> None:
    through, there, gone = relay(0, 80, "haproxy"), caller(77, 1), caller(78, 2)
    core >> connects(0, through) >> hop(1, through, gone) >> hop(2, through, there)
    core >> requests(4, through, START) >> looked(4, through, there) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, INFERRED, 77)


def test_who_is_only_connected_to_a_program_asked_it_for_nothing(core: Core) -> None:
    """relay-to-the-socket, the other way: a panel that listens acts of its own accord, too."""
    panel, scraper = caller(80, -60_000, comm="portainer"), caller(78, -90_000)
    core >> connects(0, panel) >> hop(1, panel, scraper)
    core >> requests(60_000, panel, START) >> looked(60_000, panel, scraper)
    core >> starts(WEB, 60_010)
    assert cause(core.start) == (BY_API, INFERRED, 80)


def test_who_came_to_a_program_right_before_its_request_is_the_cause(core: Core) -> None:
    panel, scraper = caller(80, -60_000, comm="portainer"), caller(78, -90_000)
    core >> connects(0, panel) >> hop(1, panel, scraper)
    core >> hop(59_900, panel, caller(77, -500, comm="firefox"))
    core >> requests(60_000, panel, START) >> looked(60_000, panel, scraper)
    core >> looked(60_000, panel, caller(77, -500, comm="firefox")) >> starts(WEB, 60_010)
    assert cause(core.start) == (BY_API, INFERRED, 77)


def test_a_client_that_waits_behind_a_program_may_have_asked(core: Core) -> None:
    program = caller(80, -60_000, comm="python3")
    run = typed(0, "docker -H tcp://127.0.0.1:23750 run -d bb", ANN)
    core >> connects(0, program) >> run >> hop(1, program, talks(run).caller)
    core >> requests(60_000, program, START) >> looked(60_000, program, talks(run).caller)
    core >> starts(WEB, 60_010)
    assert cause(core.start)[1:] == (Confidence.AMBIGUOUS, None)
    assert {one.process.pid for one in core.start.candidates if one.process} == {80, ANN}


def test_beside_a_client_of_another_host_no_client_behind_a_relay_is_certain(core: Core) -> None:
    through = relay(0, 80, "haproxy")
    core >> connects(0, through) >> hop(1, through, caller(77, 0))
    core >> requests(4, through, START)
    core >> replace(looked(4, through, caller(77, 0)), alone=False) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, INFERRED, 77)


def test_of_several_behind_a_relay_the_one_whose_command_names_it_is_the_cause(core: Core) -> None:
    through, panel = relay(0, 80, "haproxy"), caller(77, -60_000)
    start = typed(2, "docker -H tcp://127.0.0.1:23750 start web", ANN)
    core >> connects(0, through) >> start
    core >> requests(4, through, START)
    core >> looked(4, through, panel) >> looked(4, through, talks(start).caller)
    core >> starts(WEB, 10)
    # The panel may have asked, and the command's words be a poser's.
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


def test_a_poser_behind_a_relay_is_not_the_cause_of_what_another_asked(core: Core) -> None:
    """sec-forged-client-is-exact: any user may connect to the relay's port."""
    through, curl = relay(0, 80, "haproxy"), caller(77, 1, comm="curl")
    poser = typed(2, "docker start web", ANN, uid=1001)
    core >> connects(0, through) >> poser >> requests(4, through, START)
    core >> looked(4, through, curl) >> looked(4, through, talks(poser).caller)
    core >> starts(WEB, 10)
    assert cause(core.start)[1:] == (Confidence.AMBIGUOUS, None)


def test_a_client_behind_a_relay_that_starts_nothing_takes_no_certainty_away(core: Core) -> None:
    through = relay(0, 80, "haproxy")
    start = typed(2, "docker -H tcp://127.0.0.1:23750 start web", ANN)
    idle = typed(3, "docker -H tcp://127.0.0.1:23750 ps", 51)
    core >> connects(0, through) >> start >> idle
    core >> requests(4, through, START)
    core >> looked(4, through, talks(idle).caller) >> looked(4, through, talks(start).caller)
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


def test_a_second_request_beside_that_of_a_relay_stays_a_candidate(core: Core) -> None:
    through = relay(0, 80, "haproxy")
    start = typed(2, "docker -H tcp://127.0.0.1:23750 start web", ANN)
    core >> connects(0, through) >> start >> requests(4, through, START)
    core >> looked(4, through, talks(start).caller)
    core >> connects(5, caller(77)) >> requests(6, caller(77), START) >> starts(WEB, 10)
    assert cause(core.start)[1:] == (Confidence.AMBIGUOUS, None)


@pytest.mark.parametrize("comm", ["socat", "haproxy", "sshd", "nginx"])
def test_a_relay_that_cannot_be_followed_is_inferred(core: Core, comm: str) -> None:
    core >> connects(2, relay(2, 80, comm)) >> requests(4, relay(2, 80, comm), START)
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, INFERRED, 80)


def test_the_far_end_of_an_ssh_connection_is_inferred(core: Core) -> None:
    """The same kind: DOCKER_HOST=ssh:// runs ``docker system dial-stdio`` on this node."""
    dial = typed(0, "docker system dial-stdio", ANN, above=(ancestor("sshd", 30),))
    core >> dial >> talks(dial) >> requests(4, talks(dial).caller, START) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


IN_BOX = CgroupPaths(None, f"/docker/{DB.id}")


def test_a_relay_in_a_container_is_said_to_be_in_it(core: Core) -> None:
    proxy = caller(80, 0, comm="haproxy", login=None, cgroup=IN_BOX)
    core >> connects(1, proxy) >> requests(2, proxy, START) >> starts(WEB, 10)
    assert cause(core.start) == (Trigger.CONTAINER, INFERRED, 80)
