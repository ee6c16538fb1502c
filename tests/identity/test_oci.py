"""OCI bundles: the specification's examples, wrong types everywhere, and secrets that stay out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.document import JsonDocument, parse
from sensor.identity.files import Failure
from sensor.identity.oci import MAX_ANNOTATION, Bundle, Namespace, bundle_of
from sensor.identity.security import security_of
from tests.identity.sample_node import SECRET, oci_config

CORPUS = Path(__file__).parents[1] / "corpora/oci"


def read_bundle(**members: object) -> Bundle:
    return bundle_of(JsonDocument(oci_config(**members)))


def corpus(name: str) -> bytes:
    return (CORPUS / name).read_bytes()


def test_the_parts_that_matter_are_read() -> None:
    found = read_bundle()
    assert found.args == ("nginx", "-g", "daemon off;")
    assert found.user == "0:0"
    assert read_bundle(process={"cwd": "/srv/app"}).cwd == "/srv/app"
    assert found.capabilities == ("CAP_CHOWN", "CAP_NET_ADMIN")
    assert found.no_new_privileges is True
    assert found.apparmor == "docker-default"
    assert found.root_path == "rootfs"
    assert found.cgroups_path == "system.slice:docker:x"
    assert found.seccomp
    assert Namespace("pid", None) in found.namespaces


def test_the_specifications_example() -> None:
    document = parse(corpus("spec-example.json"))
    assert isinstance(document, JsonDocument)
    found = bundle_of(document)
    assert found.args == ("sh",)
    assert found.user == "1:1"
    assert found.apparmor == "acme_secure_profile"
    assert found.capabilities == ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
    assert "TERM=xterm" not in repr(found)
    security = security_of(found)
    assert security.privileged is False
    assert security.capabilities == ()
    assert security.seccomp == "filtered"


def test_minimal_bundles_leave_everything_unknown() -> None:
    document = parse(corpus("minimal.json"))
    assert isinstance(document, JsonDocument)
    found = bundle_of(document)
    assert found == Bundle(root_path="rootfs")
    security = security_of(found)
    assert (security.privileged, security.host_namespaces, security.seccomp) == (None, None, None)
    assert (security.apparmor, security.no_new_privileges) == (None, None)


@pytest.mark.parametrize(
    "name", ["minimal-for-start.json", "linux-rdma.json", "linux-hugepage.json", "defs.json"]
)
def test_other_files_of_the_specification_do_no_harm(name: str) -> None:
    document = parse(corpus(name))
    assert isinstance(document, JsonDocument)
    security_of(bundle_of(document))


def test_the_specifications_invalid_file_is_malformed() -> None:
    assert parse(corpus("invalid-json.json")) is Failure.MALFORMED


def test_a_bundle_cut_anywhere_is_malformed_or_whole() -> None:
    data = json.dumps(oci_config()).encode()
    for end in range(len(data)):
        assert parse(data[:end]) is Failure.MALFORMED


def test_no_environment_is_kept() -> None:
    manifest = json.dumps({"env": [{"name": "A", "value": SECRET}]})
    found = read_bundle(
        annotations={
            "kubectl.kubernetes.io/last-applied-configuration": manifest,
            "io.kubernetes.cri-o.Annotations": manifest,
            "big": "x" * (MAX_ANNOTATION + 1),
            "kept": "yes",
        }
    )
    assert SECRET not in repr(found)
    assert found.annotations == (("kept", "yes"),)


@pytest.mark.parametrize(
    "wrong", [None, 1, True, "x", [], [1], {}, {"a": 1}, [{}], [[1]]], ids=repr
)
@pytest.mark.parametrize(
    "path",
    ["process", "process.args", "process.user", "process.user.uid", "process.capabilities",
     "process.capabilities.bounding", "process.apparmorProfile", "process.noNewPrivileges",
     "mounts", "annotations", "root", "linux", "linux.namespaces", "linux.seccomp",
     "linux.resources", "linux.resources.devices", "linux.cgroupsPath"],
)  # fmt: skip
def test_wrong_types_read_as_absent(path: str, wrong: object) -> None:
    config = oci_config()
    parent: dict[str, object] = config
    *steps, last = path.split(".")
    for step in steps:
        inner = parent.setdefault(step, {})
        assert isinstance(inner, dict)
        parent = inner
    parent[last] = wrong
    security_of(bundle_of(JsonDocument(config)))


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from(
    ["process", "args", "user", "uid", "gid", "capabilities", "bounding", "mounts", "source",
     "destination", "options", "type", "linux", "namespaces", "path", "seccomp", "defaultAction",
     "syscalls", "resources", "devices", "allow", "access", "annotations", "root"]
)  # fmt: skip
CONFIGS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=30,
)


@given(st.dictionaries(KEYS, CONFIGS))
def test_no_config_makes_it_raise(config: dict[str, object]) -> None:
    security_of(bundle_of(JsonDocument(config)))


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"uid": 1, "gid": 2}, "1:2"),
        ({"uid": 1}, "1"),
        ({"gid": 1}, None),
        ({"uid": -1}, None),
        ({"uid": 1 << 32}, None),
        ({"uid": True}, None),
        ({"uid": "1"}, None),
    ],
    ids=str,
)
def test_the_user_is_given_as_numbers_or_unknown(
    user: dict[str, object], expected: str | None
) -> None:
    assert read_bundle(process={"user": user}).user == expected


@pytest.mark.parametrize(
    ("seccomp", "filters"),
    [
        (None, False),
        ({}, False),
        ({"defaultAction": "SCMP_ACT_ALLOW"}, False),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO"}]}, True),
        ({"defaultAction": "SCMP_ACT_ERRNO"}, True),
    ],
    ids=str,
)
def test_a_filter_counts_if_it_refuses_something(seccomp: object, filters: bool) -> None:
    assert read_bundle(linux={"seccomp": seccomp}).seccomp is filters
