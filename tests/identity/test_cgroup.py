"""Cgroup paths: every layout of design/containers.md, what must stay the host's, and noise."""

from __future__ import annotations

import time
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.cgroup import MAX_PATH, parse, pod_uid
from sensor.model.vocabulary import Engine

H = "0123456789abcdef" * 4
H1, H2 = "a1" * 32, "b2" * 32
U = "eb052b63-ea96-4728-ab4a-64ab3babccd7"
S = U.replace("-", "_")
ECS = "0123456789abcdef" * 2 + "-3057940393"
SLICE = f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{S}.slice"
USER = "/user.slice/user-1000.slice/user@1000.service"
OUTER = f"/system.slice/docker-{H1}.scope"
KIND = "/kubelet.slice/kubelet-kubepods.slice"
HASH = "bd12dd3393227d950605a2444b13c27a"
CEPH = "/system.slice/ceph-0d.slice/ceph-0d@mon.host.service"

D, C, CRIO, P = Engine.DOCKER, Engine.CONTAINERD, Engine.CRIO, Engine.PODMAN

NAMED = [
    (f"/docker/{H}", H, D),
    (f"/docker.slice/docker-{H}.scope", H, D),
    (f"/system.slice/docker-{H}.scope", H, D),
    (f"/{H}", H, D),
    (f"/actions_job/{H}", H, D),
    (f"/ecs/0ea4c9b1/{H}", H, D),
    (f"{USER}/user.slice/docker-{H}.scope", H, D),
    (f"/system.slice/docker-{H}.scope/init.scope", H, D),
    (f"/docker/{H}/ns", H, D),
    (f"/docker/{H}/system.slice/cups.service", H, D),
    (f"/system.slice:docker:{H}", H, D),
    (f"/machine.slice/libpod-{H}.scope", H, P),
    (f"/machine.slice/libpod-{H}.scope/container", H, P),
    (f"/system.slice/libpod-{H}", H, P),
    (f"/libpod_parent/libpod-{H}", H, P),
    (f"{USER}/user.slice/libpod-{H}.scope/container", H, P),
    (f"{CEPH}/libpod-payload-{H}", H, P),
    (f"{CEPH}/libpod-payload-{H}.scope", H, P),
    (f"/system.slice/nerdctl-{H}.scope", H, C),
    (f"/k8s.io/{H}", H, C),
    (f"/ecs/0ea4c9b1/{ECS}", ECS, Engine.ECS),
    ("/lxc/web", "web", Engine.LXC),
    ("/lxc/web/init.scope", "web", Engine.LXC),
    ("/lxc.payload/web", "web", Engine.LXC),
    ("/lxc.payload.web", "web", Engine.LXC),
    (f"{USER}/app.slice/lxc.payload.web/x", "web", Engine.LXC),
    ("/machine.slice/systemd-nspawn@deb.service/payload", "deb", Engine.NSPAWN),
    ("/machine.slice/machine-deb.scope", "deb", Engine.NSPAWN),
    (r"/machine.slice/machine-my\x2ddeb.scope/payload", "my-deb", Engine.NSPAWN),
    (f"/default/{H}", H, None),
]

IN_PODS = [
    (f"/kubepods/besteffort/pod{U}/{H}", None, U),
    (f"{SLICE}/cri-containerd-{H}.scope", C, U),
    (
        f"/kubepods-burstable-podbd12dd3393227d950605a2444b13c27a.slice:cri-containerd:{H}",
        C,
        "bd12dd3393227d950605a2444b13c27a",
    ),
    (
        f"/system.slice/containerd.service/kubepods-burstable-pod{S}.slice:cri-containerd:{H}",
        C,
        U,
    ),
    (f"/kubepods/besteffort/pod{U}/crio-{H}", CRIO, U),
    (f"{KIND}/kubelet-kubepods-burstable-pod{S}.slice/cri-containerd-{H}.scope", C, U),
    (f"{KIND}/kubelet-kubepods-pod{HASH}.slice/cri-containerd-{H}.scope", C, HASH),
    (f"/my_site.slice/my_site-a-kubepods-pod{S}.slice/crio-{H}.scope/container", CRIO, U),
    (f"{SLICE}/crio-{H}.scope", CRIO, U),
    (f"{SLICE}/crio-{H}.scope/container", CRIO, U),
    (f"{SLICE}/docker-{H}.scope", D, U),
    (f"/kubepods/pod{U.upper()}/{H}", None, U),
]

NESTED = [
    (f"/system.slice/docker-{H1}.scope/kubelet/kubepods/burstable/pod{U}/{H2}", None, U),
    (f"{OUTER}{KIND}/kubelet-kubepods-pod{S}.slice/cri-containerd-{H2}.scope", C, U),
    (f"/system.slice/docker-{H1}.scope{SLICE}/docker-{H2}.scope", D, U),
    (f"/docker/{H1}/docker/{H2}", D, None),
    (f"{SLICE}/cri-containerd-{H1}.scope/docker/{H2}", D, None),
]

HOST = [
    "/",
    "",
    "docker",
    f"docker/{H}",
    "/init.scope",
    "/user.slice/user-1000.slice/session-4.scope",
    "/system.slice/cups.service",
    f"{USER}/app.slice/vte-spawn-1d0750f1-4e83-4b26-81ae-e3770394b7f3.scope",
    f"{SLICE}/crio-conmon-{H}.scope",
    f"/machine.slice/libpod-conmon-{H}.scope",
    "/libpod_parent/conmon",
    f"/system.slice/run-containerd-io.containerd.runtime.v1.linux-k8s.io-{H}-rootfs.mount",
    f"/system.slice/var-lib-docker-overlay-{H}-merged.mount",
    f"/docker/{H[:63]}",
    f"/docker/{H}0",
    f"/system.slice/docker-{H[:63]}.scope",
    f"/system.slice/docker-{H}0.scope",
    f"/{H[:63]}",
    f"/{H}0",
    f"/docker/{H.upper()}",
    "/system.slice/docker-.scope",
    "/system.slice/docker-abcdef.scopeX",
    f"/system.slice/docker-{H}.scopeX",
    f"/system.slice/docker-{H}",
    "/docker-abcdef.scopeX",
    "/default/x.service",
    r"/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator",
    r"/machine.slice/machine-lxc\x2d123\x2dweb.scope",
    "/machine.slice/systemd-nspawn@deb.service/supervisor",
    "/machine.slice/systemd-nspawn@deb.service",
    "/system.slice/foo.service/worker",
    "/docker/buildkit/" + "k3j2h4g5f6d7s8a9q1w2e3r4t",
    f"/libpod_parent/{H}",
    f"/libpod_parent/{H}/conmon",
    f"/../docker/{H}",
    f"/docker/../docker/{H}",
    f"/docker/{H}/..",
    f"/myservice/{H[:32]}",
    "/myservice/1d0750f1-4e83-4b26-81ae-e3770394b7f3",
    f"/system.slice/myservice/{H[:32]}",
    "/lxc.monitor.web",
    "/lxc.monitor/web",
    "/lxc/",
    "/docker",
    "/kubepods/burstable",
    "/kubepods",
    f"/kubepods/burstable/pod{U}",
    SLICE,
    f"/docker/{H}" + "/x" * MAX_PATH,
    f"/docker/{H}\n",
]

POSSIBLE = [
    ("/default/test_container", "test_container", C),
    ("/my_ns-1.5/test_container", "test_container", C),
    ("/web", "web", None),
    ("/system.slice/runc-web.scope", "web", None),
    (f"{USER}/user.slice/crun-web.scope", "web", None),
]


@pytest.mark.parametrize(("path", "container", "engine"), NAMED, ids=[case[0] for case in NAMED])
def test_engine_layouts_name_the_container(
    path: str, container: str, engine: Engine | None
) -> None:
    found = parse(path)
    assert found is not None
    assert (found.id, found.engine, found.parents) == (container, engine, ())
    assert found.exact
    assert not found.sandbox


@pytest.mark.parametrize(("path", "engine", "uid"), IN_PODS, ids=[case[0] for case in IN_PODS])
def test_pod_layouts_name_container_and_pod(path: str, engine: Engine | None, uid: str) -> None:
    found = parse(path)
    assert found is not None
    assert (found.id, found.engine, found.pod_uid) == (H, engine, uid)
    assert not found.sandbox


@pytest.mark.parametrize(("path", "engine", "uid"), NESTED, ids=[case[0] for case in NESTED])
def test_nested_layouts_name_the_innermost_and_its_parents(
    path: str, engine: Engine | None, uid: str | None
) -> None:
    found = parse(path)
    assert found is not None
    assert (found.id, found.parents, found.engine, found.pod_uid) == (H2, (H1,), engine, uid)


@pytest.mark.parametrize("path", HOST, ids=[case[:90] for case in HOST])
def test_these_are_not_containers(path: str) -> None:
    assert parse(path) is None


@pytest.mark.parametrize(
    ("path", "container", "engine"), POSSIBLE, ids=[case[0] for case in POSSIBLE]
)
def test_a_plain_name_is_only_possibly_an_id(
    path: str, container: str, engine: Engine | None
) -> None:
    found = parse(path)
    assert found is not None
    assert (found.id, found.engine, found.exact) == (container, engine, False)


def test_a_crio_cgroup_that_is_not_a_scope_is_a_sandbox_under_systemd() -> None:
    found = parse(f"{SLICE}/crio-{H}")
    assert found is not None
    assert found.sandbox
    assert found.pod_uid == U


def test_a_monitor_inside_a_container_belongs_to_that_container() -> None:
    found = parse(f"/docker/{H1}/machine.slice/libpod-conmon-{H2}.scope")
    assert found is not None
    assert found.id == H1


def test_pod_uids_compare_across_notations() -> None:
    assert pod_uid(U.upper().replace("-", "_")) == U
    assert pod_uid(U.replace("-", "").upper()) == U.replace("-", "")
    assert pod_uid(U) == U
    assert pod_uid("not-a-uid") == "not-a-uid"
    assert pod_uid("") is None


PIECES = st.sampled_from(
    ["docker", H, f"docker-{H}.scope", "..", "pod" + U, "machine.slice", "ecs", "lxc", "payload",
     "machine-x.scope", f"crio-{H}", "lxc.payload.", "buildkit", "", "default", "\0", "\ud800"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=8).map(lambda parts: "/" + "/".join(parts))))
def test_no_string_makes_the_parser_raise(path: str) -> None:
    found = parse(path)
    if found is not None:
        assert found.id
        assert "/" not in found.id
        assert found.id not in found.parents[-1:]
        assert ".." not in path.split("/")


@given(
    st.text(alphabet="0123456789abcdef", min_size=1, max_size=100).filter(lambda t: len(t) != 64)
)
def test_only_64_digits_are_an_id(digits: str) -> None:
    assert parse(f"/system.slice/docker-{digits}.scope") is None
    assert parse(f"/docker/{digits}") is None


@pytest.mark.timed
def test_a_path_is_parsed_in_microseconds() -> None:
    path = f"/system.slice/docker-{H1}.scope{SLICE}/cri-containerd-{H2}.scope"
    clock = time.thread_time
    best = min(timeit.repeat(lambda: parse(path), number=1000, repeat=5, timer=clock)) / 1000
    assert best < 60e-6, "three times the target, for slow and busy machines"


@pytest.mark.parametrize(
    ("path", "id_", "parents"),
    [
        (f"/docker/buildkit/{H}", H, ()),
        (f"/docker/{H1}/docker/buildkit/k3j2h4g5f6d7s8a9q1w2e3r4t", H1, ()),
        (f"/libpod_parent/{H1}/libpod-{H}", H, ()),
        (f"/libpod_parent/{H1}/{H}", H, ()),
        (f"/{H1}/{H}", H, ()),
        (f"/docker/{H1}/{H}", H, ()),
        (f"/docker/{H1}/docker/{H}", H, (H1,)),
        (f"/docker/{H1}/libpod_parent/{H2}/libpod-{H}", H, (H1,)),
    ],
)
def test_what_its_starter_may_have_written_makes_no_build_and_no_parent(
    path: str, id_: str, parents: tuple[str, ...]
) -> None:
    """Cases cgroup-parent-like-a-build and podman-pod-parents."""
    found = parse(path)
    assert found is not None
    assert (found.id, found.parents) == (id_, parents)
