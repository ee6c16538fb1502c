"""Users, members of engines' groups, and rootless engines, from the node's own files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sensor.access import accounts
from sensor.model.access import WayKind
from tests.access.fake import node_of, put, users_of


def test_members_are_those_of_the_line_and_those_whose_first_group_it_is(tmp_path: Path) -> None:
    node = node_of(tmp_path)
    found = list(accounts.ways(node, users_of(node)))
    groups = [(way.who, way.evidence) for way in found if way.kind is WayKind.GROUP]
    assert groups == [("alice", "group docker"), ("bob", "group docker")]
    assert [way.who for way in found if way.kind is WayKind.ROOT] == ["root", "toor"]
    assert all(way.grave for way in found)


def test_a_user_with_subordinate_ids_can_run_a_rootless_engine(tmp_path: Path) -> None:
    node = node_of(tmp_path, etc__subuid="carol:100000:65536\n1000:165536:65536\n#x:1:1\nbad\n")
    put(tmp_path, "run/user/1002/docker.sock", "")
    found = {
        way.who: way.evidence
        for way in accounts.ways(node, users_of(node))
        if way.kind is WayKind.ROOTLESS
    }
    assert set(found) == {"alice", "carol"}
    assert "/run/user/1002/docker.sock" in found["carol"]


def test_a_node_without_files_has_no_ways(tmp_path: Path) -> None:
    node = node_of(tmp_path, etc__passwd="", etc__group="")
    assert list(accounts.ways(node, users_of(node))) == []


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=100))
def test_any_text_is_read(passwd: str, group: str, subuid: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        node = node_of(
            Path(directory),
            etc__passwd=passwd.encode("utf-8", "replace").decode(),
            etc__group=group.encode("utf-8", "replace").decode(),
            etc__subuid=subuid.encode("utf-8", "replace").decode(),
        )
        list(accounts.ways(node, users_of(node)))
