"""What the probes take for a container's life, on the running kernel and with a real runc."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sensor.bpf import loader
from sensor.bpf.layout import ARGV_MAX, RecordKind
from sensor.model.vocabulary import Lineage, Role
from tests.bpf.live import Bundle, Listener, Probes

pytestmark = pytest.mark.kernel


def test_a_container_is_one_exec_and_one_exit(listener: Listener, bundle: Bundle) -> None:
    assert bundle.run("/bin/sh", "-c", "exit 7") == 7
    assert listener.until(lambda: len(listener.exits) == 1)
    (exec_,), (exit_,) = listener.inits, listener.exits
    assert exec_.argv == ("/bin/sh", "-c", "exit 7")
    assert (exec_.process.exe, exec_.lineage) == ("busybox", Lineage.RUNTIME)
    assert (exec_.process.ns_pids[-1], len(exec_.process.ns_pids)) == (1, own_level() + 1)
    assert exec_.process.ns_pids[own_level() - 1 :: -1]
    assert (exit_.process, exit_.status, exit_.started) == (exec_.process.key, 7 << 8, True)
    assert exec_.time < exit_.time


def own_level() -> int:
    """Pid namespaces that this process is in."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("NSpid:"))
    return len(line.split()) - 1


def test_its_runtime_command_comes_first_and_founds_it(listener: Listener, bundle: Bundle) -> None:
    bundle.run("/bin/true")
    assert listener.until(lambda: bool(listener.inits) and bool(listener.command_exits))
    (exec_,) = listener.inits
    run = next(one for one in listener.commands if "run" in one.argv)
    assert (run.role, run.program, run.argv[0]) == (Role.RUNTIME, "runc", "runc")
    assert run.argv[-1] == bundle.id
    assert run.cwd == str(bundle.path)
    assert run.time < exec_.time
    assert exec_.root == run.process.key
    (done,) = (one for one in listener.command_exits if one.process == run.process.key)
    assert done.status == 0
    assert len([one for one in listener.commands if one.argv[-1] == bundle.id]) == 1


def test_an_exec_shows_what_the_kernel_knows_of_the_process(
    listener: Listener, bundle: Bundle
) -> None:
    bundle.config["process"]["user"] = {"uid": 1234, "gid": 5678}
    bundle.run("/bin/true")
    assert listener.until(lambda: bool(listener.inits))
    process = listener.inits[0].process
    assert (process.uid, process.gid) == (1234, 5678)
    assert process.mnt_ns != inode("mnt")
    assert process.pid_ns != inode("pid")
    path = process.cgroup.v1 or process.cgroup.v2 or ""
    assert path.endswith(f"/castoff-test/{bundle.id}")
    assert process.loginuid == login("loginuid")
    assert process.session == login("sessionid")


def inode(namespace: str) -> int:
    return Path(f"/proc/self/ns/{namespace}").stat().st_ino


def login(name: str) -> int | None:
    value = int(Path(f"/proc/self/{name}").read_text())
    return None if value == 2**32 - 1 else value


def test_ancestors_are_distinguished_from_the_parent_up(listener: Listener, bundle: Bundle) -> None:
    bundle.run("/bin/true", wrapper=["/bin/sh", "-c", '"$@"; true', "sh"])
    assert listener.until(lambda: bool(listener.inits))
    (exec_,) = listener.inits
    chain = [ancestor.pid for ancestor in exec_.process.ancestors]
    run = next(one for one in listener.commands if "run" in one.argv)
    own = chain.index(os.getpid())
    assert chain[own - 2] == run.process.key.pid
    assert chain[own - 1] == run.process.ancestors[0].pid
    shell = exec_.process.ancestors[own - 1]
    assert (shell.comm, shell.exe) == ("sh", Path("/bin/sh").resolve().name)
    assert exec_.process.ancestors[own].exe == Path(sys.executable).resolve().name
    starts = [ancestor.start_time for ancestor in exec_.process.ancestors[: own + 1]]
    assert starts == sorted(starts, reverse=True)


def test_an_entrypoint_that_executes_something_else_started_once(
    listener: Listener, bundle: Bundle
) -> None:
    assert bundle.run("/bin/sh", "-c", "exec /bin/sh -c 'exec /bin/true'") == 0
    assert listener.until(lambda: len(listener.exits) == 1)
    assert [one.argv[0] for one in listener.inits] == ["/bin/sh"]


def test_create_and_start_by_two_commands_is_one_exec_at_the_start(
    listener: Listener, bundle: Bundle
) -> None:
    bundle.write("/bin/true")
    assert bundle.runc("create", "--no-pivot", bundle.id) == 0
    assert listener.until(lambda: bool(listener.command_exits))
    assert listener.inits == []
    assert bundle.runc("start", bundle.id) == 0
    assert listener.until(lambda: len(listener.exits) == 1)
    (exec_,) = listener.inits
    create = next(one for one in listener.commands if "create" in one.argv)
    start = next(one for one in listener.commands if "start" in one.argv)
    assert exec_.root == create.process.key
    assert exec_.time > start.time


def test_a_container_killed_by_a_signal_says_so(listener: Listener, bundle: Bundle) -> None:
    bundle.write("/bin/sleep", "1000")
    assert bundle.runc("run", "--no-pivot", "-d", bundle.id) == 0
    assert listener.until(lambda: bool(listener.inits))
    assert bundle.runc("kill", bundle.id, "KILL") == 0
    assert listener.until(lambda: bool(listener.exits))
    (exit_,) = listener.exits
    assert (exit_.status & 0x7F, exit_.oom_killed) == (9, False)


def test_a_process_executed_into_a_container_is_not_a_start(
    listener: Listener, bundle: Bundle
) -> None:
    bundle.write("/bin/sleep", "1000")
    assert bundle.runc("run", "--no-pivot", "-d", bundle.id) == 0
    for _ in range(3):
        assert bundle.runc("exec", bundle.id, "/bin/sh", "-c", "/bin/true; exit 4") == 4
    assert bundle.runc("kill", bundle.id, "KILL") == 0
    assert listener.until(lambda: bool(listener.exits))
    assert [one.argv[0] for one in listener.inits] == ["/bin/sleep"]
    assert len(listener.exits) == 1
    assert len([one for one in listener.commands if "exec" in one.argv]) == 3


def test_a_container_in_the_hosts_pid_namespace_is_seen(listener: Listener, bundle: Bundle) -> None:
    assert bundle.run("/bin/sh", "-c", "/bin/true; exit 3", shared=["pid"]) == 3
    assert listener.until(lambda: len(listener.exits) == 1)
    (exec_,), (exit_,) = listener.inits, listener.exits
    assert len(exec_.process.ns_pids) == own_level()
    assert exec_.argv[0] == "/bin/sh"
    assert (exit_.status, exit_.started) == (3 << 8, True)


def test_a_renamed_runtime_is_seen_by_the_cgroup_that_it_makes(
    listener: Listener, bundle: Bundle
) -> None:
    program = bundle.path / "frobnicate"
    shutil.copy(shutil.which("runc") or "", program)
    assert bundle.run("/bin/sh", "-c", "exit 5", program=program) == 5
    assert listener.until(lambda: bool(listener.inits))
    (exec_,) = listener.inits
    assert (exec_.argv[0], exec_.lineage) == ("/bin/sh", Lineage.CGROUP_MAKER)
    birth = next(one for one in listener.births if one.path.endswith(bundle.id))
    assert birth.argv[-1] == bundle.id
    assert birth.maker.exe == "frobnicate"
    assert birth.time < exec_.time
    assert exec_.root == birth.maker.key
    assert listener.until(lambda: len(listener.exits) == 1)
    assert listener.exits[0].status == 5 << 8


def test_a_renamed_runtime_below_a_monitor_is_of_its_lineage(
    listener: Listener, bundle: Bundle
) -> None:
    program = bundle.path / "frobnicate"
    shutil.copy(shutil.which("runc") or "", program)
    monitor = bundle.path / "conmon"
    monitor.write_text('#!/bin/sh\n"$@"\n')
    monitor.chmod(0o755)
    assert bundle.run("/bin/true", program=program, wrapper=[monitor]) == 0
    assert listener.until(lambda: bool(listener.inits))
    (exec_,) = listener.inits
    (command,) = (one for one in listener.commands if one.role is Role.MONITOR)
    assert exec_.lineage is Lineage.SUPERVISOR
    assert exec_.root == command.process.key


def test_an_init_that_never_executes_anything_ends_unstarted(
    listener: Listener, bundle: Bundle
) -> None:
    assert bundle.run("/bin/absent") != 0
    assert listener.until(lambda: bool(listener.exits) and bool(listener.command_exits))
    assert listener.inits == []
    (exit_,) = listener.exits
    run = next(one for one in listener.commands if "run" in one.argv)
    assert (exit_.started, exit_.root) == (False, run.process.key)
    assert any(one.status != 0 for one in listener.command_exits)


def test_what_runs_below_a_shell_called_runc_speaks_for_itself(
    listener: Listener, bundle: Bundle
) -> None:
    shell = bundle.path / "bin" / "runc"
    shell.parent.mkdir()
    shutil.copy(shutil.which("bash") or "/bin/bash", shell)
    bundle.write("/bin/true")
    true_runc = shutil.which("runc") or ""
    script = f"{true_runc} --root {bundle.root} run --no-pivot --bundle {bundle.path} {bundle.id}"
    assert subprocess.run([shell, "-c", f"{script}; true"], check=False).returncode == 0
    assert listener.until(lambda: bool(listener.inits) and bool(listener.command_exits))
    run = next(one for one in listener.commands if one.argv[0] == true_runc)
    assert run.argv[-1] == bundle.id
    (exec_,) = listener.inits
    assert exec_.root == run.process.key
    assert [one.argv for one in listener.commands if one.argv[-1] == "init"] == []


def test_an_init_shows_which_namespaces_it_shares(listener: Listener, bundle: Bundle) -> None:
    bundle.run("/bin/true", shared=["pid", "network"])
    assert listener.until(lambda: bool(listener.inits))
    found = listener.inits[0].namespaces
    assert found is not None
    assert (found.pid, found.net, found.user) == tuple(map(inode, ("pid", "net", "user")))
    assert found.mnt != inode("mnt")
    assert found.ipc != inode("ipc")
    assert found.uts != inode("uts")
    assert listener.inits[0].process.euid == 0


def test_mount_namespaces_whose_numbers_are_used_again_hide_no_start(
    pin_root: Path, bundle: Bundle
) -> None:
    others = [
        subprocess.Popen(["unshare", "-m", "--propagation", "private", "sleep", "60"])
        for _ in range(4)
    ]
    waiting = {other.pid for other in others}
    while any(Path(f"/proc/{pid}/comm").read_text() != "sleep\n" for pid in waiting):
        pass
    numbers = {Path(f"/proc/{pid}/ns/mnt").stat().st_ino for pid in waiting}
    fresh = Probes(loader.load(pin_root))
    try:
        heir = Listener(fresh)
        for other in others:
            other.kill()
            other.wait()
        for round_ in range(1, 5):
            assert bundle.run("/bin/true", shared=["pid"]) == 0
            bundle.delete()
            assert heir.until(lambda: len(heir.inits) == round_)  # noqa: B023 - called at once
        used = {one.process.mnt_ns for one in heir.inits}
        assert used & numbers, "the kernel gave none of the numbers again: nothing was tested"
    finally:
        fresh.close()


def test_a_private_pid_namespace_alone_is_not_a_container(listener: Listener) -> None:
    subprocess.run(["unshare", "-pf", "sh", "-c", "true; exec true"], check=True)
    subprocess.run(["unshare", "-pmf", "--mount-proc", "setsid", "true"], check=True)
    subprocess.run(["unshare", "-m", "setsid", "-w", "true"], check=True)
    listener.until(lambda: bool(listener.inits) or listener.probes.lifecycle.backlog() == 0)
    assert listener.inits == []
    assert listener.births == []


def test_a_long_command_line_is_cut_and_said_to_be(listener: Listener, bundle: Bundle) -> None:
    assert bundle.run("/bin/sh", "-c", "exit 0", "x" * 3000, "y" * 3000) == 0
    assert listener.until(lambda: bool(listener.inits))
    (exec_,) = listener.inits
    assert exec_.argv_truncated
    raw = "\0".join(exec_.argv)
    assert len(raw) == ARGV_MAX - 1
    assert raw.startswith("/bin/sh\0-c\0exit 0\0" + "x" * 3000 + "\0" + "y" * 1000)


def test_a_command_line_that_just_fits_is_whole(listener: Listener, bundle: Bundle) -> None:
    fill = "x" * (ARGV_MAX - 1 - len("/bin/sh\0-c\0true\0\0"))
    assert bundle.run("/bin/sh", "-c", "true", fill) == 0
    assert listener.until(lambda: bool(listener.inits))
    (exec_,) = listener.inits
    assert not exec_.argv_truncated
    assert exec_.argv == ("/bin/sh", "-c", "true", fill)


def test_words_that_are_not_text_come_through(listener: Listener, bundle: Bundle) -> None:
    words = ["\udcff\udcfe", "\x1b[2J", "", "naïve"]
    subprocess.run(["/bin/busybox", "true", *words], executable="/bin/busybox", check=True)
    tool = bundle.path / "crictl"
    shutil.copy("/bin/busybox", tool)
    subprocess.run([tool, *words], check=False, capture_output=True)
    assert listener.until(lambda: bool(listener.commands))
    (command,) = listener.commands
    assert (command.role, command.program) == (Role.CLIENT, "crictl")
    assert command.argv == (str(tool), *words)


def test_a_script_is_matched_by_its_own_name(listener: Listener, tmp_path: Path) -> None:
    script = tmp_path / "docker-compose"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    subprocess.run([script, "up", "-d"], check=True)
    assert listener.until(lambda: bool(listener.commands))
    (command,) = listener.commands
    assert (command.role, command.program) == (Role.CLIENT, "docker-compose")
    assert command.argv == ("/bin/sh", str(script), "up", "-d")


def test_unwatched_programs_are_not_reported(listener: Listener) -> None:
    subprocess.run(["/bin/sh", "-c", "true; cat /dev/null; exec env true"], check=True)
    listener.until(lambda: bool(listener.commands) or listener.probes.commands.backlog() == 0)
    assert listener.commands == []
    assert listener.inits == []


def test_a_container_that_the_kernel_kills_for_memory_says_so(
    listener: Listener, bundle: Bundle
) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"limit": 16 << 20}}
    code = bundle.run("/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1")
    if code != 137:
        pytest.skip(f"no memory limit can be set here: dd ended with {code}")
    assert listener.until(lambda: bool(listener.exits))
    (exit_,) = listener.exits
    assert exit_.oom_killed
    assert exit_.status & 0x7F == 9


LOOP = """
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char left[16];
	int more = atoi(argv[1]);
	snprintf(left, sizeof(left), "%d", more - 1);
	if (more > 0)
		execl("/proc/self/exe", "runc", left, (char *)0);
	return more != 0;
}
"""


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    """A program called runc that executes itself as often as it is asked to."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    source, program = tmp_path / "loop.c", tmp_path / "runc"
    source.write_text(LOOP)
    subprocess.run([compiler, "-static", "-O1", "-o", program, source], check=True)
    return program


def test_an_exec_loop_of_a_watched_name_is_held_back_and_counted(
    listener: Listener, probes: Probes, loop: Path, bundle: Bundle
) -> None:
    before = probes.count(RecordKind.COMMAND_EXEC)

    def limited() -> int:
        return probes.count(RecordKind.COMMAND_EXEC).limited - before.limited

    executed = 0
    while limited() == 0 and executed < 40_000:
        loops = [subprocess.Popen([loop, "300"]) for _ in range(4)]
        assert [process.wait() for process in loops] == [0] * 4
        executed += 4 * 301
    assert limited() > 0
    reported = len(listener.commands)
    submitted = probes.count(RecordKind.COMMAND_EXEC).submitted - before.submitted
    assert reported <= submitted
    dropped = probes.count(RecordKind.COMMAND_EXEC).dropped - before.dropped
    assert submitted + limited() + dropped >= executed, "none is lost without being counted"
    assert bundle.run("/bin/true") == 0
    assert listener.until(lambda: len(listener.inits) == 1), "starts are still reported"
