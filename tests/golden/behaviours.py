"""What the golden captures show: one function a behaviour, each on real engines.

A behaviour starts containers, waits for the recorder's own events where it has to wait, and returns
the ids of the containers that it is about. The engines' commands that it gives are part of the
capture, so it asks the engines nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from lab import processes
from lab.agent import unload_probes
from lab.engines import unique
from lab.image import IMAGE
from lab.runc import Runc
from sensor.model.kernel_records import InitExec, KernelLoss
from sensor.model.observations import Observation
from sensor.sources.capture import Arrival
from tests.golden.docker_behaviours import (
    docker_api_start,
    docker_engine_boot,
    docker_exec,
    docker_failed_start,
    docker_kill,
    docker_logins,
    docker_parallel,
    docker_pause,
    docker_pid_host,
    docker_renamed_runtime,
    docker_restart_command,
    docker_restart_policy,
    docker_run,
    docker_short_lived,
    docker_start_stopped,
)
from tests.golden.kubelet_behaviours import (
    contained_kubelet,
    contained_panel,
    cri_pod,
    forged_annotations,
    kubelet_and_another,
    kubelet_causes,
    kubelet_init_containers,
    kubelet_kills,
    kubelet_pods,
    kubelet_without_agent,
)
from tests.golden.stage import Engines, Recorder

GRACE = 10_000_000_000
"""Longer than a start that only an engine reports waits for the probes' record, in ns."""

Act = Callable[[Engines, Recorder], Iterable[str]]
Edit = Callable[[Sequence[Arrival]], list[Arrival]]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One golden capture. ``edit`` makes a fault of it that no real engine can be made to show."""

    act: Act
    needs: str
    """The engine that has to run before the agent begins: an attribute of :class:`Engines`."""
    agents: bool = False
    """It starts and stops the agents itself; the last one's capture is kept."""
    edit: Edit | None = None

    @property
    def name(self) -> str:
        return self.act.__name__


# ---------------------------------------------------------------------- containerd, pods, podman


def ctr_run_named(engines: Engines, recorder: Recorder) -> list[str]:
    container = unique("My_Box.v1.2")
    engines.containerd.run(container, "true", options=("--rm",))
    recorder.one_stop(container)
    return [container]


def podman_run(engines: Engines, recorder: Recorder) -> list[str]:
    container, _ = engines.podman.run_to_end("--rm", "--name", unique("batch"), IMAGE, "true")
    recorder.one_stop(container)
    return [container]


def podman_restart(engines: Engines, recorder: Recorder) -> list[str]:
    container = engines.podman.run("--name", unique("web"), IMAGE)
    recorder.one_start(container)
    engines.podman.cli("restart", "--time", "0", container)
    recorder.exactly(2, "start", container)
    return [container]


# ---------------------------------------------------------------------- no engine


def runc_by_hand(engines: Engines, recorder: Recorder) -> list[str]:
    container = unique("byhand")
    engines.runc.run(container, "sh", "-c", "exit 3", check=False)
    recorder.one_stop(container)
    return [container]


def runc_renamed_by_hand(engines: Engines, recorder: Recorder) -> list[str]:
    program = engines.lab.sub("programs") / "foo"
    shutil.copy2(engines.runc.program, program)
    foo = Runc(engines.lab, engines.image, program=program)
    container = unique("byfoo")
    foo.run(container, "sh", "-c", "exit 4", check=False)
    recorder.one_stop(container)
    foo.remove_all()
    return [container]


def runc_shared_pid(engines: Engines, recorder: Recorder) -> list[str]:
    container = unique("shares")
    engines.runc.run_detached(container, "sleep", "3600", namespaces=("mount",))
    recorder.one_start(container)
    engines.runc.cli("kill", container, "KILL")
    recorder.one_stop(container)
    return [container]


def unshare(engines: Engines, recorder: Recorder) -> list[str]:
    """Namespaces alone do not make a container, on the host or inside of one."""
    processes.run(["unshare", "--pid", "--mount-proc", "--fork", "/bin/sh", "-c", "true; true"])
    script = "unshare -p -f sh -c 'true; true'; exit 6"
    container, _ = engines.docker.run_to_end(
        *("--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", IMAGE, "sh", "-c", script)
    )
    recorder.one_stop(container)
    return [container]


# ---------------------------------------------------------------------- the agent itself


def agent_upgrade(engines: Engines, recorder: Recorder) -> list[str]:
    """One container runs through it; two start while no agent runs, and the probes keep them."""
    recorder.start()
    kept = engines.docker.run("--name", unique("kept"), IMAGE)
    recorder.one_start(kept)
    recorder.stop()
    short, _ = engines.docker.run_to_end("--name", unique("short"), IMAGE, "true")
    fresh = engines.docker.run("--name", unique("fresh"), IMAGE)
    recorder.resume()
    recorder.one_stop(short)
    recorder.one_start(fresh)
    return [kept, short, fresh]


def agent_blind(engines: Engines, recorder: Recorder) -> list[str]:
    """A container starts while neither agent nor probes are there: the inventory finds it."""
    recorder.start()
    kept = engines.docker.run("--name", unique("kept"), IMAGE)
    recorder.one_start(kept)
    recorder.stop()
    unload_probes()
    unseen = engines.docker.run("--name", unique("unseen"), IMAGE)
    recorder.resume()
    recorder.one_start(unseen)
    return [kept, unseen]


def kernel_loss(engines: Engines, recorder: Recorder) -> list[str]:
    return docker_short_lived(engines, recorder)


def _lose_the_exec(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Have the ring lose the one record that proves the start, and the limit hold commands back."""
    lost: list[Arrival] = []
    time = arrivals[-1].now
    for arrival in arrivals:
        rest = tuple(one for one in arrival.observations if not isinstance(one, InitExec))
        lost.append(replace(arrival, observations=rest))
    since = arrivals[0].now
    losses: tuple[Observation, ...] = (
        KernelLoss(time, since, "lifecycle", "init_exec", dropped=1, limited=0),
        KernelLoss(time, since, "commands", "command_exec", dropped=0, limited=200),
    )
    return [*lost, Arrival(time + 1_000_000, losses), Arrival(time + GRACE, ())]


_ACTS: dict[str, tuple[Act, ...]] = {
    "docker": (
        docker_run,
        docker_short_lived,
        docker_restart_command,
        docker_start_stopped,
        docker_restart_policy,
        docker_engine_boot,
        docker_exec,
        docker_pause,
        docker_failed_start,
        docker_kill,
        docker_pid_host,
        docker_renamed_runtime,
        docker_api_start,
        docker_parallel,
        docker_logins,
        unshare,
    ),
    "containerd_with_image": (ctr_run_named,),
    "cri": (
        cri_pod,
        kubelet_pods,
        kubelet_causes,
        kubelet_kills,
        kubelet_and_another,
        kubelet_init_containers,
        contained_kubelet,
        contained_panel,
        forged_annotations,
    ),
    "podman": (podman_run, podman_restart),
    "runc": (runc_by_hand, runc_renamed_by_hand, runc_shared_pid),
}

BEHAVIOURS: dict[str, Behaviour] = {
    behaviour.name: behaviour
    for behaviour in (
        *(Behaviour(act, needs) for needs, acts in _ACTS.items() for act in acts),
        Behaviour(agent_upgrade, "docker", agents=True),
        Behaviour(agent_blind, "docker", agents=True),
        Behaviour(kubelet_without_agent, "cri", agents=True),
        Behaviour(kernel_loss, "docker", edit=_lose_the_exec),
    )
}
