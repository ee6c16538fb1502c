"""All who start containers in a labelled run, each start with the label of its cause."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from bench.labels import Cause, Group
from bench.programs import SOURCES
from lab import processes
from lab.engines import unique
from lab.image import IMAGE
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.engine import Engines
    from bench.labels import Labels
    from lab.engines import Lab

USERS = 8
API_CALLS = 16
API_AT_ONCE = 2
FROM_CONTAINER = 4
BY_POLICY = 4
BY_BOOT = 2
BY_RUNC = 2

SET_UP_LOGIN = 1900
FIRST_USER = 2001
FIRST_CALLER = 3001
FIRST_RUNC = 4001
SHORT_ID = 12
COMMAND_SECONDS = 90.0


class People:
    """Runs commands as one person or another and notes what they cause."""

    def __init__(self, lab: Lab, engines: Engines, labels: Labels) -> None:
        self._lab = lab
        self._docker = engines.docker
        self._runc = engines.runc
        self._labels = labels
        self._cids = lab.sub("cids")

    # ------------------------------------------------------------------ commands

    def _run(self, argv: list[str], environment: dict[str, str]) -> tuple[int, str]:
        """Run a command to its good end; returns its pid and what it printed."""
        with subprocess.Popen(
            argv,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            output, problem = process.communicate(timeout=COMMAND_SECONDS)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)} ended with {process.returncode}: {problem}")
        return process.pid, output.strip()

    def _type(self, login: int, *words: str | Path) -> tuple[int, str]:
        """Type a docker command."""
        argv = processes.as_login(login, self._docker.command(*words))
        return self._run(argv, self._docker.environment)

    def _docker_run(self, group: Group, login: int, *words: str | Path) -> str:
        """``docker run``, one start; returns the container."""
        cid = self._cids / unique("cid")
        pid, _ = self._type(login, "run", "--cidfile", cid, *words)
        container = cid.read_text(encoding="ascii")
        self._labels.add(container, Cause(group, login, pid))
        return container

    def _create(self, login: int) -> tuple[str, str]:
        """``docker create``, no start; returns the container and its name."""
        name = unique("bench")
        _, container = self._type(login, "create", "--name", name, IMAGE, "true")
        return container, name

    # ------------------------------------------------------------------ through the docker command

    def sit_down(self, login: int, rounds: int = 2) -> None:
        """One user's session: four starts a round, three of which name their container.

        ``rounds`` many times: run it, run another one without naming it, create one and start it by
        name or by a piece of its id, run one in the background or restart that one.
        """
        stays = unique("bench")
        background = ""
        for number in range(rounds):
            self._docker_run(
                Group.CLI_NAMED, login, "--rm", "--name", unique("bench"), IMAGE, "true"
            )
            self._docker_run(Group.CLI_NAMELESS, login, "--rm", IMAGE, "true")
            container, name = self._create(login)
            pid, _ = self._type(login, "start", name if number % 2 else container[:SHORT_ID])
            self._labels.add(container, Cause(Group.CLI_NAMED, login, pid))
            if number % 2:
                pid, _ = self._type(login, "restart", "--time", "0", stays)
                self._labels.add(background, Cause(Group.CLI_NAMED, login, pid))
            else:
                stays = unique("bench")
                background = self._docker_run(
                    Group.CLI_NAMED, login, "--detach", f"--name={stays}", IMAGE
                )

    # ------------------------------------------------------------------ without it

    def call_api(self, login: int) -> Callable[[], None]:
        """Prepare a container; the function returned has a program of ``login`` start it."""
        container, name = self._create(SET_UP_LOGIN)

        def call() -> None:
            program = [sys.executable, "-I", str(SOURCES / "caller.py")]
            pid, _ = self._run([*program, str(login), str(self._docker.address), name], {})
            self._labels.add(container, Cause(Group.API, login, pid))

        return call

    def call_from_container(self, post: Path, count: int = FROM_CONTAINER) -> Callable[[], None]:
        """Prepare containers; the function returned has a container with the socket start them."""
        prepared = [self._create(SET_UP_LOGIN) for _ in range(count)]

        def call() -> None:
            caller = self._docker_run(
                Group.SET_UP,
                SET_UP_LOGIN,
                *("--name", unique("bench")),
                *("--volume", f"{self._docker.address.parent}:/engine"),
                *("--volume", f"{post}:/post"),
                IMAGE,
                *("/post", f"/engine/{self._docker.address.name}"),
                *(name for _, name in prepared),
            )
            for container, _ in prepared:
                self._labels.add(container, Cause(Group.CONTAINER, container=caller))

        return call

    def run_runc(self, login: int) -> None:
        """Run a container with nothing but runc."""
        name = unique("bench")
        bundle = self._runc.bundle(name, "true")
        words = self._runc.command("run", "--bundle", bundle, name)
        pid, _ = self._run(processes.as_login(login, words), {})
        self._labels.add(name, Cause(Group.RUNC, login, pid))

    # ------------------------------------------------------------------ the engine by itself

    def fail_once(self) -> None:
        """Run a container that its restart policy starts once more."""
        container = self._docker_run(
            Group.SET_UP,
            SET_UP_LOGIN,
            *("--detach", "--name", unique("bench"), "--restart", "on-failure:1"),
            *(IMAGE, "sh", "-c", "exit 3"),
        )
        self._labels.add(container, Cause(Group.RESTART_POLICY))

    def restart_engine(self, count: int = BY_BOOT) -> None:
        """Restart dockerd, which starts again what is to run always."""
        kept = [
            self._docker_run(
                Group.SET_UP,
                SET_UP_LOGIN,
                *("--detach", "--name", unique("bench"), "--restart", "always", IMAGE),
            )
            for _ in range(count)
        ]
        self._docker.stop()
        self._docker.start()
        for container in kept:
            until(partial(self._runs, container), f"{container} runs again")
            self._labels.add(container, Cause(Group.ENGINE_BOOT))

    def _runs(self, container: str) -> bool:
        return bool(self._docker.inspect(container)["State"]["Running"])


def at_once(*sequences: Sequence[Callable[[], None]]) -> None:
    """Run each sequence in its order, all sequences beside each other."""

    def work(sequence: Sequence[Callable[[], None]]) -> None:
        for step in sequence:
            step()

    with ThreadPoolExecutor(len(sequences)) as pool:
        list(pool.map(work, sequences))
