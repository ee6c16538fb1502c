"""Opening below a directory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sensor.linux.openat2 import how, openat2


def code_of(root: Path, path: bytes, flags: int) -> int:
    directory = os.open(root, os.O_PATH)
    try:
        opened, code = openat2(directory, path, how(flags))
    finally:
        os.close(directory)
    if opened >= 0:
        assert not os.get_inheritable(opened)
        os.close(opened)
    return code


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/f", 0),
        (b"../../f", 0),
        (b"inside/f", 0),
        (b"outside/f", errno.ENOENT),
        (b"/none", errno.ENOENT),
        (b"/f/x", errno.ENOTDIR),
        (b"inside", errno.ELOOP),
    ],
    ids=repr,
)
def test_paths_stay_below_the_root(tmp_path: Path, path: bytes, expected: int) -> None:
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "inside").symlink_to("/")
    (tmp_path / "outside").symlink_to(f"/{tmp_path}")
    assert code_of(tmp_path, path, os.O_RDONLY | os.O_NOFOLLOW) == expected


def test_no_magic_link_is_followed() -> None:
    assert code_of(Path("/proc/self"), b"cwd/pyproject.toml", os.O_PATH) == errno.ELOOP
