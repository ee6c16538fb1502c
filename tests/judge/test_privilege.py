"""What a container may do to its host has a short name, read-only mounts of secrets too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.privilege import atoms_of, strong
from sensor.model.container import Security
from sensor.model.vocabulary import Finding
from tests.judge.past import alerts_of, known_node, verdict_of, web
from tests.judge.samples import PLAIN, mounted, start


def atoms(security: Security) -> frozenset[str]:
    return atoms_of(start(security=security))


@pytest.mark.parametrize(
    ("source", "atom"),
    [
        ("/", "mount:root:rw"),
        ("/run/docker.sock", "mount:engine-socket:rw"),
        ("/var/run/docker.sock", "mount:engine-socket:rw"),
        ("/run", "mount:engine-socket:rw"),
        ("/var/run", "mount:engine-socket:rw"),
        ("/var/lib", "mount:engine-state:rw"),
        ("/var/lib/docker/volumes", "mount:engine-state:rw"),
        ("/proc", "mount:kernel:rw"),
        ("/etc/cron.d", "mount:config:rw"),
        ("/root/.ssh", "mount:home:rw"),
        ("/srv", "mount:host:rw"),
    ],
)
def test_a_writable_mount_is_named_by_its_class(source: str, atom: str) -> None:
    assert atoms(mounted(source)) == {atom}
    assert strong(atoms(mounted(source))) == {atom}


@pytest.mark.parametrize(
    ("source", "atom", "is_strong"),
    [
        ("/", "mount:root:ro", True),
        ("/etc", "mount:secrets:ro", True),
        ("/etc/shadow", "mount:secrets:ro", True),
        ("/etc/kubernetes/pki", "mount:secrets:ro", True),
        ("/root", "mount:secrets:ro", True),
        ("/home/alice/.ssh", "mount:secrets:ro", True),
        ("/var/lib/etcd", "mount:secrets:ro", True),
        ("/var/lib/docker", "mount:engine-state:ro", True),
        ("/var/lib/kubelet/pki", "mount:engine-state:ro", True),
        ("/proc", "mount:kernel:ro", False),
        ("/etc/fstab", "mount:config:ro", False),
        ("/home", "mount:home:ro", False),
        ("/var/run/docker.sock", "mount:engine-socket:rw", True),
    ],
)
def test_a_read_only_mount_is_named_where_reading_gives_something_away(
    source: str, atom: str, is_strong: bool
) -> None:
    found = atoms(mounted(source, writable=False))
    assert found == {atom}
    assert bool(strong(found)) is is_strong


@pytest.mark.parametrize("source", ["/srv", "/var/log", "/usr", "/opt"])
def test_a_read_only_mount_without_secrets_has_no_name(source: str) -> None:
    assert atoms(mounted(source, writable=False)) == frozenset()


def test_a_known_service_that_reads_the_whole_host_is_an_alert() -> None:
    judge = known_node()
    event = web()
    assert event.container is not None
    reading = replace(event.container, security=mounted("/", writable=False))
    found = verdict_of(judge, replace(event, container=reading))
    assert found.findings == (Finding.NEW_PRIVILEGE,)
    assert found.reasons[0] == "privilege: expected none, seen mount:root:ro"
    assert len(alerts_of(judge)) == 1


def test_a_container_of_whose_settings_nothing_is_known_has_no_privileges() -> None:
    assert atoms_of(start(security=None)) == frozenset()
    assert atoms(replace(PLAIN, mounts=None, capabilities=None)) == frozenset()
