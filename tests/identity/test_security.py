"""Security settings from bundles."""

from __future__ import annotations

import pytest

from sensor.identity.document import JsonDocument
from sensor.identity.oci import MAX_DEVICES, Bundle, bundle_of
from sensor.identity.security import ALL_CAPABILITIES, DEFAULT_CAPABILITIES, security_of
from tests.identity.sample_node import oci_config

ALL = [f"CAP_{number}" for number in range(ALL_CAPABILITIES)]
ALLOW_ALL = [{"allow": True, "access": "rwm"}]


def bundle(
    capabilities: list[str] | None = None,
    *,
    apparmor: str | None = None,
    **linux: object,
) -> Bundle:
    process: dict[str, object] = {"apparmorProfile": apparmor}
    if capabilities is not None:
        process["capabilities"] = {"bounding": capabilities}
    linux = {"namespaces": [], "resources": {"devices": ALLOW_ALL}, **linux}
    return bundle_of(JsonDocument({"process": process, "linux": linux}))


def test_devices_beyond_the_standard_ones_are_listed_and_bounded() -> None:
    given = [{"path": "/dev/null", "type": "c"}, {"path": "/dev/sda", "type": "b"}, {"path": 7}]
    assert security_of(bundle([], devices=given)).devices == ("/dev/sda",)
    many = [{"path": f"/dev/loop{number}"} for number in range(1000)]
    assert len(security_of(bundle([], devices=many)).devices or ()) == MAX_DEVICES


def test_the_devices_of_a_privileged_container_are_all_and_none_is_listed() -> None:
    assert security_of(bundle(ALL, devices=[{"path": "/dev/sda"}])).devices is None
    assert security_of(Bundle()).devices is None


def test_the_default_set_has_fourteen_and_only_what_is_beyond_it_is_reported() -> None:
    assert len(DEFAULT_CAPABILITIES) == 14
    found = security_of(bundle([*DEFAULT_CAPABILITIES, "CAP_SYS_ADMIN"]))
    assert found.capabilities == ("CAP_SYS_ADMIN",)
    assert security_of(bundle()).capabilities is None


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        pytest.param(bundle(ALL), True, id="all four"),
        pytest.param(bundle(ALL, apparmor="unconfined"), True, id="unconfined by name"),
        pytest.param(bundle(ALL[:-1]), False, id="a capability short"),
        pytest.param(bundle(ALL, apparmor="docker-default"), False, id="apparmor"),
        pytest.param(bundle(ALL, seccomp={"defaultAction": "SCMP_ACT_ERRNO"}), False, id="seccomp"),
        pytest.param(
            bundle(ALL, resources={"devices": [{"allow": False, "access": "rwm"}]}),
            False,
            id="devices denied",
        ),
        pytest.param(
            bundle(ALL, resources={"devices": [{"allow": False}, *ALLOW_ALL]}),
            True,
            id="the last rule counts",
        ),
        pytest.param(
            bundle(ALL, resources={"devices": [{"allow": False}, {"allow": True, "type": "c"}]}),
            False,
            id="only character devices",
        ),
        pytest.param(bundle(), None, id="no capabilities given"),
        pytest.param(Bundle(), None, id="nothing given"),
    ],
)
def test_privileged_is_inferred_from_four_settings(
    candidate: Bundle,
    expected: bool | None,
) -> None:
    assert security_of(candidate).privileged is expected


def test_the_engines_word_beats_the_inference() -> None:
    assert security_of(bundle(ALL), privileged=False).privileged is False
    assert security_of(Bundle(), privileged=True).privileged is True


def test_an_absent_namespace_is_the_runtimes() -> None:
    found = bundle(namespaces=[{"type": "pid"}, {"type": "network", "path": "/proc/77/ns/net"}])
    assert security_of(found).host_namespaces == ("ipc", "uts", "cgroup", "user", "mount")
    shared = security_of(found, runtime_shares=("pid", "user", "ipc")).host_namespaces
    assert shared == ("ipc", "user")
    assert security_of(found, runtime_shares=None).host_namespaces is None
    reported = security_of(found, runtime_shares=("user",), engine_shares=("network",))
    assert reported.host_namespaces == ("network", "user")
    assert security_of(found, runtime_shares=None, engine_shares=("pid",)).host_namespaces is None


def test_joining_the_namespace_of_pid_1_is_sharing_with_the_host() -> None:
    found = bundle(namespaces=[{"type": "network", "path": "/proc/1/ns/net"}])
    assert "network" in (security_of(found).host_namespaces or ())


def test_seccomp_apparmor_and_privileges_are_read_from_the_bundle() -> None:
    found = security_of(bundle_of(JsonDocument(oci_config())))
    assert (found.seccomp, found.apparmor, found.no_new_privileges) == (
        "filtered",
        "docker-default",
        True,
    )
    open_found = security_of(bundle())
    assert (open_found.seccomp, open_found.apparmor, open_found.no_new_privileges) == (
        "unconfined",
        "unconfined",
        False,
    )
