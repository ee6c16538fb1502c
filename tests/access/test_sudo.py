"""Rules of sudo, as sudo's own parser reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.requirements import cannot
from sensor.access import sudo
from sensor.access.accounts import Accounts
from sensor.access.node import Node
from tests.access.fake import node_of, put, users_of

RULES = """\
User_Alias FRIENDS = carol, %docker
Cmnd_Alias BOXES = /usr/bin/podman run *, /usr/bin/ls
alice ALL=(ALL) NOPASSWD: /usr/bin/docker
bob ALL=(root) /usr/bin/ls, /usr/bin/cat
FRIENDS ALL=(root) BOXES
%ops ALL=(ALL:ALL) ALL
carol ALL=(root) !/usr/bin/docker, /usr/bin/id
@includedir {directory}
"""


@pytest.fixture
def node(tmp_path: Path) -> Node:
    if not Path(sudo.COMMAND).exists():
        cannot("cvtsudoers is missing: apt install sudo")
    included = put(tmp_path, "etc/sudoers.d/extra", "bob ALL=(root) /usr/sbin/runc\n")
    text = RULES.format(directory=included.parent)
    return node_of(tmp_path, etc__sudoers=text)


def test_rules_that_reach_a_client_are_listed_with_their_users(node: Node) -> None:
    found = {(way.who, way.evidence) for way in sudo.ways(node, users_of(node))}
    assert found == {
        ("alice", "/etc/sudoers: /usr/bin/docker, without a password"),
        ("carol", "/etc/sudoers: /usr/bin/podman run *"),
        ("alice (group docker)", "/etc/sudoers: /usr/bin/podman run *"),
        ("bob (group docker)", "/etc/sudoers: /usr/bin/podman run *"),
        ("carol (group ops)", "/etc/sudoers: all commands"),
        ("bob (group ops)", "/etc/sudoers: all commands"),
        ("bob", "/etc/sudoers: /usr/sbin/runc"),
    }
    assert node.unread == []


def test_rules_that_sudo_refuses_are_noted(tmp_path: Path, node: Node) -> None:
    put(tmp_path, "etc/sudoers", "this is not a rule\n")
    assert list(sudo.ways(node, Accounts())) == []
    assert node.unread[0].startswith("/etc/sudoers: cvtsudoers ended with")


def test_without_sudo_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert list(sudo.ways(node_of(tmp_path), Accounts())) == []


def test_without_its_parser_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sudo, "COMMAND", str(tmp_path / "missing"))
    made = node_of(tmp_path, etc__sudoers="root ALL=ALL\n")
    assert list(sudo.ways(made, Accounts())) == []
    assert "cvtsudoers cannot be run" in made.unread[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["User_Specs", "User_List", "Cmnd_Specs", "Commands", "username", "command",
             "cmndalias", "Command_Aliases", "useralias", "User_Aliases"]
        ),
        inner,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_json_is_read(value: object) -> None:
    list(sudo.read(Node(Path("/nonexistent")), json.dumps(value).encode(), Accounts()))


def test_an_alias_of_itself_ends() -> None:
    rules = {
        "Command_Aliases": {"A": [{"cmndalias": "A"}]},
        "User_Specs": [
            {"User_List": [{"username": "x"}], "Cmnd_Specs": [{"Commands": [{"cmndalias": "A"}]}]}
        ],
    }
    node = Node(Path("/nonexistent"))
    assert list(sudo.read(node, json.dumps(rules).encode(), Accounts())) == []
