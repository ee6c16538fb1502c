"""Starts that try not to look like starts are reported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import processes
from lab.agent import Agent, Event
from lab.engines import Lab, unique
from lab.runc import Runc
from tests.attack.conftest import bundle_of, starts_with

pytestmark = pytest.mark.e2e


def reported(agent: Agent, token: str) -> Event:
    """Return the only start of a container whose command has the word."""
    agent.wait_for(lambda: starts_with(agent, token), f"a start with {token}")
    agent.settle()
    found = {event["id"]: event for event in starts_with(agent, token)}
    assert len(found) == 1, found
    return next(iter(found.values()))


def test_what_runs_below_a_shell_called_runc_is_reported(
    agent: Agent, runc: Runc, lab: Lab, token: str
) -> None:
    """sec-below-a-shell-called-runc."""
    shell = lab.sub("attack") / "runc"
    shutil.copy2("/bin/bash", shell)
    identity = unique("below")
    command = " ".join(runc.command("run", "--bundle", bundle_of(runc, token), identity))
    processes.run([shell, "-c", f"{command}; true"])
    start = reported(agent, token)
    assert start["container"]["id"] == identity
    assert start["start"]["trigger"] == "direct_runtime"
    assert start["initiator"] is not None


def test_what_runs_below_a_shell_called_like_a_shim_is_reported(
    agent: Agent, runc: Runc, lab: Lab, token: str
) -> None:
    """sec-below-a-shell-called-runc, another route: a supervisor of such a name."""
    shell = lab.sub("attack") / "containerd-shim-x"
    shutil.copy2("/bin/bash", shell)
    identity = unique("below")
    command = " ".join(runc.command("run", "--bundle", bundle_of(runc, token), identity))
    processes.run([shell, "-c", f"{command}; true"])
    assert reported(agent, token)["container"]["id"] == identity


def test_a_renamed_runtime_with_a_cgroup_path_of_its_own_is_reported(
    agent: Agent, runc: Runc, lab: Lab, token: str
) -> None:
    """sec-renamed-runtime-own-cgroup-path."""
    program = lab.sub("attack") / "innocent"
    shutil.copy2(runc.program, program)
    path = f"/castoff-tests/{unique('innocuous')}"
    bundle = bundle_of(runc, token, cgroupsPath=path)
    processes.run([program, "--root", runc.root, "run", "--bundle", bundle, unique("zz")])
    reported(agent, token)


@pytest.mark.parametrize("option", ["-b", "--b", "--bundle", "-bundle"])
def test_every_spelling_of_an_option_is_understood(
    agent: Agent, runc: Runc, token: str, option: str
) -> None:
    """sec-runtime-options-in-gos-spelling."""
    identity = unique("e6")
    runc.cli("run", option, bundle_of(runc, token), identity)
    assert reported(agent, token)["container"]["id"] == identity


def test_options_that_are_not_understood_hide_no_start(
    agent: Agent, runc: Runc, token: str
) -> None:
    """sec-runtime-options-in-gos-spelling, another route: the root in Go's other spelling."""
    identity = unique("e7")
    bundle = bundle_of(runc, token)
    processes.run([runc.program, f"-root={runc.root}", "run", f"-bundle={bundle}", identity])
    reported(agent, token)


def test_a_namespace_number_that_is_used_again_hides_no_start(agent: Agent, runc: Runc) -> None:
    """sec-pid-host-start-is-missed: containers without a pid namespace, one after the other."""
    kinds = ("mount", "network", "ipc", "uts")
    holders = [
        subprocess.Popen(["unshare", "-m", "--propagation", "private", "sleep", "0.2"])
        for _ in range(3)
    ]
    for holder in holders:
        holder.wait()
    names = [unique("host") for _ in range(4)]
    for name in names:
        runc.run_detached(name, "sleep", "0.2", namespaces=kinds)
        agent.one_stop(name)
        runc.delete(name)
    for name in names:
        agent.one_start(name)
    assert not [name for name in names if agent.failures(name)]


# ------------------------------------------------------------------ other ways to exec a runtime


def test_a_runtime_from_a_memfd_is_reported(agent: Agent, runc: Runc, token: str) -> None:
    """Bad input: the program has no file."""
    command = runc.command("run", "--bundle", str(bundle_of(runc, token)), unique("memfd"))
    code = (
        "import os, sys\n"
        "fd = os.memfd_create('innocent')\n"
        f"os.write(fd, open({str(runc.program)!r}, 'rb').read())\n"
        "os.execve(f'/proc/self/fd/{fd}', sys.argv[1:], os.environ)\n"
    )
    done = processes.run([sys.executable, "-c", code, "innocent", *command[1:]])
    assert done.returncode == 0
    reported(agent, token)


def test_a_runtime_below_a_script_is_reported(
    agent: Agent, runc: Runc, lab: Lab, token: str
) -> None:
    """Bad input: a script of any interpreter executes it in its own process."""
    script = lab.sub("attack") / "deploy"
    script.write_text('#!/bin/sh\nexec "$@"\n')
    script.chmod(0o755)
    identity = unique("script")
    processes.run([script, *runc.command("run", "--bundle", bundle_of(runc, token), identity)])
    assert reported(agent, token)["container"]["id"] == identity


def test_a_runtime_in_a_chroot_is_reported(agent: Agent, runc: Runc, lab: Lab, token: str) -> None:
    """Bad input: its paths mean something else than ours."""
    root = lab.sub("attack", "root")
    processes.run(["mount", "--rbind", "/", root])
    processes.run(["mount", "--make-rslave", root])
    identity = unique("chroot")
    try:
        command = runc.command("run", "--no-pivot", "--bundle", bundle_of(runc, token), identity)
        processes.run(["chroot", root, *command])
    finally:
        processes.run(["umount", "--recursive", "--lazy", root])
    assert reported(agent, token)["container"]["id"] == identity


def test_a_runtime_in_another_mount_namespace_is_reported(
    agent: Agent, runc: Runc, token: str
) -> None:
    """Bad input: the bundle cannot be read where the path says."""
    identity = unique("mountns")
    command = runc.command("run", "--bundle", bundle_of(runc, token), identity)
    processes.run(["unshare", "--mount", "--propagation", "private", *command])
    assert reported(agent, token)["container"]["id"] == identity


def test_a_runtime_through_the_dynamic_linker_hides_nothing(
    agent: Agent, runc: Runc, lab: Lab, token: str
) -> None:
    """Bad input: ld.so as the program. runc itself cannot run so; a shell that runs it can."""
    linker = Path("/lib64/ld-linux-x86-64.so.2")
    identity = unique("ldso")
    command = runc.command("run", "--bundle", bundle_of(runc, token), identity)
    own = processes.run([linker, runc.program, *command[1:]], check=False)
    if own.returncode != 0:
        runc.delete(identity)
        shell = lab.sub("attack") / "runc"
        shutil.copy2("/bin/bash", shell)
        processes.run([linker, shell, "-c", f"{' '.join(command)}; true"])
    assert reported(agent, token)["container"]["id"] == identity


def test_an_init_that_waits_before_its_execve_is_one_start(agent: Agent, runc: Runc) -> None:
    """Bad input: created, and started only later; an hour of it is in tests/correlate."""
    identity = unique("waits")
    runc.create(identity, "sleep", "0.2")
    agent.settle()
    assert agent.starts(identity) == []
    runc.cli("start", identity)
    agent.one_start(identity)


def test_a_pid_that_is_used_again_is_another_container(agent: Agent, runc: Runc) -> None:
    """Bad input: pid reuse. The next init is given the pid of the one before."""
    first, second = unique("pid"), unique("pid")
    runc.run_detached(first, "sleep", "30")
    pid = runc.state(first)["pid"]
    runc.delete(first)
    agent.one_stop(first)
    last = Path("/proc/sys/kernel/ns_last_pid")
    for _ in range(20):
        last.write_text(str(pid - 8))
        runc.run_detached(second, "sleep", "30")
        if abs(runc.state(second)["pid"] - pid) <= 8:
            break
        runc.delete(second)
        second = unique("pid")
    assert agent.one_start(second)["start"]["kind"] == "first"
    assert agent.one_start(first)["container"]["id"] == first


def test_namespaces_without_a_cgroup_or_a_runtime_are_not_a_container(agent: Agent) -> None:
    """Out of reach: a static program that clones with new namespaces looks like a sandbox."""
    token = unique("static")
    number = len(agent.events)
    processes.run(["unshare", "-pfm", "--kill-child", "sh", "-c", f": {token}"])
    agent.settle()
    found = [event for event in agent.events[number:] if token in str(event)]
    for event in found:
        assert event["confidence"]["container"] != "exact"
