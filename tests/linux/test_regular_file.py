"""A regular file is opened; whatever else a path leads to is refused at once."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from sensor.linux.regular_file import open_regular


def opened() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_regular_file_is_read_also_behind_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"text")
    link.symlink_to(path)
    for one in (path, str(link)):
        with open_regular(one) as file:
            assert file.read() == b"text"
            assert not os.get_inheritable(file.fileno())


def test_a_link_is_refused_where_none_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        open_regular(link, follow=False)


@pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
def test_anything_else_is_refused_and_not_waited_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path = Path(os.devnull)
    before = opened()
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(path)
    assert opened() == before


def test_a_socket_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):
            open_regular(path)
