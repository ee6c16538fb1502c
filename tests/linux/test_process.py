"""What procfs has of a process, whatever name the process gave itself."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.waiting import until
from sensor.linux.process import (
    ProcessStatus,
    Stat,
    awaits_execve,
    boot_time,
    login_session,
    login_uid,
    parse_stat,
    parse_status,
    stat_of,
    status_of,
    usage_of,
)
from sensor.model.process import NS_PER_TICK

FIELDS = ["S", "7", "40", "41", *["0"] * 15, "500", "0"]


def text(comm: bytes, fields: list[str] | None = None) -> bytes:
    return b"12 (" + comm + b") " + " ".join(fields or FIELDS).encode() + b"\n"


@given(st.binary(max_size=15).filter(lambda name: b"\0" not in name))
def test_a_name_of_the_process_s_choice_moves_no_field(comm: bytes) -> None:
    expected = Stat(
        comm.decode("utf-8", "surrogateescape"), "S", 7, 41, 500 * NS_PER_TICK, executed=True
    )
    assert parse_stat(text(comm)) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    parse_stat(data)
    parse_status(data)


def test_a_cut_text_is_refused() -> None:
    assert parse_stat(text(b"sh", FIELDS[:19])) is None
    assert parse_stat(b"12 sh S 7") is None
    assert parse_status(b"Name:\tsh\n") == ProcessStatus(None, None, (), 0)


def test_a_status_has_uids_pids_and_capabilities() -> None:
    data = b"Name:\tx\nUid:\t1000\t0\t0\t0\nNSpid:\t82\t7\t1\nCapEff:\t0000000000200000\n"
    assert parse_status(data) == ProcessStatus(1000, 0, (82, 7, 1), 1 << 21)
    assert parse_status(b"Uid:\t5\t6\t6\t6\n") == ProcessStatus(5, 6, (), 0)


def test_this_process_is_as_psutil_sees_it() -> None:
    own, status = stat_of(os.getpid()), status_of(os.getpid())
    assert own is not None
    assert status is not None
    seen = psutil.Process()
    assert (own.parent, own.session) == (seen.ppid(), os.getsid(0))
    assert abs(own.start_time / 1e9 + psutil.boot_time() - seen.create_time()) < 2
    assert (status.real_uid, status.effective_uid) == (os.getuid(), os.geteuid())
    assert status.pids[0] == os.getpid()


FORK = "exec 3<&0; (read line <&3; exec sleep 60) & echo $!; wait"


def test_a_child_that_was_only_forked_awaits_its_execve() -> None:
    shell = subprocess.Popen(["sh", "-c", FORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert shell.stdin is not None
    assert shell.stdout is not None
    child = int(shell.stdout.readline())
    try:
        forked = stat_of(child)
        assert forked is not None
        assert awaits_execve(child, forked)
        shell.stdin.write(b"go on\n")
        shell.stdin.close()
        until(lambda: (seen := stat_of(child)) is not None and seen.executed, "it has executed")
        executed = stat_of(child)
        assert executed is not None
        assert not awaits_execve(child, executed)
    finally:
        os.kill(child, signal.SIGKILL)
        shell.wait()
        shell.stdout.close()


def restored(proc: Path, program: str, parents_program: str) -> Stat:
    """Make a process that never called execve, as a restored one."""
    for pid, file in (("7", parents_program), ("12", program)):
        (proc / pid).mkdir()
        (proc / pid / "exe").symlink_to(file)
        (proc / pid / "root").symlink_to("/")
    stat = parse_stat(text(b"web", [*FIELDS[:6], "64", *FIELDS[7:]]))
    assert stat is not None
    return stat


def test_a_restored_process_runs_though_it_never_called_execve(tmp_path: Path) -> None:
    assert not awaits_execve(12, restored(tmp_path, "/bin/sleep", "/bin/cat"), tmp_path)


def test_what_runs_its_parents_program_or_none_of_its_root_awaits_its_execve(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    assert awaits_execve(12, restored(tmp_path / "a", "/bin/sleep", "/bin/sleep"), tmp_path / "a")
    stat = restored(tmp_path, "/bin/sleep", "/bin/cat")
    (tmp_path / "12" / "root").unlink()
    (tmp_path / "12" / "root").mkdir()
    assert awaits_execve(12, stat, tmp_path)


def test_a_process_that_is_gone_has_nothing(tmp_path: Path) -> None:
    assert stat_of(1, tmp_path) is None
    assert status_of(1, tmp_path) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("1000", 1000), ("4294967295", None), ("x", None), ("", None), (None, None)],
)
def test_a_login_and_its_session_are_unknown_unless_the_kernel_set_them(
    tmp_path: Path, text: str | None, number: int | None
) -> None:
    (tmp_path / "7").mkdir()
    if text is not None:
        (tmp_path / "7/loginuid").write_text(text)
        (tmp_path / "7/sessionid").write_text(text)
    assert login_uid(7, tmp_path) == number
    assert login_session(7, tmp_path) == number


def test_memory_and_boot_time_are_those_that_psutil_finds() -> None:
    process = psutil.Process()
    usage = usage_of(os.getpid())
    assert usage is not None
    memory = process.memory_info()
    assert abs(usage.resident - memory.rss) < 8 << 20
    assert abs(usage.virtual - memory.vms) < 64 << 20
    assert boot_time() == int(psutil.boot_time())


def test_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert usage_of(1, tmp_path) is None
    assert boot_time(tmp_path) is None
    (tmp_path / "stat").write_text("cpu 1 2 3\n")
    assert boot_time(tmp_path) is None
