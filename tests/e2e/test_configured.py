"""What an operator does to a running agent: a new configuration, a socket of systemd's."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lab.agent import COMMAND, Agent
from lab.daemon import tail
from lab.engines import Lab, unique
from lab.runc import Runc
from lab.waiting import until
from sensor.api.client import AgentClient
from tests.e2e.test_resilience import storm

pytestmark = pytest.mark.e2e

ACTIVATE = """
import os, socket, sys
path, *command = sys.argv[1:]
made = socket.socket(socket.AF_UNIX)
made.bind(path)
made.listen()
os.chmod(path, 0o660)
os.dup2(made.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(command[0], command)
"""
"""What systemd does for a socket unit."""


@pytest.fixture
def config(own_agent: Agent) -> Path:
    """The agent's configuration file, empty."""
    path = own_agent.state_dir.parent / "castoff.toml"
    path.write_text("")
    own_agent.options = ["--config", path]
    return path


def reload(agent: Agent, *said: str) -> None:
    """Have the configuration read again, and wait for what the log then says."""
    before = agent.log.read_text().count("\n")
    agent.hang_up()

    def missing() -> list[str]:
        lines = "\n".join(agent.log.read_text().splitlines()[before:])
        return [text for text in said if text not in lines]

    try:
        until(lambda: not missing(), "the log says all of it")
    except AssertionError as error:
        raise AssertionError(f"not said: {missing()}\n{tail(agent.log)}") from error


def test_a_new_configuration_takes_effect_and_no_start_is_lost(
    own_agent: Agent, runc: Runc, config: Path
) -> None:
    own_agent.start()
    with storm(runc) as ran:
        until(lambda: len(ran) >= 3, "containers run")
        config.write_text(
            '[agent]\nheartbeat_seconds = 1\nlog_level = "debug"\nrun_dir = "/nowhere"\n'
            '[sources]\naudit = "off"\ncontainerd = false\n[store]\nmax_mib = 7\n'
            '[socket]\ngroup = "daemon"\n'
        )
        reload(
            own_agent,
            "the configuration was read again: ",
            "agent.heartbeat_seconds",
            "agent.log_level",
            "socket.group",
            "store.max_mib",
            "sources.audit",
            "next start of the agent: agent.run_dir",
        )
        own_agent.wait_for(
            lambda: [e for e in own_agent.events if (e["sensor"] or {}).get("action") == "alive"],
            "the agent says that it lives",
        )
        assert own_agent.socket.stat().st_gid != os.getegid()
        sources = {one.name: one.state for one in AgentClient(own_agent.socket).status().sources}
        assert sources["audit"] == "failed: switched off"
        assert not any(name.startswith("containerd:") for name in sources)
        config.write_text("")
        reload(own_agent, "the configuration was read again")
        until(lambda: len(ran) >= 12, "more containers run")
    for container in ran:
        own_agent.one_start(container)


def test_a_broken_configuration_changes_nothing_and_is_named(
    own_agent: Agent, runc: Runc, config: Path
) -> None:
    own_agent.start()
    config.write_text("[store]\nmax_mob = 7\n")
    reload(own_agent, f"stays as it was: {config}: store.max_mob is not a key", "[store] has: ")
    assert "Traceback" not in own_agent.log.read_text()
    container = unique("after")
    runc.run(container, "true")
    own_agent.one_start(container)
    own_agent.stop()


def test_a_terminal_that_is_gone_ends_the_agent_of_who_sat_there(
    own_agent: Agent, lab: Lab
) -> None:
    home = own_agent.state_dir.parent
    home.mkdir(parents=True, exist_ok=True)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(COMMAND, [str(word) for word in own_agent.command()])
    lab.logs["agent on a terminal"] = own_agent.log

    def shown() -> bytes:
        return os.read(terminal, 65_536)

    text = b""
    while b"inventory_taken" not in text:
        text += shown()
    os.kill(pid, signal.SIGHUP)
    while b"the configuration was read again" not in text:
        text += shown()
    os.close(terminal)
    ended: list[int] = []

    def over() -> bool:
        done, status = os.waitpid(pid, os.WNOHANG)
        ended.append(status)
        return done == pid

    until(over, "the agent ends")
    assert os.waitstatus_to_exitcode(ended[-1]) == 0


def test_the_end_of_a_session_ends_its_agent_though_the_terminal_is_still_open(
    own_agent: Agent, lab: Lab
) -> None:
    """As under tmux, which ends the shell of a window before it closes the terminal."""
    home = own_agent.state_dir.parent
    home.mkdir(parents=True, exist_ok=True)
    shell, terminal = pty.fork()
    if shell == 0:
        line = shlex.join(str(word) for word in own_agent.command())
        os.execv("/bin/sh", ["sh", "-c", f"{line}; true"])
    lab.logs["agent on a terminal"] = own_agent.log
    text = b""
    while b"inventory_taken" not in text:
        text += os.read(terminal, 65_536)
    (agent,) = psutil.Process(shell).children()
    os.kill(shell, signal.SIGKILL)
    os.waitpid(shell, 0)
    try:
        agent.wait(30)
    finally:
        os.close(terminal)


def test_a_socket_of_systemd_is_taken_over_and_outlives_the_agent(
    own_agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = own_agent.command()
    path = own_agent.socket
    activated = [sys.executable, "-c", ACTIVATE, path, *command]
    monkeypatch.setattr(own_agent, "command", lambda: activated)
    own_agent.start()
    assert AgentClient(path).status().pid == own_agent.pid
    inode = path.stat().st_ino
    own_agent.stop()
    assert path.stat().st_ino == inode, "the file is systemd's"
    path.unlink()


def test_clients_of_systemd_s_socket_wait_while_no_agent_runs(own_agent: Agent) -> None:
    path = own_agent.socket
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
        made.listen()
        with subprocess.Popen(
            [COMMAND, "status", "-o", "json", "--socket", path], stdout=subprocess.PIPE
        ) as early:
            take = (
                "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update("
                "LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])"
            )
            home = own_agent.state_dir.parent
            home.mkdir(parents=True, exist_ok=True)
            with (
                own_agent.log.open("ab") as log,
                subprocess.Popen(
                    [sys.executable, "-c", take, str(made.fileno()), *own_agent.command()],
                    pass_fds=[made.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                ) as agent,
            ):
                try:
                    answer = early.communicate(timeout=30)[0]
                finally:
                    agent.terminate()
        assert early.returncode == 0, tail(own_agent.log)
        assert f'"pid":{agent.pid}'.encode() in answer.replace(b" ", b"")
    path.unlink()
