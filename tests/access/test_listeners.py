"""Which engines listen on the network, by whom they can be used, and what says so."""

from __future__ import annotations

import json
import os
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest

from sensor.access import engines, listeners
from sensor.access.listeners import DAEMON_FILE
from sensor.access.node import Node
from sensor.model.access import Way, WayKind
from tests.access.fake import node_of, put, users_of
from tests.access.fake_engine import listening, listens, made_up, owns

ANY, LOCAL = "00000000", "0100007F"
PORT_2375, PORT_2376 = f"{2375:04X}", f"{2376:04X}"


def of(node: Node) -> list[Way]:
    return list(listeners.ways(node, users_of(node), engines.read(node)))


def ways(root: Path, **files: str) -> list[Way]:
    return of(node_of(root, **files))


@pytest.mark.skipif(os.geteuid() != 0, reason="the node's own engine is root's")
def test_a_real_engine_is_listed_where_it_listens_though_nothing_configures_it(
    tmp_path: Path,
) -> None:
    node = Node()
    with listening("dockerd", tmp_path / "s") as process:
        by_address = {way.evidence.split(",")[0]: way for way in of(node)}
        local = by_address[f"127.0.0.1:{process.local}"]
        everywhere = by_address[f"[::]:{process.everywhere}"]
    assert local.who == "every process of this host"
    assert everywhere.who == "everyone who reaches the address"
    assert "unknown whether it asks for client certificates" in local.evidence
    assert f"dockerd of root, process {process.pid}, listens" in local.evidence
    assert "no file that was read names it" in local.evidence
    assert local.grave


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (("--tlsverify",), "asks for client certificates"),
        (("--tlsverify=1",), "asks for client certificates"),
        (("--tlsverify", "--tlsverify=false"), "asks for nothing"),
        (("--tls",), "asks for nothing"),
        ((), "asks for nothing"),
    ],
)
def test_a_command_line_decides_whether_it_asks(
    words: tuple[str, ...], asks: str, tmp_path: Path
) -> None:
    table = listens(f"{ANY}:{PORT_2376}", 5)
    made_up(tmp_path, 77, "dockerd", "-H", "tcp://0.0.0.0:2376", *words, tcp=table)
    owns(tmp_path, 77, 5)
    (way,) = ways(tmp_path)
    assert way.evidence == (
        f"0.0.0.0:2376, {asks} (dockerd of root, process 77, listens; command line of process 77)"
    )
    verified = asks == "asks for client certificates"
    assert (way.who == "holders of a client certificate") is verified


def test_daemon_json_or_the_file_that_is_named_decides_too(tmp_path: Path) -> None:
    daemon = json.dumps({"hosts": ["tcp://10.0.0.5:2376"], "tlsverify": True})
    table = listens(f"0500000A:{PORT_2376}", 5)
    made_up(tmp_path, 77, "dockerd", tcp=table)
    owns(tmp_path, 77, 5)
    (way,) = ways(tmp_path, **{"etc/docker/daemon.json": daemon})
    assert way.evidence.startswith("10.0.0.5:2376, asks for client certificates")
    assert way.evidence.endswith("; /etc/docker/daemon.json)")
    made_up(tmp_path, 77, "dockerd", "--config-file=/srv/d.json", tcp=table)
    plain = json.dumps({"hosts": ["tcp://10.0.0.5:2376"]})
    (way,) = ways(tmp_path, **{"etc/docker/daemon.json": daemon, "srv/d.json": plain})
    assert way.evidence.startswith("10.0.0.5:2376, asks for nothing")
    assert way.evidence.endswith("; /srv/d.json)")


@pytest.mark.parametrize(
    ("words", "asks"),
    [((), "asks for nothing"), (("--tls-client-ca=/ca.pem",), "asks for client certificates")],
)
def test_podmans_service_is_listed(words: tuple[str, ...], asks: str, tmp_path: Path) -> None:
    table = listens(f"{LOCAL}:22B8", 5)
    made_up(tmp_path, 78, "podman", "system", "service", *words, "tcp:127.0.0.1:8888", tcp=table)
    owns(tmp_path, 78, 5)
    (way,) = ways(tmp_path)
    assert way.evidence.startswith(f"127.0.0.1:8888, {asks} (podman")


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ("", "streams or metrics by its defaults"),
        ('[grpc]\ntcp_address = "0.0.0.0:2375"\n', "asks for nothing"),
        (
            '[grpc]\ntcp_address = "0.0.0.0:2375"\ntcp_tls_cert = "/c.pem"\n',
            "unknown whether it asks for client certificates",
        ),
    ],
)
def test_containerds_port_is_its_interface_only_where_its_configuration_says_so(
    settings: str, shown: str, tmp_path: Path
) -> None:
    made_up(tmp_path, 9, "containerd", tcp=listens(f"{ANY}:{PORT_2375}", 5))
    owns(tmp_path, 9, 5)
    (way,) = ways(tmp_path, **{"etc/containerd/config.toml": settings})
    assert way.evidence.startswith(f"0.0.0.0:2375, {shown} (containerd")
    assert way.grave is bool(settings)


def test_sockets_of_others_and_connections_are_not_listeners(tmp_path: Path) -> None:
    table = listens(f"{ANY}:{PORT_2375}", 6) + listens(f"{ANY}:{PORT_2376}", 5, state="01")
    made_up(tmp_path, 77, "dockerd", tcp=table + "garbage\n")
    owns(tmp_path, 77, 5)
    assert ways(tmp_path) == []


def test_what_is_configured_and_does_not_listen_is_listed_as_such(tmp_path: Path) -> None:
    made_up(tmp_path, 77, "/usr/bin/dockerd", "-H", "tcp://10.0.0.5:2375", "-H", "fd://")
    made_up(tmp_path, 79, "vim", "-H", "tcp://1.2.3.4:1")
    daemon = {"hosts": ["unix:///run/docker.sock", "tcp://0.0.0.0:2376"], "tlsverify": True}
    found = ways(tmp_path, **{"etc/docker/daemon.json": json.dumps(daemon)})
    assert [(way.kind, way.who, way.evidence) for way in found] == [
        (
            WayKind.LISTENER,
            "everyone who reaches the address",
            "tcp://10.0.0.5:2375, asks for nothing (command line of process 77); not listening now",
        ),
        (
            WayKind.LISTENER,
            "holders of a client certificate",
            f"tcp://0.0.0.0:2376, asks for client certificates ({DAEMON_FILE}); not listening now",
        ),
    ]


def test_the_file_counts_though_no_engine_runs(tmp_path: Path) -> None:
    daemon = json.dumps({"hosts": ["tcp://localhost:2375/"]})
    (way,) = ways(tmp_path, **{"etc/docker/daemon.json": daemon})
    assert way.who == "every process of this host"
    assert way.evidence.endswith("; not listening now")


def test_an_engine_of_a_user_is_named_with_its_owner_and_leads_to_no_root(tmp_path: Path) -> None:
    many = "".join(listens(f"{ANY}:{port:04X}", port) for port in range(1, 100))
    made_up(tmp_path, 77, "dockerd", uid=1000, tcp=many)
    owns(tmp_path, 77, *range(1, 100))
    found = ways(tmp_path)
    assert len(found) == listeners.OF_OTHERS_MAX
    assert "dockerd of alice, process 77" in found[0].evidence
    assert not any(way.grave for way in found)


def test_a_file_that_makes_no_sense_is_noted(
    tmp_path: Path,
) -> None:
    made_up(tmp_path, 9, "containerd")
    put(tmp_path, "etc/containerd/config.toml", "[")
    node = node_of(tmp_path, **{"etc/docker/daemon.json": "{"})
    assert of(node) == []
    assert node.unread == [
        "/etc/containerd/config.toml: not TOML",
        "/etc/docker/daemon.json: not JSON",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_descriptors_that_a_user_may_not_see_are_noted(tmp_path: Path) -> None:
    node = Node()
    with listening("dockerd", tmp_path / "s") as process:
        running = tuple(one for one in engines.read(node) if one.pid == process.pid)
        os.seteuid(65_534)
        try:
            found = list(listeners.ways(node, users_of(node), running))
        finally:
            os.seteuid(0)
    assert not any(str(process.local) in way.evidence for way in found)
    assert f"/proc/{process.pid}/fd: Permission denied" in node.unread


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
    ],
)
def test_addresses_are_read_as_the_kernel_prints_them(text: str, address: str) -> None:
    assert listeners.address_of(text) == ip_address(address)
    assert isinstance(listeners.address_of("0100007F"), IPv4Address)
