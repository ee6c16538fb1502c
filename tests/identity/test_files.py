"""Hostile files: what must not be opened, followed, or read whole."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.identity import files
from sensor.identity.files import MAX_FILE_BYTES, Failure, exists, names, read
from tests.identity.sample_node import open_descriptors


@pytest.fixture(params=["openat2", "fallback"])
def root(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    if request.param == "fallback":
        monkeypatch.setattr(files, "_openat2", lambda *_: (-1, errno.ENOSYS))
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def test_a_regular_file_is_read_whole(root: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/f").write_bytes(b"x" * 100_000)
    assert read(root, "/a/f") == b"x" * 100_000
    assert read(root, "a//./f") == b"x" * 100_000


def test_the_limit_is_exact(root: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    assert read(root, "/f", 10) == b"x" * 10
    assert read(root, "/f", 9) is Failure.TOO_LARGE


def test_two_mebibytes_are_too_large(root: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * (2 * MAX_FILE_BYTES))
    assert read(root, "/f") is Failure.TOO_LARGE


def test_a_file_whose_size_says_nothing_is_bounded_too() -> None:
    descriptor = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
    try:
        assert Path("/proc/self/maps").stat().st_size == 0
        assert read(descriptor, "maps", 10) is Failure.TOO_LARGE
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 70_000])
@pytest.mark.parametrize("length", [0, 1, 10, 69_999])
def test_a_file_that_grew_or_shrank_since_its_size_was_asked_is_read_whole(
    root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, length: int
) -> None:
    content = os.urandom(length)
    (tmp_path / "f").write_bytes(content)
    status = os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, size, 0, 0, 0))
    monkeypatch.setattr("os.fstat", lambda _: status)
    monkeypatch.setattr(files, "_is_own_root", lambda _: False)
    assert read(root, "/f", 70_000) == content
    if length:
        assert read(root, "/f", length - 1) is Failure.TOO_LARGE


def test_what_is_there_is_reported_without_reading_it(root: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "l").symlink_to("nowhere")
    os.mkfifo(tmp_path / "p")
    assert all(exists(root, path) for path in ("/f", "/p", "/l", "/"))
    assert not any(exists(root, path) for path in ("/none", "/f/x", "/none/f"))


def test_a_missing_file(root: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    assert read(root, "/none") is Failure.MISSING
    assert read(root, "/none/f") is Failure.MISSING
    assert read(root, "/f/f") is Failure.MISSING


def test_a_fifo_is_refused_without_waiting_for_a_writer(root: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    assert read(root, "/f") is Failure.NOT_REGULAR


def test_directories_and_sockets_are_refused(root: int, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert read(root, "/d") is Failure.NOT_REGULAR
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert read(root, "/s") is Failure.NOT_REGULAR


def test_a_symlink_at_the_end_is_refused(root: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "l").symlink_to("f")
    assert read(root, "/l") is Failure.SYMLINK


def test_no_symlink_leads_out_of_the_root(root: int, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"secret")
    (tmp_path / "absolute").symlink_to(outside)
    (tmp_path / "relative").symlink_to(f"../{outside.name}")
    for name in ("absolute", "relative"):
        assert read(root, f"/{name}/f") in (Failure.MISSING, Failure.SYMLINK)
    assert read(root, f"/../{outside.name}/f") in (Failure.MISSING, Failure.UNSAFE)


def test_no_magic_link_is_followed(root: int) -> None:
    descriptor = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        assert read(descriptor, "/self/cwd/pyproject.toml") is Failure.SYMLINK
    finally:
        os.close(descriptor)
    assert root >= 0


@pytest.mark.parametrize("path", ["", "\0", "a\0b", "a" * 5000, "\ud800"], ids=repr)
def test_a_path_that_is_not_absolute_and_bounded_is_unsafe(root: int, path: str) -> None:
    assert read(root, path) is Failure.UNSAFE


def test_undecodable_names_work(root: int, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"x")
    assert read(root, "/\udcff") == b"x"


def test_symlinks_inside_the_root_are_resolved_there(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    (tmp_path / "run/f").write_bytes(b"x")
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        found = read(descriptor, "/var/run/f")
    finally:
        os.close(descriptor)
    assert found == b"x"


def test_a_race_with_a_rename_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def race(*_: object) -> tuple[int, int]:
        calls.append(1)
        return -1, errno.EAGAIN

    monkeypatch.setattr(files, "_openat2", race)
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        assert read(descriptor, "/f") is Failure.IO_ERROR
    finally:
        os.close(descriptor)
    assert len(calls) == files.MAX_RETRIES


def test_names_are_sorted_and_bounded(root: int, tmp_path: Path) -> None:
    for name in "cab":
        (tmp_path / name).write_bytes(b"")
    assert names(root, "/") == ("a", "b", "c")
    assert len(names(root, "/", 2)) == 2
    assert names(root, "/none") is Failure.MISSING
    assert names(root, "/a") is Failure.MISSING


def test_no_descriptor_is_left_open(root: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    os.mkfifo(tmp_path / "p")
    hole, above = os.open("/", os.O_PATH), os.open("/", os.O_PATH)
    before = open_descriptors()
    for path in ("/f", "/p", "/none", "/", "/f/x", "/../x"):
        read(root, path)
        exists(root, path)
        names(root, path)
    assert open_descriptors() == before
    os.close(hole)
    read(root, "/f")
    assert open_descriptors() == before - 1
    os.close(above)
