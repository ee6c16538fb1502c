"""Where probe sets lie: whole ones only, oldest first; what a dead loader left is removed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sensor.bpf import pins
from sensor.bpf.pins import PinSet
from sensor.errors import KernelUnsupported


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def make(root: Path, name: str, *entries: str, age: int = 0) -> PinSet:
    path = root / name
    path.mkdir(parents=True)
    for entry in entries:
        (path / entry).touch()
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return PinSet(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "castoff"


def test_nothing_is_loaded_where_nothing_is(root: Path) -> None:
    assert pins.loaded_sets(root) == ()


def test_whole_sets_are_listed_oldest_first(root: Path) -> None:
    make(root, "bbbb", age=5)
    make(root, "aaaa", age=1)
    make(root, "cccc", age=9)
    make(root, f"{pins.STAGING_PREFIX}dddd-1")
    assert [one.fingerprint for one in pins.loaded_sets(root)] == ["cccc", "bbbb", "aaaa"]


def test_a_set_that_is_removed_while_they_are_listed_is_left_out(root: Path) -> None:
    (root / "aaaa").mkdir(parents=True)
    (root / "bbbb").symlink_to(root / "gone")
    assert [one.fingerprint for one in pins.loaded_sets(root)] == ["aaaa"]


def test_a_set_that_is_gone_has_no_links(root: Path) -> None:
    assert PinSet(root / "gone").links() == ()


def test_links_are_reported_by_the_names_of_their_programs(root: Path) -> None:
    made = make(root, "aaaa", "link-on_exit", "lifecycle", "link-on_exec")
    assert made.links() == ("on_exec", "on_exit")
    assert made.map("lifecycle") == root / "aaaa" / "lifecycle"


def test_a_detached_set_keeps_its_maps(root: Path) -> None:
    made = make(root, "aaaa", "link-on_exec", "lifecycle")
    made.detach()
    assert made.links() == ()
    assert made.map("lifecycle").exists()
    made.detach()


def test_a_removed_set_leaves_nothing(root: Path) -> None:
    make(root, "aaaa", "link-on_exec", "lifecycle").remove()
    assert list(root.iterdir()) == []


def test_leftovers_of_dead_loaders_are_removed_and_others_stay(root: Path) -> None:
    dead = make(root, f"{pins.STAGING_PREFIX}aaaa-{dead_pid()}", "lifecycle", "link-on_exec")
    alive = make(root, f"{pins.STAGING_PREFIX}bbbb-1", "lifecycle")
    whole = make(root, "cccc", "lifecycle")
    staged = pins.staging(root, "dddd")
    assert not dead.path.exists()
    assert alive.map("lifecycle").exists()
    assert whole.map("lifecycle").exists()
    assert list(staged.path.iterdir()) == []
    assert pins.loaded_sets(root) == (whole,)


def test_a_set_appears_under_its_name_when_it_is_whole(root: Path) -> None:
    staged = pins.staging(root, "aaaa")
    staged.map("lifecycle").touch()
    assert pins.loaded_sets(root) == ()
    published = pins.publish(staged, root, "aaaa")
    assert pins.loaded_sets(root) == (published,)
    assert published.map("lifecycle").exists()
    assert not staged.path.exists()


def test_of_two_loaders_the_faster_ones_set_counts_and_nothing_else_is_left(root: Path) -> None:
    slower = pins.staging(root, "aaaa")
    slower.map("lifecycle").touch()
    faster = make(root, "aaaa", "lifecycle", "link-on_exec")
    assert pins.publish(slower, root, "aaaa") == faster
    assert list(root.iterdir()) == [faster.path]
    assert faster.links() == ("on_exec",)


def test_pins_are_for_root_alone(root: Path) -> None:
    root.parent.mkdir(exist_ok=True)
    staged = pins.staging(root, "aaaa")
    assert root.stat().st_mode & 0o777 == 0o700
    assert staged.path.stat().st_mode & 0o777 == 0o700


def test_a_place_without_directory_cannot_be_mounted(tmp_path: Path) -> None:
    with pytest.raises(KernelUnsupported, match=str(tmp_path / "absent")):
        pins.mount_bpffs(tmp_path / "absent")


@pytest.mark.kernel
def test_a_bpffs_is_mounted_once(tmp_path: Path) -> None:
    place = tmp_path / "bpf"
    place.mkdir()
    try:
        assert pins.mount_bpffs(place)
        assert not pins.mount_bpffs(place)
        assert place.stat().st_mode & 0o777 == 0o700
    finally:
        subprocess.run(["umount", place], check=True)
