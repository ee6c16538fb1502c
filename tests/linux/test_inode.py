"""An inode is found below a root, from the kernel's cache, and nothing there is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.linux import inode
from sensor.linux.inode import MAX_PATH_BYTES, Inode, Miss


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/file").write_text("x")
    (tmp_path / "var").symlink_to("run")
    (tmp_path / "up").symlink_to("../../../../run/file")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "run/fifo")
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def test_a_path_is_resolved_within_the_root_that_it_cannot_leave(root: int, tmp_path: Path) -> None:
    status = (tmp_path / "run/file").stat()
    for path in ("/run/file", "/var/file", "/up", "/../../run/file", "run/file"):
        found = inode.look_up(root, path, may_wait=True)
        assert isinstance(found, Inode), path
        assert (found.device, found.number) == (status.st_dev, status.st_ino)
        assert not found.is_socket


def test_a_relative_path_may_not_leave_its_directory(root: int) -> None:
    assert inode.look_up(root, "../x", may_wait=True) is Miss.UNSAFE


def test_a_fifo_is_found_without_being_opened(root: int) -> None:
    assert isinstance(inode.look_up(root, "/run/fifo", may_wait=True), Inode)


@pytest.mark.parametrize(
    ("path", "miss"),
    [
        ("/nothing", Miss.MISSING),
        ("/run/file/below", Miss.MISSING),
        ("/loop", Miss.UNSAFE),
        ("", Miss.UNSAFE),
        ("/a\0b", Miss.UNSAFE),
        ("/\ud800", Miss.UNSAFE),
        ("/" + "x" * MAX_PATH_BYTES, Miss.UNSAFE),
    ],
    ids=["missing", "below-a-file", "loop", "empty", "nul", "no-bytes", "long"],
)
def test_what_is_not_found_has_its_reason(root: int, path: str, miss: Miss) -> None:
    assert inode.look_up(root, path, may_wait=True) is miss


def test_a_process_is_held_by_its_directory() -> None:
    process = inode.open_process(os.getpid())
    try:
        assert inode.namespace(process, "mnt") == Path("/proc/self/ns/mnt").stat().st_ino
        directory = inode.open_directory(process, "root")
        assert isinstance(directory, int)
        os.close(directory)
    finally:
        os.close(process)


def test_a_process_that_is_gone_is_named_as_gone(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        assert inode.namespace(descriptor, "mnt") is Miss.PROCESS_GONE
        assert inode.open_directory(descriptor, "root") is Miss.PROCESS_GONE
    finally:
        os.close(descriptor)
    with pytest.raises(OSError, match="No such file"):
        inode.open_process(1, tmp_path)
