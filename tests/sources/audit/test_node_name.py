"""A node's name in a record is this node's, whichever form auditd writes, and no other node's."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.sources.audit.node_name import NAMES_CACHED, NodeName, is_address_of_host

HOSTS = """\
127.0.0.1 localhost
127.0.1.1 web1.example.com web1  # web1.comment.example
10.0.0.9 db1.example.com db1
10.0.0.8 web1.unrelated.example
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text(HOSTS)
    return path


@pytest.mark.parametrize(
    ("own", "node", "ours"),
    [
        ("web1", "web1", True),
        ("web1", "WEB1", True),
        ("web1", "web1.example.com", True),
        ("web1", "web1.example.com.", True),
        ("web1", "web1.other.example", False),
        ("web1", "web1.comment.example", False),
        ("web1", "web1.unrelated.example", False),
        ("web1", "web2", False),
        ("web1", "web10", False),
        ("web2", "web2.example.com", True),
        ("web1.example.com", "web1", True),
        ("web1.example.com", "web1.example.com", True),
        ("web1.example.com", "web1.other.example", False),
        ("web1", "10.0.0.7", True),
        ("web1", "10.0.0.8", False),
        ("10", "10.0.0.8", False),
        ("web1", "127.0.1.1", True),
        ("web1", "::1", True),
        ("web1", "fd00::7", True),
        ("web1", "FD00:0::7", True),
        ("web1", "fd00::8", False),
        ("web1", "", False),
    ],
)
def test_forms_of_a_name(hosts: Path, own: str, node: str, *, ours: bool) -> None:
    name = NodeName(own, hosts=hosts, is_local=lambda one: one in {"10.0.0.7", "fd00::7"})
    assert name.names(node) is ours
    assert name.names(node) is ours


def test_without_a_hosts_file_the_first_label_decides(tmp_path: Path) -> None:
    assert NodeName("web1", hosts=tmp_path / "hosts").names("web1.anywhere.example")


def test_what_is_remembered_is_bounded(hosts: Path) -> None:
    name = NodeName("web1", hosts=hosts)
    for number in range(3 * NAMES_CACHED):
        assert not name.names(f"node{number}")
    assert len(name._known) <= NAMES_CACHED


def test_only_addresses_of_the_host_are_local() -> None:
    assert is_address_of_host("127.0.0.1")
    # Documentation addresses (RFC 5737, RFC 3849): no host has them.
    assert not is_address_of_host("192.0.2.1")
    assert not is_address_of_host("2001:db8::1")
