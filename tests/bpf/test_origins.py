"""What one cannot have is taken from the same one: a plain user's flood hides nothing of root's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.bpf import libbpf, loader
from sensor.bpf.layout import RecordKind
from sensor.model.kernel_records import CommandExec, InitExec
from tests.bpf.live import Bundle, Probes

pytestmark = pytest.mark.kernel
AS_UNPRIVILEGED = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
RING = 256 * 4096
PART = RING // 8

FLOOD = r"""
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* flood inits|commands COUNT PROGRAM WORD: new containers' inits, or commands */
int main(int argc, char **argv)
{
	int flags = !strcmp(argv[1], "inits") ? CLONE_NEWUSER | CLONE_NEWPID : 0;

	for (int i = atoi(argv[2]); i; i--) {
		pid_t child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

		if (child < 0)
			return 3;
		if (!child) {
			execl(argv[3], argv[3], argv[4], (char *)0);
			_exit(4);
		}
		waitpid(child, 0, 0);
	}
	return 0;
}
"""

NEST = """
import ctypes, os, sys
deep, number, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
libc = ctypes.CDLL(None, use_errno=True)
def unshare():
    if libc.unshare(0x10000000):  # CLONE_NEWUSER
        sys.exit(3)
made, mapped = os.pipe(), os.pipe()
child = os.fork()
if child:
    # As newuidmap(1) does for a user with subordinate uids.
    if os.read(made[0], 1):
        open(f"/proc/{child}/uid_map", "w").write("0 200000 65536")
        open(f"/proc/{child}/gid_map", "w").write("0 200000 65536")
        os.write(mapped[1], b"x")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.close(made[0])
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
libc.prctl(4, 1)  # PR_SET_DUMPABLE: /proc/self is one's own again
unshare()
os.write(made[1], b"x")
os.read(mapped[0], 1)
os.setresgid(number, number, number)
os.setresuid(number, number, number)
libc.prctl(4, 1)
inside = number
for _ in range(deep - 1):
    unshare()
    open("/proc/self/setgroups", "w").write("deny")
    open("/proc/self/uid_map", "w").write(f"0 {inside} 1")
    open("/proc/self/gid_map", "w").write(f"0 {inside} 1")
    inside = 0
os.execv(program[0], program)
"""
"""DEPTH NUMBER PROGRAM: run a plain user's program so deep in user namespaces. One of that user's
subordinate uids makes all but the outermost one."""


@pytest.fixture
def flood(tmp_path: Path) -> Iterator[Path]:
    """A program called runc that floods; any user may run it."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    place = Path("/tmp") / f"castoff-flood-{tmp_path.name}"
    place.mkdir(mode=0o755)
    (place / "flood.c").write_text(FLOOD)
    subprocess.run(
        [compiler, "-static", "-O1", "-o", place / "runc", place / "flood.c"], check=True
    )
    shutil.copy("/bin/true", place / "docker")
    yield place / "runc"
    shutil.rmtree(place)


@pytest.fixture
def undrained(pin_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probes]:
    """Probes whose rings no agent reads."""
    monkeypatch.setattr(loader, "LIFECYCLE_PAGES", 256)
    monkeypatch.setattr(loader, "COMMANDS_PAGES", 256)
    made = Probes(loader.load(pin_root))
    yield made
    made.close()


def test_inits_of_a_plain_users_namespaces_leave_room_for_roots(
    undrained: Probes, flood: Path, bundle: Bundle
) -> None:
    result = subprocess.run(
        [*AS_UNPRIVILEGED, flood, "inits", "600", "/bin/true", "x"], check=False
    )
    if result.returncode == 3:
        pytest.skip("plain users may make no user namespaces here")
    assert result.returncode == 0
    count = undrained.count(RecordKind.INIT_EXEC)
    assert count.limited > 0
    assert count.dropped == 0
    assert undrained.lifecycle.backlog() <= PART + 4096
    for _ in range(3):
        assert bundle.run("/bin/true") == 0
        bundle.delete()
    assert undrained.count(RecordKind.INIT_EXEC).limited == count.limited
    seen = [one for one in undrained.drain() if isinstance(one, InitExec)]
    assert len([one for one in seen if one.process.euid == 0 and one.argv == ("/bin/true",)]) == 3


def test_commands_of_a_plain_user_leave_room_for_roots(
    undrained: Probes, flood: Path, bundle: Bundle
) -> None:
    docker = str(flood.with_name("docker"))
    for _ in range(3):
        subprocess.run([*AS_UNPRIVILEGED, flood, "commands", "1500", docker, "x"], check=True)
    count = undrained.count(RecordKind.COMMAND_EXEC)
    assert count.limited > 0
    assert count.dropped == 0
    assert undrained.commands.backlog() <= PART + 16384
    assert bundle.run("/bin/true") == 0
    seen = undrained.drain()
    ours = [one for one in seen if isinstance(one, CommandExec) and one.argv[-1] == bundle.id]
    assert [one.process.euid for one in ours if "run" in one.argv] == [0]
    (init,) = (one for one in seen if isinstance(one, InitExec))
    assert not init.causes_lost, "who was not let in cannot be the cause"


@pytest.mark.parametrize("deep", [2, 8, 9, 20])
def test_a_user_with_subordinate_uids_has_one_part_however_deep_the_namespaces(
    undrained: Probes, flood: Path, deep: int
) -> None:
    docker = str(flood.with_name("docker"))
    for number in range(1, 6):
        command = ["/usr/bin/python3", "-I", "-c", NEST, str(deep), str(number)]
        result = subprocess.run([*command, flood, "commands", "400", docker, "x"], check=False)
        if result.returncode == 3:
            pytest.skip("plain users may make no user namespaces here")
        assert result.returncode == 0
    assert undrained.count(RecordKind.COMMAND_EXEC).limited > 0
    assert undrained.commands.backlog() <= PART + 16384


def until_named(pid: int, name: str) -> None:
    """Wait until a process has executed a program of that name, and has a child."""
    while Path(f"/proc/{pid}/comm").read_text() != f"{name}\n":
        pass
    while not Path(f"/proc/{pid}/task/{pid}/children").read_text():
        pass


def test_lineages_of_a_plain_user_are_in_a_map_of_their_own(undrained: Probes, flood: Path) -> None:
    process = subprocess.Popen([*AS_UNPRIVILEGED, flood, "commands", "1", "/bin/sleep", "60"])
    try:
        key = process.pid.to_bytes(4, "little")
        until_named(process.pid, "runc")
        root, others = (
            libbpf.BpfMap.pinned(undrained.pins.map(name))
            for name in ("lineages", "lineages_of_others")
        )
        assert root.lookup(key) is None
        assert others.lookup(key) is not None
        root.close()
        others.close()
    finally:
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        os.kill(int(child), signal.SIGKILL)
        process.wait()


def test_room_that_was_given_back_is_used_again(undrained: Probes, flood: Path) -> None:
    docker = str(flood.with_name("docker"))
    subprocess.run([*AS_UNPRIVILEGED, flood, "commands", "1500", docker, "x"], check=True)
    undrained.drain()
    before = undrained.count(RecordKind.COMMAND_EXEC).submitted
    subprocess.run([*AS_UNPRIVILEGED, flood, "commands", "20", docker, "x"], check=True)
    assert undrained.count(RecordKind.COMMAND_EXEC).submitted > before
