"""Only a file that no other user could have written is used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.requirements import cannot
from sensor.bpf import kept_files
from sensor.bpf.kept_files import KeptFiles, Untrusted
from sensor.bpf.kept_programs import SIZE_MAX
from tests.bpf.sample_kept import KEY

ANOTHER = 12345
"""A uid that is not this user's."""


@pytest.fixture
def files(tmp_path: Path) -> KeptFiles:
    return KeptFiles(tmp_path / "castoff", owner=os.geteuid())


@pytest.fixture
def kept(files: KeptFiles) -> Path:
    """The one file that is kept."""
    files.write(KEY, b"programs")
    (path,) = files.directory.iterdir()
    return path


def as_root() -> None:
    if os.geteuid() != 0:
        cannot("needs root to make a file of another user's")


def test_what_was_written_is_read(files: KeptFiles) -> None:
    assert not files.has(KEY)
    with pytest.raises(FileNotFoundError):
        files.read(KEY)
    files.write(KEY, b"programs")
    assert files.has(KEY)
    assert files.read(KEY) == b"programs"
    files.write(KEY, b"others")
    assert files.read(KEY) == b"others"


def test_only_its_owner_may_look(files: KeptFiles, kept: Path) -> None:
    assert files.directory.stat().st_mode & 0o777 == 0o700
    assert kept.stat().st_mode & 0o777 == 0o600


def test_the_place_is_root_s() -> None:
    assert KeptFiles() == KeptFiles(Path("/var/cache/castoff"), owner=0)


def test_a_symlink_is_refused(files: KeptFiles, kept: Path) -> None:
    kept.rename(kept.with_name("elsewhere"))
    kept.symlink_to("elsewhere")
    assert files.has(KEY)
    with pytest.raises(OSError, match="symbolic links"):
        files.read(KEY)


@pytest.mark.usefixtures("kept")
def test_a_directory_by_a_symlink_is_refused(files: KeptFiles, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(files.directory)
    linked = KeptFiles(tmp_path / "link", files.owner)
    with pytest.raises(OSError, match="Not a directory"):
        linked.read(KEY)
    with pytest.raises(OSError, match="Not a directory"):
        linked.write(KEY, b"")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_refused(files: KeptFiles, kept: Path, mode: int) -> None:
    kept.chmod(mode)
    with pytest.raises(Untrusted, match=r"other users may write /.*/probes-"):
        files.read(KEY)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
@pytest.mark.usefixtures("kept")
def test_a_directory_that_others_may_write_is_refused(files: KeptFiles, mode: int) -> None:
    files.directory.chmod(mode)
    with pytest.raises(Untrusted, match=r"other users may write /.*/castoff$"):
        files.read(KEY)
    with pytest.raises(Untrusted, match=r"other users may write /.*/castoff$"):
        files.write(KEY, b"")


@pytest.mark.usefixtures("kept")
def test_a_directory_above_that_others_may_write_needs_the_sticky_bit(
    files: KeptFiles, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(Untrusted, match=f"other users may write {tmp_path}$"):
        files.read(KEY)
    tmp_path.chmod(0o1777)
    assert files.read(KEY) == b"programs"


def test_a_file_of_another_user_is_refused(files: KeptFiles, kept: Path) -> None:
    as_root()
    os.chown(kept, ANOTHER, 0)
    with pytest.raises(Untrusted, match=f"belongs to uid {ANOTHER}"):
        files.read(KEY)


@pytest.mark.usefixtures("kept")
def test_a_directory_of_another_user_is_refused(files: KeptFiles, tmp_path: Path) -> None:
    as_root()
    os.chown(files.directory, ANOTHER, 0)
    with pytest.raises(Untrusted, match=f"{files.directory} belongs to uid {ANOTHER}"):
        files.read(KEY)
    os.chown(files.directory, 0, 0)
    os.chown(tmp_path, ANOTHER, 0)
    with pytest.raises(Untrusted, match=f"{tmp_path} belongs to uid {ANOTHER}"):
        files.read(KEY)


def test_what_is_not_a_file_is_refused(files: KeptFiles, kept: Path) -> None:
    kept.unlink()
    os.mkfifo(kept, 0o600)
    with pytest.raises(Untrusted, match="not a regular file"):
        files.read(KEY)


def test_a_huge_file_is_refused(files: KeptFiles, kept: Path) -> None:
    os.truncate(kept, SIZE_MAX + 1)
    with pytest.raises(Untrusted, match="larger than"):
        files.read(KEY)


def test_the_file_that_was_not_used_for_longest_goes_first(files: KeptFiles) -> None:
    keys = [f"{number:x}" * 64 for number in range(kept_files.KEPT_MAX)]
    for age, key in enumerate(keys):
        files.write(key, key.encode())
        os.utime(files.path(key), (age, age))
    files.read(keys[0])
    files.write(KEY, b"")
    assert [files.has(key) for key in keys] == [True, False, *([True] * (len(keys) - 2))]
    assert files.has(KEY)


def test_what_a_killed_process_left_is_removed(files: KeptFiles, kept: Path) -> None:
    left = kept.with_name(".new-4194305")  # beyond the largest pid
    left.touch()
    running = kept.with_name(".new-1")
    running.touch()
    files.write(KEY, b"")
    assert set(files.directory.iterdir()) == {kept, running}


def test_a_full_disk_leaves_the_old_file(
    files: KeptFiles, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(KEY, b"others")
    assert files.read(KEY) == b"programs"
    assert list(files.directory.iterdir()) == [kept]


def test_nothing_is_made_where_the_directory_above_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        KeptFiles(tmp_path / "var" / "castoff", os.geteuid()).write(KEY, b"")
    assert list(tmp_path.iterdir()) == []


def test_a_reason_names_the_whole_path(files: KeptFiles, kept: Path) -> None:
    kept.rename(kept.with_name("elsewhere"))
    kept.symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic links") as caught:
        files.read(KEY)
    assert kept_files.reason(caught.value) == f"{kept}: Too many levels of symbolic links"
    assert kept_files.reason(ValueError("it is odd")) == "it is odd"
    assert kept_files.reason(OSError(28, "No space left on device")) == "No space left on device"
