"""LXC for real: its containers have a name, and the command that was typed as their cause."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import processes
from lab.agent import Agent
from lab.engines import Lab, unique
from lab.image import BoxImage
from lab.requirements import need
from tests.e2e.asking import LOGIN, argv, cause

pytestmark = pytest.mark.e2e

SETTINGS = """\
lxc.rootfs.path = dir:{rootfs}
lxc.uts.name = {name}
lxc.net.0.type = empty
lxc.init.cmd = /bin/sleep 60
lxc.apparmor.profile = unconfined
lxc.mount.auto = proc
"""


class Lxc:
    """One container below a directory of the run's own."""

    def __init__(self, place: Path, rootfs: Path) -> None:
        self.name = unique("lxc")
        self._place = place
        home = place / self.name
        shutil.copytree(rootfs, home / "rootfs", symlinks=True)
        for directory in ("proc", "sys", "dev", "etc", "tmp"):
            (home / "rootfs" / directory).mkdir(exist_ok=True)
        (home / "config").write_text(SETTINGS.format(rootfs=home / "rootfs", name=self.name))

    def cli(self, command: str, *words: str, login: int | None = None) -> None:
        line = [f"lxc-{command}", "-P", str(self._place), "-n", self.name, *words]
        if login is not None:
            line = processes.as_login(login, line)
        subprocess.run(line, check=True, timeout=60, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        line = ["lxc-stop", "-P", str(self._place), "-k", "-n", self.name]
        subprocess.run(line, check=False, timeout=60, capture_output=True)


@pytest.fixture
def lxc(lab: Lab, image: BoxImage) -> Iterator[Lxc]:
    need("lxc-start", "lxc-attach", "lxc-stop")
    place = lab.sub("lxc")
    os.chmod(lab.directory, 0o755)  # noqa: PTH101 - LXC asks for a path that it can walk
    made = Lxc(place, image.rootfs)
    yield made
    made.stop()


def test_each_start_has_its_name_and_the_command_that_was_typed(agent: Agent, lxc: Lxc) -> None:
    """lxc-start."""
    lxc.cli("start", login=LOGIN)
    first = agent.one_start(lxc.name)
    lxc.cli("attach", "--", "/bin/true")
    lxc.cli("stop", "-k")
    agent.one_stop(lxc.name)
    lxc.cli("start", login=LOGIN + 1)
    _, second = agent.exactly(2, "start", lxc.name)
    assert [cause(one)[:2] for one in (first, second)] == [
        ("first", "user_command"),
        ("reactivation", "user_command"),
    ]
    for number, event in enumerate((first, second)):
        assert (event["container"]["name"], event["container"]["runtime"]) == (lxc.name, "lxc")
        assert argv(event).startswith("lxc-start ")
        assert event["initiator"]["user"]["auid"] == LOGIN + number
