"""A walk follows links itself, below the root, and only where the file system is local."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.linux import inode, path_walk
from sensor.linux.inode import Inode, Miss


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """A process and a root, on a kernel whose cache follows no link."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/file").write_text("x")
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    (tmp_path / "var/up").symlink_to("../../../run")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setattr(inode, "look_up", lambda *_: Miss.UNCACHED)
    process = inode.open_process(os.getpid())
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    for path in ("run/file", "var/run", "var/up", "loop", "run/none", "a"):
        # What was looked up before is in the kernel's cache, also that it is missing.
        (tmp_path / path).is_symlink()
    yield process, root
    os.close(root)
    os.close(process)


@pytest.mark.parametrize(
    "path", ["/run/file", "/var/run/file", "/var/up/file", "/./run//../run/file"]
)
def test_links_are_followed_and_the_root_is_not_left(
    places: tuple[int, int], tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_walk, "_type_of", lambda *_: b"ext4")
    found = path_walk.look_up(*places, path)
    assert isinstance(found, Inode)
    assert found.number == (tmp_path / "run/file").stat().st_ino


@pytest.mark.parametrize(
    ("path", "miss"),
    [("/loop", Miss.UNSAFE), ("/run/none", Miss.MISSING), ("/" + "a/../run/" * 99, Miss.MISSING)],
    ids=["loop", "missing", "gone-on-the-way"],
)
def test_a_walk_that_ends_has_its_reason(
    places: tuple[int, int], path: str, miss: Miss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_walk, "_type_of", lambda *_: b"ext4")
    assert path_walk.look_up(*places, path) is miss


def test_too_many_steps_are_refused(places: tuple[int, int]) -> None:
    assert path_walk.look_up(*places, "/run/.." * path_walk.STEPS_MAX) is Miss.UNSAFE


def test_a_link_of_a_file_system_that_may_wait_is_not_read(
    places: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_walk, "_type_of", lambda *_: b"fuse.sshfs")
    assert path_walk.look_up(*places, "/var/run/file") is Miss.UNCACHED


def test_the_file_system_of_a_mount_is_read_from_the_process() -> None:
    process = inode.open_process(os.getpid())
    try:
        found = inode.look_up(process, "ns", may_wait=True)
        assert isinstance(found, Inode)
        assert path_walk._type_of(process, found.mount) == b"proc"
        assert path_walk._type_of(process, 1 << 40) is None
    finally:
        os.close(process)
