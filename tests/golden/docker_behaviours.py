"""What the golden captures of Docker show, each on a real dockerd."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

from lab import processes
from lab.dockerd import RENAMED_RUNTIME
from lab.engines import unique
from lab.image import IMAGE, NOT_A_PROGRAM
from tests.golden.stage import Engines, Recorder

ALICE, BOB = 4242, 4243


def docker_run(engines: Engines, recorder: Recorder) -> list[str]:
    container = engines.docker.run("--name", unique("web"), "--label", "tier=front", IMAGE)
    recorder.one_start(container)
    return [container]


def docker_short_lived(engines: Engines, recorder: Recorder) -> list[str]:
    container, _ = engines.docker.run_to_end("--rm", IMAGE, "true")
    recorder.one_stop(container)
    return [container]


def docker_restart_command(engines: Engines, recorder: Recorder) -> list[str]:
    name = unique("web")
    container = engines.docker.run("--name", name, IMAGE)
    recorder.one_start(container)
    engines.docker.cli("restart", "--time", "0", name)
    recorder.exactly(2, "start", container)
    return [container]


def docker_start_stopped(engines: Engines, recorder: Recorder) -> list[str]:
    name = unique("job")
    container, _ = engines.docker.run_to_end("--name", name, IMAGE, "sh", "-c", "exit 7")
    engines.docker.cli("start", "--attach", name, check=False)
    recorder.exactly(2, "stop", container)
    return [container]


def docker_restart_policy(engines: Engines, recorder: Recorder) -> list[str]:
    container = engines.docker.run("--restart=on-failure:1", IMAGE, "sh", "-c", "exit 8")
    recorder.exactly(2, "stop", container)
    return [container]


def docker_engine_boot(engines: Engines, recorder: Recorder) -> list[str]:
    container = engines.docker.run("--restart=always", "--stop-signal=KILL", IMAGE)
    recorder.one_start(container)
    engines.docker.stop(signal.SIGTERM)
    engines.docker.start()
    recorder.exactly(2, "start", container)
    return [container]


def docker_exec(engines: Engines, recorder: Recorder) -> list[str]:
    container = engines.docker.run(IMAGE)
    recorder.one_start(container)
    engines.docker.cli("exec", container, "echo", "inside")
    recorder.settle()
    return [container]


def docker_pause(engines: Engines, recorder: Recorder) -> list[str]:
    container = engines.docker.run(IMAGE)
    recorder.one_start(container)
    engines.docker.cli("pause", container)
    engines.docker.cli("unpause", container)
    recorder.exactly(1, "unpause", container)
    return [container]


def docker_failed_start(engines: Engines, recorder: Recorder) -> list[str]:
    absent, _ = engines.docker.run_to_end(IMAGE, "/no/such/program")
    refused, _ = engines.docker.run_to_end(IMAGE, NOT_A_PROGRAM)
    for container in (absent, refused):
        recorder.exactly(1, "start_failed", container)
    return [absent, refused]


def docker_kill(engines: Engines, recorder: Recorder) -> list[str]:
    container = engines.docker.run(IMAGE)
    recorder.one_start(container)
    engines.docker.cli("kill", container)
    recorder.one_stop(container)
    return [container]


def docker_pid_host(engines: Engines, recorder: Recorder) -> list[str]:
    container, _ = engines.docker.run_to_end("--pid=host", IMAGE, "sh", "-c", "exit 3")
    recorder.one_stop(container)
    return [container]


def docker_renamed_runtime(engines: Engines, recorder: Recorder) -> list[str]:
    container, _ = engines.docker.run_to_end(
        f"--runtime={RENAMED_RUNTIME}", IMAGE, "sh", "-c", "exit 3"
    )
    recorder.one_stop(container)
    return [container]


def docker_api_start(engines: Engines, recorder: Recorder) -> list[str]:
    """A program other than a container client asks dockerd for the start."""
    container = engines.docker.cli("create", IMAGE, "true").stdout.strip()
    recorder.settle()
    socket = str(engines.docker.address)
    url = f"http://docker/v1.41/containers/{container}/start"
    post = ["curl", "--silent", "--unix-socket", socket, "--request", "POST", url]
    processes.run(processes.as_login(ALICE, post))
    recorder.one_stop(container)
    return [container]


def docker_parallel(engines: Engines, recorder: Recorder) -> list[str]:
    def run(name: str) -> str:
        return engines.docker.cli("run", "-d", "--name", name, IMAGE, "true").stdout.strip()

    names = [unique(f"w{number}") for number in range(8)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        containers = list(pool.map(run, names))
    recorder.wait_for(lambda: all(map(recorder.stops, containers)), "all have stopped")
    recorder.settle()
    return containers


def docker_logins(engines: Engines, recorder: Recorder) -> list[str]:
    """Two people, both root by now, each run a container; one of them names it."""
    named, _ = engines.docker.run_to_end("--name", unique("report"), IMAGE, "true", login=ALICE)
    nameless, _ = engines.docker.run_to_end(IMAGE, "true", login=BOB)
    for container in (named, nameless):
        recorder.one_stop(container)
    return [named, nameless]
