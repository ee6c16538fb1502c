"""Lines in a file: whole, synced, rotated, and cut where a crash tore them."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.outputs.file.linefile import TORN_MAX, LineFile, Rotation

NEVER = Rotation(0, 0, 3)


def opened(path: Path, rotation: Rotation = NEVER, *, links: bool = False) -> LineFile:
    return LineFile(path, rotation, 0o640, links=links)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def write(path: Path, *batches: bytes, rotation: Rotation = NEVER) -> None:
    file = opened(path, rotation)
    for batch in batches:
        file.append(batch)
    file.close()


def test_batches_are_appended_in_a_file_of_the_wanted_rights(path: Path) -> None:
    os.umask(umask := os.umask(0o077))
    assert umask is not None
    write(path, b"1\n2\n", b"3\n")
    write(path, b"4\n")
    assert path.read_bytes() == b"1\n2\n3\n4\n"
    assert path.stat().st_mode & 0o777 == 0o640


@settings(deadline=None)
@given(whole=st.lists(st.binary(max_size=50).map(lambda line: line.replace(b"\n", b" ") + b"\n")),
       torn=st.binary(max_size=200).map(lambda line: line.replace(b"\n", b" ")))  # fmt: skip
def test_what_a_crash_tore_is_cut_off(whole: list[bytes], torn: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.jsonl"
        path.write_bytes(b"".join(whole) + torn)
        write(path, b"next\n")
        assert path.read_bytes() == b"".join(whole) + b"next\n"


def test_what_is_too_long_for_a_torn_line_is_ended_and_kept(path: Path) -> None:
    path.write_bytes(b"x" * (TORN_MAX + 1))
    write(path, b"next\n")
    assert path.read_bytes() == b"x" * (TORN_MAX + 1) + b"\nnext\n"


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000])
def test_a_long_torn_line_is_found_across_reads(path: Path, size: int) -> None:
    path.write_bytes(b"whole\n" + b"x" * size)
    write(path, b"next\n")
    assert path.read_bytes() == b"whole\nnext\n"


def test_it_rotates_before_it_grows_too_large_and_keeps_some(path: Path) -> None:
    batches = [b"%d\n" % number * 10 for number in range(1, 8)]
    write(path, *batches, rotation=Rotation(45, 0, 2))
    kept = [path, path.with_name("events.jsonl.1"), path.with_name("events.jsonl.2")]
    assert [one.read_bytes() for one in kept] == [
        batches[6],
        batches[4] + batches[5],
        batches[2] + batches[3],
    ]
    assert sorted(path.parent.iterdir()) == sorted(kept)


def test_a_batch_that_is_larger_than_the_limit_is_written_whole(path: Path) -> None:
    write(path, b"1\n" * 100, b"2\n", rotation=Rotation(45, 0, 1))
    assert path.read_bytes() == b"2\n"
    assert path.with_name("events.jsonl.1").read_bytes() == b"1\n" * 100


def test_a_file_of_an_earlier_period_is_put_away_also_after_a_restart(path: Path) -> None:
    rotation = Rotation(0, 3600, 1)
    write(path, b"1\n", rotation=rotation)
    write(path, b"2\n", rotation=rotation)
    assert path.read_bytes() in {b"1\n2\n", b"2\n"}  # the hour may just have turned
    old = path.stat().st_mtime - 3600
    os.utime(path, (old, old))
    write(path, b"3\n", rotation=rotation)
    assert path.read_bytes() == b"3\n"


def test_keeping_none_removes_the_file(path: Path) -> None:
    write(path, b"1\n" * 30, b"2\n", rotation=Rotation(45, 0, 0))
    assert [one.name for one in path.parent.iterdir()] == ["events.jsonl"]
    assert path.read_bytes() == b"2\n"


def test_a_file_that_was_moved_away_is_let_go(path: Path) -> None:
    file = opened(path)
    file.append(b"1\n")
    path.rename(path.with_name("moved"))
    file.append(b"2\n")
    path.unlink()
    file.append(b"3\n")
    file.close()
    assert path.with_name("moved").read_bytes() == b"1\n"
    assert path.read_bytes() == b"3\n"


def test_a_file_that_was_emptied_goes_on_from_its_begin(path: Path) -> None:
    file = opened(path)
    file.append(b"1\n")
    os.truncate(path, 0)
    file.append(b"2\n")
    file.close()
    assert path.read_bytes() == b"2\n"


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory", "socketless"])
def test_what_is_not_a_regular_file_is_refused(path: Path, kind: str) -> None:
    target = path.with_name("target")
    if kind == "symlink":
        path.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path = path.with_name("missing") / "events.jsonl"
    with pytest.raises(OSError):  # noqa: PT011 - each kind has its own number
        write(path, b"1\n")
    assert not target.exists()


def test_a_link_is_followed_when_that_is_wanted(path: Path) -> None:
    target = path.with_name("target")
    path.symlink_to(target)
    file = opened(path, links=True)
    file.append(b"1\n")
    file.append(b"2\n")
    file.close()
    assert target.read_bytes() == b"1\n2\n"


def test_a_file_that_a_user_holds_is_refused(path: Path) -> None:
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            write(path, b"1\n")


def test_a_batch_that_does_not_fit_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = opened(path)
    file.append(b"1\n")
    real = os.write
    room = [3]

    def full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        file.append(b"22\n33\n")
    assert path.read_bytes() == b"1\n"
    monkeypatch.setattr(os, "write", real)
    file.append(b"22\n33\n")
    file.close()
    assert path.read_bytes() == b"1\n22\n33\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_disk_that_is_full_keeps_whole_lines_only(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.system(f"mount -t tmpfs -o size=64k tmpfs {disk}")
    if mounted != 0:
        pytest.skip("may not mount a tmpfs here")
    try:
        path = disk / "events.jsonl"
        file = opened(path)
        line = b"x" * 999 + b"\n"
        for _ in range(9):
            file.append(line * 7)
        with pytest.raises(OSError, match="No space left"):
            file.append(line * 7)
        assert path.stat().st_size % 7000 == 0
        file.close()
    finally:
        os.system(f"umount {disk}")
