"""Which container a shim or monitor looks after, by its command line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.supervision import (
    ID_MAX,
    begins_engine,
    container_of,
    engine_address,
    machine_of,
)
from sensor.model.vocabulary import Role
from tests.correlate.observations import command, engine_boots

ID = "4f2d" * 16
SHIM, MONITOR = "containerd-shim-runc-v2", "conmon"
LINES: dict[str, tuple[Role, tuple[str, ...], str | None]] = {
    "shim": (Role.SHIM, (SHIM, "-namespace", "moby", "-id", ID, "-address", "/run/c.sock"), ID),
    "shim-long": (Role.SHIM, (SHIM, "--id", ID, "-address", "/run/c.sock"), ID),
    "shim-joined": (Role.SHIM, (SHIM, f"-id={ID}", "-address", "x"), ID),
    "shim-start": (Role.SHIM, (SHIM, "-namespace", "moby", "-id", ID, "start"), ID),
    "shim-named": (Role.SHIM, (SHIM, "-id", "plain", "start"), "plain"),
    "shim-cleans-up": (Role.SHIM, (SHIM, "-id", ID, "-bundle", "/b", "delete"), None),
    "shim-without-id": (Role.SHIM, (SHIM, "-address", "/run/c.sock"), None),
    "shim-with-c": (Role.SHIM, (SHIM, "-c", ID, "start"), None),
    "shim-of-no-value": (Role.SHIM, (SHIM, "-id", "", "start"), None),
    "shim-cut-short": (Role.SHIM, (SHIM, "-id"), None),
    "monitor": (Role.MONITOR, (MONITOR, "-c", ID, "-n", "web", "-b", "/b", "-r", "runc"), ID),
    "monitor-long": (Role.MONITOR, (MONITOR, "--cid", ID, "--name", "web"), ID),
    "monitor-joined": (Role.MONITOR, (MONITOR, f"--cid={ID}", "--name", "web"), ID),
    "monitor-later": (Role.MONITOR, (MONITOR, "--syslog", "-u", "x", "-c", ID, "-s"), ID),
    "monitor-with-id": (Role.MONITOR, (MONITOR, "-id", ID, "-s"), None),
    "too-long": (Role.SHIM, (SHIM, "-id", "x" * (ID_MAX + 1), "start"), None),
    "longest": (Role.SHIM, (SHIM, "-id", "x" * ID_MAX, "start"), "x" * ID_MAX),
    "runtime": (Role.RUNTIME, ("runc", "-id", ID, "start"), None),
    "name-alone": (Role.SHIM, (SHIM,), None),
    "nothing": (Role.SHIM, (), None),
}


@pytest.mark.parametrize(
    ("role", "argv", "address"),
    [
        (Role.SHIM, (SHIM, "-id", ID, "-address", "/run/c.sock"), "/run/c.sock"),
        (Role.SHIM, (SHIM, "-id", ID, "--address", "/run/c.sock", "start"), "/run/c.sock"),
        (Role.SHIM, (SHIM, "-id", ID, "-address", "relative"), None),
        (Role.SHIM, (SHIM, "-id", ID, "-address"), None),
        (Role.MONITOR, (MONITOR, "-c", ID, "-address", "/run/c.sock"), None),
    ],
)
def test_a_shim_names_the_engine_that_it_answers_to(
    role: Role, argv: tuple[str, ...], address: str | None
) -> None:
    assert engine_address(replace(command(0, argv), role=role)) == address


@pytest.mark.parametrize(("role", "argv", "id_"), LINES.values(), ids=LINES)
def test_a_command_line_shows_the_container(
    role: Role, argv: tuple[str, ...], id_: str | None
) -> None:
    assert container_of(replace(command(0, ("x",), role=role), argv=argv)) == id_


def test_a_helper_that_dockerd_executes_itself_as_is_not_an_engine() -> None:
    exec_ = engine_boots(0)
    assert begins_engine(exec_)
    assert not begins_engine(replace(exec_, argv=("libnetwork-setkey", "-exec-root=/run/docker")))


MACHINES: dict[str, tuple[str, str | None]] = {
    "given": ("-D /srv/a --machine=web -b", "web"),
    "given-apart": ("--directory /srv/a -M web", "web"),
    "directory": ("--directory=/srv/web/ -b", "web"),
    "image": ("-i /srv/web.raw", "web"),
    "here": ("-b", "root"),
    "no-name": ("-M ../x", None),
}


@pytest.mark.parametrize(("words", "name"), MACHINES.values(), ids=MACHINES)
def test_systemd_nspawn_names_its_machine(words: str, name: str | None) -> None:
    argv = ("systemd-nspawn", *words.split())
    exec_ = replace(command(0, argv, role=Role.ENGINE), cwd="/root")
    assert machine_of(exec_) == name
    assert machine_of(replace(exec_, program="lxc-start")) is None
