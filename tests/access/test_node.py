"""Files of the node are read with limits, and what cannot be read is noted."""

from __future__ import annotations

import os
from pathlib import Path

from sensor.access import node
from sensor.access.node import Node
from tests.access.fake import put


def test_a_missing_file_is_unknown_and_not_a_problem(tmp_path: Path) -> None:
    made = Node(tmp_path)
    assert (made.text("/etc/none"), made.names("/none"), made.status("/none")) == (None, (), None)
    assert made.unread == []


def test_links_pipes_and_directories_are_noted_and_never_waited_for(tmp_path: Path) -> None:
    made = Node(tmp_path)
    put(tmp_path, "target", "secret")
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    assert [made.text(name) for name in ("/link", "/pipe", "/directory")] == [None] * 3
    assert len(made.unread) == 3
    assert made.text("/link", follow=True) == "secret"


def test_a_long_file_is_cut_and_that_is_noted(tmp_path: Path) -> None:
    made = Node(tmp_path)
    put(tmp_path, "long", "x" * (node.FILE_MAX + 9))
    assert len(made.text("/long") or "") == node.FILE_MAX
    assert made.unread == [f"/long: only its first {node.FILE_MAX} bytes were read"]


def test_notes_are_bounded_and_said_once(tmp_path: Path) -> None:
    made = Node(tmp_path)
    for number in range(3 * node.UNREAD_MAX):
        made.note(f"/{number % 150}", "no")
    assert len(made.unread) == node.UNREAD_MAX
