"""What triggers each finding on a host without harm, and why some findings are not tried.

Each trial starts throw-away containers of the host's own programs (:mod:`sensor.cli.throw_away`,
:mod:`sensor.cli.proof`). It returns None, or what stood in its way.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
import time
from enum import Enum, IntEnum, auto, unique
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.cli import proof, selftest_rules
from sensor.cli.throw_away import UNSET, ClientAccount, new_word
from sensor.dataclass import dataclass
from sensor.model.vocabulary import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.api.client import AgentClient
    from sensor.cli.throw_away import ThrowAway

TRUE, SHELL = "/usr/bin/true", "/bin/sh"
STRANGERS = range(60_300, 60_500)
"""Numbers of accounts and logins that no host has by default."""
FAILURES, IN_A_ROW, SMALL_STEPS = 6, 25, 6
STORM_LEAST, STORM_PERCENT = 12, 40
"""More than the findings ask for by default: a policy may ask for more than these."""
STORM_MAX = 64
"""Containers that a storm may need at most to be tried."""
STOPPED_SECONDS = 12.0
"""How long the agent is stopped: more than the ten seconds after which it reports that."""
CHANGE_HOURS = 25
LOOP_SECONDS = 8.0
"""In which an engine restarts a container five times: 0.1 s, doubled each time."""


class TrialPhase(IntEnum):
    """How far the node has learnt."""

    FIRST_DAY = 0
    LEARNING = 1
    ACTIVE = 2


@unique
class Need(Enum):
    """What a trial starts containers with."""

    RUNTIME = auto()
    ENGINE = auto()
    OWN = auto()
    """It looks for what it needs by itself."""


@dataclass(frozen=True, slots=True)
class TrialHost:
    """What there is to try with."""

    client: AgentClient
    runtime: str | None
    """An OCI runtime's program."""
    engine: ThrowAway | None
    no_engine: str
    """Why there is not an engine."""


@dataclass(frozen=True, slots=True)
class FindingTrial:
    """One finding that can be triggered."""

    finding: Finding
    what: str
    run: Callable[[TrialHost], str | None]
    needs: Need
    since: TrialPhase = TrialPhase.FIRST_DAY
    """From when on the judge reports it."""


# --------------------------------------------------------------------------- by a runtime alone


def _by_hand(host: TrialHost) -> str | None:
    return proof.start("runc", host.runtime or "", proof.new_name()).problem


def _renamed(host: TrialHost) -> str | None:
    with tempfile.TemporaryDirectory(prefix="castoff-selftest-") as directory:
        copy = Path(directory) / "helper"
        try:
            shutil.copy2(host.runtime or "", copy)
            copy.chmod(0o755)
        except OSError as error:
            return f"{copy} cannot be written: {error.strerror}"
        return proof.start("runc", str(copy), proof.new_name()).problem


def _fail(host: TrialHost) -> str | None:
    name = proof.new_name()
    for _ in range(FAILURES):
        proof.start("runc", host.runtime or "", name, program="/castoff/does-not-exist")
    return None


def _burst(host: TrialHost) -> str | None:
    for _ in range(IN_A_ROW):
        problem = proof.start("runc", host.runtime or "", proof.new_name()).problem
        if problem is not None:
            return problem
    return None


# --------------------------------------------------------------------------- by an engine


def _engine(host: TrialHost) -> ThrowAway:
    if host.engine is None:
        raise OSError(host.no_engine)
    return host.engine


def _privileged(host: TrialHost) -> str | None:
    engine, name = _engine(host), new_word()
    return engine.run(name, TRUE) or engine.run(name, TRUE, options=("--cap-add=SYS_PTRACE",))


def _shell(host: TrialHost) -> str | None:
    engine, name = _engine(host), new_word()
    return engine.run(name, TRUE) or engine.run(name, SHELL, "-c", "exit 0")


def _other_registry(host: TrialHost) -> str | None:
    engine, name = _engine(host), new_word()
    other = f"registry.invalid/{new_word()}/{engine.image}:1"
    return engine.run(name, TRUE) or engine.tag(other) or engine.run(name, TRUE, image=other)


def _local_image(host: TrialHost) -> str | None:
    engine = _engine(host)
    image = f"localhost/{new_word()}:latest"
    return engine.tag(image) or engine.run(new_word(), TRUE, image=image)


def _combination(host: TrialHost) -> str | None:
    engine = _engine(host)
    image = f"registry.invalid/{new_word()}/{new_word()}:1"
    return engine.tag(image) or engine.run(new_word(), TRUE, image=image)


def _small_steps(host: TrialHost) -> str | None:
    engine = _engine(host)
    names = [new_word() for _ in range(SMALL_STEPS)]
    return next((said for name in names if (said := engine.run(name, TRUE)) is not None), None)


def _new_person(host: TrialHost) -> str | None:
    return _engine(host).run(new_word(), TRUE, caller=ClientAccount(secrets.choice(STRANGERS)))


def _new_account(host: TrialHost) -> str | None:
    engine = _engine(host)
    if engine.socket is None:
        return "needs Docker's socket on this host"
    group = Path(engine.socket).stat().st_gid
    caller = ClientAccount(UNSET, secrets.choice(STRANGERS), (group,))
    return engine.run(new_word(), TRUE, caller=caller)


def _from_container(host: TrialHost) -> str | None:
    engine, started = _engine(host), new_word()
    socket = engine.socket
    if socket is None:
        return "needs Docker's socket on this host"
    options = (f"--volume={socket}:/selftest.sock", "--env=DOCKER_HOST=unix:///selftest.sock")
    command = (engine.program, "start", started)
    return engine.create(started, TRUE) or engine.run(new_word(), *command, options=options)


def _foreign_namespace(_: TrialHost) -> str | None:
    ctr = shutil.which("ctr", path=proof.PATH)
    if ctr is None:
        return "no ctr"
    with tempfile.TemporaryDirectory(prefix="castoff-selftest-") as temporary:
        rootfs, name = Path(temporary) / "rootfs", proof.new_name()
        mounts = [
            f"--mount=type=bind,src={one},dst={one},options=rbind:ro"
            for one in proof.lay_out(rootfs)
        ]
        words = ("--namespace", "k8s.io", "run", "--rm", *mounts, "--rootfs")
        return proof.run(ctr, *words, str(rootfs), name, TRUE)


def _crash_loop(host: TrialHost) -> str | None:
    options = ("--detach", "--restart=always")
    problem = _engine(host).run(new_word(), SHELL, "-c", "exit 1", options=options)
    if problem is None:
        time.sleep(LOOP_SECONDS)
    return problem


def _storm(host: TrialHost) -> str | None:
    engine = _engine(host)
    count = max(STORM_LEAST, engine.running() * STORM_PERCENT // 100 + 2)
    if count > STORM_MAX:
        return f"needs {count} containers, since many run here"
    options = ("--detach", "--restart=on-failure:2")
    names = [new_word() for _ in range(count)]
    command = (SHELL, "-c", "exit 1")
    found = (engine.run(name, *command, options=options) for name in names)
    return next((said for said in found if said is not None), None)


def _wide_change(host: TrialHost) -> str | None:
    name = new_word()
    body: dict[str, object] = {
        "id": name,
        "by": "castoff selftest",
        "reason": "selftest of wide-change",
        "for_seconds": CHANGE_HOURS * 3600,
        "name": [name],
    }
    host.client.post("/v1/changes", body)
    try:
        return _engine(host).run(name, TRUE)
    finally:
        time.sleep(1)
        host.client.post(f"/v1/changes/{name}/end")


def _by_rule(finding: Finding) -> Callable[[TrialHost], str | None]:
    return lambda host: selftest_rules.trial(host.client, _engine(host), finding)


def _stopped(host: TrialHost) -> str | None:
    pid = host.client.status().pid
    try:
        os.kill(pid, signal.SIGSTOP)
    except OSError as error:
        return f"pid {pid}: {error.strerror}"
    try:
        time.sleep(STOPPED_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)
    return None


TRIALS = (
    FindingTrial(Finding.DIRECT_RUNTIME, "a runtime run by hand", _by_hand, Need.RUNTIME),
    FindingTrial(Finding.UNKNOWN_RUNTIME, "a copy of the runtime in /tmp", _renamed, Need.RUNTIME),
    FindingTrial(Finding.FAILED_STARTS, "starts of a program that is missing", _fail, Need.RUNTIME),
    FindingTrial(
        Finding.ENGINE_NAMESPACE, "ctr in the namespace k8s.io", _foreign_namespace, Need.OWN
    ),
    *(
        FindingTrial(finding, what, run, Need.ENGINE, TrialPhase.LEARNING)
        for finding, what, run in (
            (Finding.NEW_PRIVILEGE, "a known container with SYS_PTRACE", _privileged),
            (Finding.NEW_ENTRYPOINT, "a known container with a shell", _shell),
            (Finding.CHANGED_REGISTRY, "a known image of another registry", _other_registry),
            (Finding.NEW_PERSON, "a login without a name", _new_person),
            (Finding.NEW_INITIATOR, "an account without a name", _new_account),
            (Finding.ENGINE_SOCKET, "a container with the engine's socket", _from_container),
        )
    ),
    *(
        FindingTrial(finding, what, run, Need.ENGINE, TrialPhase.ACTIVE)
        for finding, what, run in (
            (Finding.LOCAL_IMAGE, "an image of localhost", _local_image),
            (Finding.UNUSUAL_COMBINATION, "a new container of a new registry", _combination),
            (Finding.SLOW_CHANGE, "six new containers", _small_steps),
        )
    ),
    FindingTrial(Finding.BURST, "25 containers in a row", _burst, Need.RUNTIME, TrialPhase.ACTIVE),
    FindingTrial(
        Finding.WIDE_CHANGE, "a change of 25 hours, ended at once", _wide_change, Need.ENGINE
    ),
    FindingTrial(Finding.CRASH_LOOP, "a container that is restarted", _crash_loop, Need.ENGINE),
    FindingTrial(
        Finding.RESTART_STORM, "a dozen containers that are restarted", _storm, Need.ENGINE
    ),
    *(
        FindingTrial(finding, what, _by_rule(finding), Need.ENGINE)
        for finding, what in (
            (Finding.FORBIDDEN, "a container that a rule forbids"),
            (Finding.OUTSIDE_WINDOW, "a container outside of its window"),
            (Finding.UNAPPROVED_IMAGE, "an image that a rule does not approve"),
            (Finding.UNPINNED_IMAGE, "an image without the digest that a rule wants"),
            (Finding.NO_EXPLANATION, "a container whose explanation a rule requires"),
        )
    ),
    FindingTrial(Finding.SENSOR_TAMPERING, "the agent stopped for 12 s", _stopped, Need.OWN),
)
"""In their order: the one that stops the agent comes last."""

_POD = "needs a kubelet that starts a pod"
UNTRIED = {
    Finding.HIDDEN_START: "needs an engine that hides a container",
    Finding.RESTORED: "needs CRIU and a checkpoint",
    Finding.DORMANT: "needs a container that was stopped a month ago",
    Finding.NEW_CONTAINER_IN_POD: _POD,
    Finding.LATE_CONTAINER: _POD,
    Finding.STATIC_POD: _POD,
    Finding.WORKLOAD_FLOOD: "would push out what the node has learnt",
    Finding.ENGINE_CONFIG: "would write an engine's configuration",
}
"""Findings that are not tried, and why."""
