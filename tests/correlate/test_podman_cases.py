"""Podman's helpers and its service: who asked where no daemon runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.api_calls import ConnectionClosed
from sensor.model.kernel_records import CommandExec
from sensor.model.process import Ancestor
from sensor.model.vocabulary import Trigger
from tests.correlate.cases import (
    ANN,
    BOB,
    BY_API,
    BY_PERSON,
    EXACT,
    MALLORY,
    NONE,
    POD,
    by_conmon,
    cause,
    kind,
)
from tests.correlate.observations import (
    ancestor,
    asks,
    below,
    caller,
    command,
    connects,
    ended,
    facts,
    ns,
    requests,
    typed,
)
from tests.correlate.scenario import Core, described

CLEANUPS = {
    "as-podman-4": "/usr/bin/podman --root /r --runroot /x --log-level warning --cgroup-manager "
    "cgroupfs --tmpdir /t --runtime runc --storage-driver vfs --events-backend file container "
    "cleanup {id}",
    "with-rm": "podman --log-level=info container cleanup --rm {id}",
    "of-another-release": "podman --network-backend cni --new-option x container cleanup {id}",
}


@pytest.mark.parametrize("line", CLEANUPS.values(), ids=CLEANUPS)
def test_podmans_cleanup_below_its_monitor_is_the_restart_policy(core: Core, line: str) -> None:
    """podman-restart-policy."""
    box = POD
    core >> typed(0, "podman run -d --restart=on-failure:2 --name web bb false", ANN)
    core >> by_conmon(box, 10, ancestor("podman", ANN, 0)) >> box.exits(30, 1)
    again = box.again()
    monitor = ancestor("conmon", box.pid + 7, 5)
    helper = typed(40, line.format(id=box.id), BOB, above=(monitor,), uid=0)
    helper = replace(helper, program="podman")
    core >> helper >> by_conmon(again, 60, ancestor("podman", BOB, 40), monitor)
    first, second = core.starts
    assert cause(first) == (BY_PERSON, EXACT, ANN)
    assert cause(second) == (Trigger.RESTART_POLICY, NONE, None)
    assert second.confidence.trigger is EXACT
    assert kind(second) == "restart"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("podman start web", "reactivation"),
        ("podman start --attach {id}", "reactivation"),
        ("podman restart web", "restart"),
        ("podman ps", "restart"),
    ],
)
def test_podman_needs_no_connection_to_ask_for_a_start(
    core: Core, line: str, expected: str
) -> None:
    """podman-start-after-stop, on a node where connections to other engines are seen."""
    core >> asks(-100, "docker run -d --name other bb", BOB)
    core >> typed(0, "podman run --name web bb false", ANN)
    core >> by_conmon(POD, 10, ancestor("podman", ANN, 0))
    asked = typed(25, line.format(id=POD.id), MALLORY, uid=0)
    if "restart" in line:
        core >> asked >> POD.exits(30, 1)
    else:
        core >> POD.exits(20, 1) >> asked
    above = () if line == "podman ps" else (ancestor("podman", MALLORY, 25),)
    core >> by_conmon(POD.again(), 300, *above)
    assert kind(core.starts[-1]) == expected


@pytest.mark.parametrize("uid", [0, 1001])
def test_podman_of_another_user_asks_for_no_start(core: Core, uid: int) -> None:
    """podman-start-after-stop, typed by root and by a user who does not own it."""
    core >> asks(-100, "docker run -d --name other bb", BOB)
    core >> by_conmon(POD, 10, ancestor("podman", ANN, 0)) >> POD.exits(20, 1)
    core >> typed(25, "podman start web", MALLORY, uid=uid)
    core >> by_conmon(POD.again(), 300, ancestor("podman", ANN, 0))
    assert kind(core.starts[-1]) == ("reactivation" if uid == 0 else "restart")


SERVICES = [
    "podman system service --time 0 unix:///tmp/pod.sock",
    "podman --log-level error system service --time 0 unix:///tmp/pod.sock",
    "podman --log-level=error --root /r system service",
    "podman --cgroup-manager cgroupfs --events-backend none system service -t 0",
]


@pytest.mark.parametrize("line", SERVICES)
def test_podmans_service_is_an_engine_whatever_its_options(core: Core, line: str) -> None:
    """podman-service-options."""
    socket = "/tmp/pod.sock"
    core >> typed(0, line, ANN)
    core >> asks(5, "podman --url unix:///tmp/pod.sock run -d --name web bb", BOB, socket=socket)
    core >> by_conmon(POD, 10, ancestor("podman", ANN, 0)) >> POD.exits(30)
    curl = caller(77, 900, comm="curl")
    core >> connects(1000, curl, socket)
    core >> requests(1001, curl, "POST /v4.0.0/libpod/containers/web/restart?t=0", socket)
    core >> by_conmon(POD.again(), 1010, ancestor("podman", ANN, 0))
    first, second = core.starts
    assert cause(first) == (BY_PERSON, EXACT, BOB)
    assert cause(second) == (BY_API, EXACT, 77)


def runtime_start(at: float, *above: Ancestor) -> CommandExec:
    """The runtime's ``start`` of a container that was created before."""
    words = (POD.program, "--root", POD.root or "", "start", POD.id)
    return below(command(at, words, process=facts(90, at)), *above)


def test_who_starts_a_container_that_another_command_created_is_the_cause(core: Core) -> None:
    """podman-restart-policy, the same kind: ``podman init`` runs the runtime's create alone."""
    core >> typed(0, "podman create --name web bb", 49)
    init, start = typed(100, "podman init web", ANN), typed(500, "podman start web", BOB)
    create, describe, _ = by_conmon(POD, 110, ancestor("podman", ANN, 100))
    core >> init >> create >> describe >> ended(200, init)
    core >> start >> runtime_start(510, ancestor("podman", BOB, 500))
    core >> POD.execs(520)
    assert cause(core.start) == (BY_PERSON, EXACT, BOB)


def test_a_request_to_start_what_another_request_created_is_the_cause(core: Core) -> None:
    """podman-restart-policy, the same kind: ``POST /containers/web/init`` and ``/start``."""
    socket = "/tmp/pod.sock"
    service = ancestor("podman", ANN, 0)
    core >> typed(0, "podman system service unix:///tmp/pod.sock", ANN)
    create, describe, _ = by_conmon(POD, 110, service)
    first, second = caller(77, 100, comm="curl"), caller(78, 500, comm="curl")
    init = requests(102, first, "POST /v4.0.0/libpod/containers/web/init", socket)
    core >> replace(connects(101, first, socket), connection=7)
    core >> replace(init, connection=7, offset=0)
    core >> create >> describe >> ConnectionClosed(ns(300), "r", 7)
    core >> connects(501, second, socket)
    core >> requests(502, second, "POST /v4.0.0/libpod/containers/web/start", socket)
    core >> runtime_start(510, service) >> POD.execs(520)
    assert cause(core.start) == (BY_API, EXACT, 78)


def test_who_runs_the_runtimes_start_by_hand_is_the_cause(core: Core) -> None:
    create = replace(POD.create(0), process=facts(80, 0))
    core >> below(create, ancestor("bash", 40)) >> described(1, POD, engine=None)
    core >> runtime_start(510, ancestor("sh", 41))
    core >> replace(POD.execs(520), root=create.process.key)
    assert cause(core.start)[1:] == (EXACT, 90)
