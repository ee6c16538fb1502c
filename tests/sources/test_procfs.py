"""The node and its running containers, read from a /proc made by hand and from the real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity import cgroup
from sensor.linux.process import stat_of
from sensor.model.container import CgroupIdentity, Description
from sensor.model.inventory import FoundContainer
from sensor.model.process import NS_PER_TICK, CgroupPaths, ProcessKey
from sensor.model.vocabulary import ContainerId
from sensor.sources import procfs
from sensor.sources.procfs import (
    cgroup_paths,
    found_again,
    host_facts,
    running_containers,
    security_modules,
)

FORKED_ONLY = 0x40
"""PF_FORKNOEXEC in the flags of a process."""

H1, H2 = "4f2d" * 16, "9a7b" * 16

HYBRID = f"""\
12:hugetlb:/
11:name=systemd:/elsewhere
10:cpu,cpuacct:/cpu/{H1}
9:pids:/docker/{H1}
8:memory:/memory/{H1}
0::/system.slice/docker-{H1}.scope
"""

PATHS = [
    ("", None, None),
    ("0::/\n", None, None),
    (f"0::/docker/{H1}\n", None, f"/docker/{H1}"),
    (f"0::/docker/{H1}", None, f"/docker/{H1}"),
    (HYBRID, f"/docker/{H1}", f"/system.slice/docker-{H1}.scope"),
    (f"4:memory:/m/{H1}\n3:cpu:/c\n", f"/m/{H1}", None),
    (f"4:memory:/m/{H1}\n3:cpu,pids:/p/{H1}\n", f"/p/{H1}", None),
    (f"9:pids:/slice:docker:{H1}\n", f"/slice:docker:{H1}", None),
    ("9:name=pids:/x\n8:name=memory:/y\n", None, None),
    ("9:pids:/\n0::/\n", None, None),
    ("nonsense\n9:pids\n:::\n", None, None),
    ("0::/a b/../c\n", None, "/a b/../c"),
    ("9:pids:/bad\udcff\n", "/bad\udcff", None),
]


@pytest.mark.parametrize(("text", "v1", "v2"), PATHS)
def test_the_hierarchies_that_containers_use_are_picked(
    text: str, v1: str | None, v2: str | None
) -> None:
    assert cgroup_paths(text) == CgroupPaths(v1, v2)


@given(st.text())
def test_no_text_makes_the_reader_raise(text: str) -> None:
    paths = cgroup_paths(text)
    assert paths.v1 != "/"
    assert paths.v2 != "/"


class Proc:
    """A /proc with a few processes in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        pid: int,
        cgroup_text: str,
        *,
        parent: int = 1,
        comm: str = "sleep",
        ticks: int = 100,
        flags: int = 0,
        ns_pids: str = "",
        cmdline: bytes = b"sleep\x001\0",
    ) -> None:
        base = self.root / str(pid)
        base.mkdir()
        fields = ["S", str(parent), *["0"] * 4, str(flags), *["0"] * 12, str(ticks), *["0"] * 30]
        (base / "stat").write_bytes(
            f"{pid} ({comm}) {' '.join(fields)}\n".encode("utf-8", "surrogateescape")
        )
        (base / "status").write_text(f"Name:\tx\nNSpid:\t{ns_pids or pid}\n")
        (base / "cgroup").write_bytes(cgroup_text.encode("utf-8", "surrogateescape"))
        (base / "cmdline").write_bytes(cmdline)

    def containers(self) -> dict[str, FoundContainer]:
        found = running_containers(cgroup.parse, lambda *_: None, self.root)
        return {one.id: one for one in found}


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    made = Proc(tmp_path)
    made.add(1, "0::/init.scope\n", parent=0)
    made.add(50, "0::/system.slice/cups.service\n")
    (tmp_path / "self").mkdir()
    (tmp_path / "60").mkdir()
    return made


def box(id_: str) -> str:
    return f"0::/docker/{id_}\n"


def test_a_node_without_containers_has_none(proc: Proc) -> None:
    assert proc.containers() == {}


def test_a_container_is_found_by_its_init(proc: Proc) -> None:
    proc.add(70, box(H1), ticks=300, ns_pids="70\t7", parent=71)
    proc.add(71, box(H1), ticks=200, ns_pids="71\t1", comm="odd) name (x")
    (found,) = proc.containers().values()
    assert found == FoundContainer(
        id=ContainerId(H1),
        scope=None,
        init=ProcessKey(71, 200 * NS_PER_TICK),
        cgroup=CgroupPaths(None, f"/docker/{H1}"),
        parents=(),
        argv=("sleep", "1"),
        description=None,
    )


def test_in_a_shared_pid_namespace_the_oldest_with_a_parent_outside_is_the_init(
    proc: Proc,
) -> None:
    proc.add(80, box(H1), parent=1, ticks=200)
    proc.add(81, box(H1), parent=80, ticks=100)
    proc.add(82, box(H1), parent=1, ticks=300)
    assert proc.containers()[H1].init.pid == 80


def test_an_exec_session_is_not_taken_for_the_init(proc: Proc) -> None:
    proc.add(90, box(H1), ns_pids="90\t1", ticks=500)
    proc.add(40, box(H1), ns_pids="40\t33", ticks=600)
    assert proc.containers()[H1].init.pid == 90


def test_a_users_process_in_a_cgroup_of_that_name_takes_nothing_from_roots(proc: Proc) -> None:
    """sec-forged-start-takes-a-running-container, by what runs before the agent begins."""
    there = f"0::/user.slice/user-1000.slice/user@1000.service/docker-{H1}.scope\n"
    proc.add(70, there, ns_pids="70\t1", ticks=100)
    proc.add(71, box(H1), ns_pids="71\t1", ticks=200)
    found = running_containers(cgroup.parse, lambda *_: None, proc.root)
    assert {(one.init.pid, one.cgroup.v2) for one in found} == {
        (70, there.removeprefix("0::").strip()),
        (71, f"/docker/{H1}"),
    }


def test_several_containers_are_distinguished(proc: Proc) -> None:
    proc.add(70, box(H1), ns_pids="70\t1")
    proc.add(71, f"0::/docker/{H1}/docker/{H2}\n", ns_pids="71\t2\t1")
    found = proc.containers()
    assert found[H1].parents == ()
    assert found[H2].parents == (H1,)
    assert found[H2].init.pid == 71


def test_a_container_that_waits_to_be_started_does_not_run(proc: Proc) -> None:
    proc.add(70, box(H1), ns_pids="70\t1", flags=FORKED_ONLY)
    assert proc.containers() == {}


def test_no_name_hides_a_container_that_runs(proc: Proc) -> None:
    proc.add(70, box(H1), ns_pids="70\t1", comm="runc:[2:INIT]")
    assert list(proc.containers()) == [H1]


def test_a_cgroup_that_only_may_be_an_id_is_not_a_container(proc: Proc) -> None:
    proc.add(70, "0::/default/web\n", ns_pids="70\t1")
    assert proc.containers() == {}


def test_the_v1_path_counts_before_the_other(proc: Proc) -> None:
    proc.add(70, f"9:pids:/docker/{H1}\n0::/docker/{H2}\n")
    assert list(proc.containers()) == [H1]


@pytest.mark.parametrize(
    ("cmdline", "argv"),
    [
        (b"", ()),
        (b"a\0b c\0", ("a", "b c")),
        (b"\xff\0", ("\udcff",)),
        (b"a\0" + b"x" * 9999, ("a", "x" * (procfs.ARGV_MAX - 2))),
    ],
)
def test_command_lines_are_split_and_bounded(
    proc: Proc, cmdline: bytes, argv: tuple[str, ...]
) -> None:
    proc.add(70, box(H1), cmdline=cmdline)
    assert proc.containers()[H1].argv == argv


@pytest.mark.parametrize("name", ["stat", "status", "cgroup", "cmdline"])
def test_a_process_that_goes_away_meanwhile_does_no_harm(proc: Proc, name: str) -> None:
    proc.add(70, box(H1), ns_pids="70\t1")
    proc.add(71, box(H2), ns_pids="71\t1")
    (proc.root / "70" / name).unlink()
    found = proc.containers()
    assert H2 in found
    assert found[H2].init.pid == 71


def test_what_describes_a_container_is_asked_with_what_was_found(proc: Proc) -> None:
    proc.add(70, box(H1), ticks=7, ns_pids="70\t1")
    asked: list[tuple[CgroupIdentity, ProcessKey, CgroupPaths]] = []

    def describe(
        identity: CgroupIdentity, init: ProcessKey, paths: CgroupPaths
    ) -> Description | None:
        asked.append((identity, init, paths))
        return Description(identity.id, name="web")

    (found,) = running_containers(cgroup.parse, describe, proc.root)
    assert found.description == Description(ContainerId(H1), name="web")
    ((identity, init, paths),) = asked
    assert identity.id == H1
    assert init == ProcessKey(70, 7 * NS_PER_TICK)
    assert paths == CgroupPaths(None, f"/docker/{H1}")


def test_no_more_processes_than_the_limit_are_looked_at(
    proc: Proc, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc.add(70, box(H1))
    proc.add(71, box(H2))
    monkeypatch.setattr(procfs, "PROCESSES_MAX", 4)
    assert list(proc.containers()) == [H1]


def test_a_known_container_is_found_again_by_its_init(proc: Proc) -> None:
    proc.add(70, "0::/default/web\n", ticks=7, comm="odd) name")
    init = ProcessKey(70, 7 * NS_PER_TICK + 123)
    outer = (ContainerId(H1),)
    found = found_again(ContainerId("web"), "/run/runc", init, outer, proc.root)
    assert found is not None
    assert found.parents == outer
    assert (found.id, found.scope, found.init) == ("web", "/run/runc", init)
    assert found.cgroup == CgroupPaths(None, "/default/web")


@pytest.mark.parametrize(("pid", "ticks"), [(70, 8), (71, 7)], ids=["pid reused", "gone"])
def test_a_known_container_whose_init_ended_is_not_found(proc: Proc, pid: int, ticks: int) -> None:
    proc.add(70, "0::/default/web\n", ticks=7)
    init = ProcessKey(pid, ticks * NS_PER_TICK)
    assert found_again(ContainerId("web"), None, init, (), proc.root) is None


# --------------------------------------------------------------- the node


def test_host_facts_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_NAME", "worker-3")
    boot = tmp_path / "proc/sys/kernel/random"
    boot.mkdir(parents=True)
    (boot / "boot_id").write_text("6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11\n")
    (tmp_path / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "lsm").write_text("lockdown,capability,apparmor")
    facts = host_facts(tmp_path / "proc", tmp_path, tmp_path / "lsm")
    assert facts.boot_id == "6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11"
    assert facts.machine_id == "0123456789abcdef0123456789abcdef"
    assert facts.node == "worker-3"
    assert facts.lsm == ("lockdown", "capability", "apparmor")


def test_security_modules_are_unknown_without_securityfs(tmp_path: Path) -> None:
    assert security_modules(tmp_path / "lsm") is None


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_host_without_machine_id_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.delenv("NODE_NAME", raising=False)
    if content is not None:
        (tmp_path / "machine-id").write_text(content)
    facts = host_facts(etc=tmp_path)
    assert facts.machine_id is None
    assert facts.node is None
    assert facts.kernel == os.uname().release
    assert len(facts.boot_id) == 36


def test_a_process_of_the_real_procfs_is_found_by_its_cgroup() -> None:
    own = cgroup_paths(Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    identity = CgroupIdentity(ContainerId(H1), engine=None)
    asked: list[tuple[CgroupIdentity, CgroupPaths]] = []

    def describe(which: CgroupIdentity, _: ProcessKey, paths: CgroupPaths) -> None:
        asked.append((which, paths))

    (found,) = running_containers(
        lambda path: identity if path in (own.v2, own.v1) else None, describe
    )
    assert found.id == H1
    assert asked == [(identity, found.cgroup)]
    assert own.v2 == found.cgroup.v2
    started = stat_of(found.init.pid)
    assert started is not None
    assert found.init.start_time == started.start_time


class Monitored:
    """A conmon and its children, as rootless Podman leaves them without a cgroup."""

    SESSION = "1:pids:/user.slice/user-1000.slice/session-1.scope\n"

    def __init__(self, proc: Proc, *words: str, uid: int = 1000) -> None:
        self.proc = proc
        argv = "\0".join(("conmon", *words)).encode() + b"\0"
        proc.add(80, self.SESSION, comm="conmon", cmdline=argv)
        (proc.root / "80/comm").write_text("conmon\n")
        (proc.root / "80/status").write_text(f"Uid:\t{uid}\t0\t0\t0\n")
        self.namespace(80, 1)
        (proc.root / "80/task/80").mkdir(parents=True)
        (proc.root / "80/task/80/children").write_text("81 82 ")

    def namespace(self, pid: int, number: int) -> None:
        (self.proc.root / f"{pid}/ns").mkdir()
        (self.proc.root / f"{pid}/ns/mnt").symlink_to(f"mnt:[{number}]")


def test_a_container_without_a_cgroup_is_found_by_its_monitor(proc: Proc) -> None:
    """Case rootless-podman-no-cgroup."""
    monitored = Monitored(proc, "-c", H1, "-n", "g1", "-b", "/x/userdata", "-r", "runc")
    proc.add(81, Monitored.SESSION, parent=80, comm="helper")
    monitored.namespace(81, 1)
    proc.add(82, Monitored.SESSION, parent=80, ticks=500, ns_pids="82\t1")
    monitored.namespace(82, 7)
    (found,) = proc.containers().values()
    assert (found.id, found.init) == (H1, ProcessKey(82, 500 * NS_PER_TICK))
    assert found.cgroup.v1 == "/user.slice/user-1000.slice/session-1.scope"
    assert found.supervisor_uid == 1000
    assert found.parents == ()


def test_a_monitor_of_an_exec_or_without_a_child_is_none(proc: Proc) -> None:
    Monitored(proc, "-c", H1, "--exec-process-spec", "/x")
    assert proc.containers() == {}
    (proc.root / "80/cmdline").write_bytes(b"conmon\0-c\0" + H1.encode() + b"\0")
    assert proc.containers() == {}


def test_a_users_monitor_takes_nothing_from_a_container_of_roots(proc: Proc) -> None:
    monitored = Monitored(proc, "-c", H1)
    proc.add(82, Monitored.SESSION, parent=80, ns_pids="82\t1")
    monitored.namespace(82, 7)
    proc.add(83, "1:pids:/machine.slice/x.scope\n", comm="conmon")
    (proc.root / "83/comm").write_text("conmon\n")
    (proc.root / "83/cmdline").write_bytes(f"conmon\0-c\0{H1}\0".encode())
    (proc.root / "83/task/83").mkdir(parents=True)
    (proc.root / "83/task/83/children").write_text("84 ")
    monitored.namespace(83, 1)
    proc.add(84, "1:pids:/machine.slice/x.scope\n", parent=83, ns_pids="84\t1")
    monitored.namespace(84, 8)
    found = running_containers(cgroup.parse, lambda *_: None, proc.root)
    assert 84 in {one.init.pid for one in found}


def test_a_monitor_speaks_of_no_container_that_a_cgroup_names(proc: Proc) -> None:
    monitored = Monitored(proc, "-c", H1)
    proc.add(82, Monitored.SESSION, parent=80, ns_pids="82\t1")
    monitored.namespace(82, 7)
    proc.add(71, box(H1), ticks=200, ns_pids="71\t1")
    (found,) = proc.containers().values()
    assert found.init.pid == 71
