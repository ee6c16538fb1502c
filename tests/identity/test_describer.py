"""Whole descriptions, from a request and a node's disk."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensor.identity.describer import Describer
from sensor.identity.reading import MAX_LARGE_BYTES
from sensor.identity.settings import IdentitySettings
from sensor.model.container import Description, Image, Mount, Orchestrator
from sensor.model.process import NS_PER_TICK, ProcessKey
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import Engine, PodSource
from tests.identity.sample_node import (
    ID,
    SECRET,
    Node,
    oci_config,
    open_descriptors,
    own_key,
    request_for,
)

TASK = "/run/containerd/io.containerd.runtime.v2.task"
MOBY = f"{TASK}/moby/{ID}"
DOCKER = f"/var/lib/docker/containers/{ID}"
UID = "eb052b63-ea96-4728-ab4a-64ab3babccd7"


def write_docker(node: Node, bundle: str = MOBY) -> None:
    mounts = [
        {"destination": "/etc/hosts", "type": "bind", "source": f"{DOCKER}/hosts"},
        {
            "destination": "/var/run/docker.sock",
            "type": "bind",
            "source": "/run/docker.sock",
            "options": ["rbind", "ro"],
        },
    ]
    process = {**_process(), "args": ["app", "--password", SECRET, f"TOKEN={SECRET}"]}
    node.write(f"{bundle}/config.json", oci_config(mounts=mounts, process=process))
    node.write(
        f"{DOCKER}/config.v2.json",
        {
            "ID": ID,
            "Name": "/web",
            "Image": "sha256:" + "1f" * 32,
            "Config": {
                "Image": "nginx:1.25",
                "Env": [f"PASSWORD={SECRET}"],
                "Labels": {"b": "2", "a": "1", "db.password": SECRET},
            },
        },
    )
    node.write(f"{DOCKER}/hostconfig.json", {"Privileged": True})


def _process() -> dict[str, Any]:
    process = oci_config()["process"]
    assert isinstance(process, dict)
    return process


def describe(node: Node, request: DescribeRequest) -> Description:
    return Describer(node.settings).describe(request)


def test_a_container_of_docker_is_described_from_its_files(node: Node) -> None:
    write_docker(node)
    found = describe(node, request_for(MOBY))
    assert found.engine is Engine.DOCKER
    assert found.name == "web"
    assert found.image == Image("nginx:1.25", "sha256:" + "1f" * 32, pinned=False)
    assert found.labels == (("a", "1"), ("b", "2"), ("db.password", "[redacted]"))
    assert found.command == ("app", "--password", "[redacted]", "TOKEN=[redacted]")
    assert found.user == "0:0"
    assert found.security is not None
    assert found.security.privileged is True
    assert found.security.mounts == (
        Mount("/run/docker.sock", "/var/run/docker.sock", writable=False),
    )
    assert found.problems == ()
    assert SECRET not in repr(found)


@pytest.mark.parametrize("engine", [Engine.DOCKER, None], ids=str)
def test_docker_without_the_runtimes_command(node: Node, engine: Engine | None) -> None:
    write_docker(node)
    found = describe(node, request_for(None, engine=engine))
    assert (found.engine, found.name, found.problems) == (Engine.DOCKER, "web", ())
    assert found.security is not None
    assert found.security.seccomp == "filtered"


def test_docker_with_no_bundle_at_all(node: Node) -> None:
    write_docker(node, "/elsewhere")
    found = describe(node, request_for(None))
    assert (found.engine, found.name, found.command, found.problems) == (
        Engine.DOCKER,
        "web",
        None,
        (),
    )
    assert found.security is not None
    assert (found.security.privileged, found.security.seccomp) == (True, None)


def test_a_pods_container(node: Node) -> None:
    annotations = {
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": "web",
        "io.kubernetes.cri.image-name": "nginx:1.25",
        "io.kubernetes.cri.sandbox-name": "shop-1",
        "io.kubernetes.cri.sandbox-namespace": "prod",
    }
    node.write(f"{TASK}/k8s.io/{ID}/config.json", oci_config(annotations=annotations))
    found = describe(
        node, request_for(f"{TASK}/k8s.io/{ID}", cgroup=f"/kubepods/burstable/pod{UID}/{ID}")
    )
    assert found.engine is Engine.CONTAINERD
    assert found.name == "web"
    assert found.image == Image("nginx:1.25")
    assert found.orchestrator == Orchestrator(
        "kubernetes", "prod", "shop-1", UID, "web", source=PodSource.API
    )


def test_a_container_of_podman_is_described_from_its_storage(node: Node) -> None:
    bundle = f"/var/lib/containers/storage/overlay-containers/{ID}/userdata"
    annotations = {"io.container.manager": "libpod"}
    node.write(f"{bundle}/config.json", oci_config(annotations=annotations))
    node.write(
        "/var/lib/containers/storage/overlay-containers/containers.json",
        [{"id": ID, "names": ["web"], "image": "1f" * 32}],
    )
    found = describe(node, request_for(bundle))
    assert (found.engine, found.name) == (Engine.PODMAN, "web")
    assert found.image == Image(None, "sha256:" + "1f" * 32)


def test_a_container_of_crio_is_described_from_its_annotations(node: Node) -> None:
    bundle = f"/run/containers/storage/overlay-containers/{ID}/userdata"
    annotations = {
        "io.container.manager": "cri-o",
        "io.kubernetes.pod.name": "shop-1",
        "io.kubernetes.container.name": "web",
        "io.kubernetes.cri-o.ImageName": "nginx:1.25",
    }
    node.write(f"{bundle}/config.json", oci_config(annotations=annotations))
    found = describe(node, request_for(bundle))
    assert (found.engine, found.name, found.image) == (Engine.CRIO, "web", Image("nginx:1.25"))


def test_a_build_step_is_reported_and_no_engine_state_is_read(node: Node) -> None:
    step = "k3j2h4g5f6d7s8a9q1w2e3r4t"
    bundle = f"/var/lib/docker/buildkit/executor/{step}"
    node.write(f"{bundle}/config.json", oci_config())
    found = describe(node, request_for(bundle, container=step))
    assert found.build_step
    assert (found.engine, found.problems) == (Engine.DOCKER, ())
    assert found.command is not None


def test_a_runtime_without_an_engine(node: Node) -> None:
    node.write("/b/config.json", oci_config())
    found = describe(node, request_for("/b", container="web"))
    assert (found.engine, found.name, found.problems) == (None, None, ())
    assert found.command == ("nginx", "-g", "daemon off;")


@pytest.fixture
def runtime(node: Node) -> Iterator[ProcessKey]:
    """A process that runs in the directory of a bundle below the node's root."""
    node.write("/b/config.json", oci_config())
    with subprocess.Popen(["sleep", "60"], cwd=node.root / "b") as child:
        yield own_key(child.pid)
        child.kill()


@pytest.mark.parametrize("bundle", [".", "../b", "./"])
def test_a_relative_bundle_is_the_runtimes(runtime: ProcessKey, bundle: str) -> None:
    found = Describer(IdentitySettings()).describe(
        request_for(bundle, container="web", reader=runtime)
    )
    assert found.problems == ()
    assert found.command == ("nginx", "-g", "daemon off;")


def test_a_relative_bundle_of_an_ended_runtime_is_unknown(node: Node, runtime: ProcessKey) -> None:
    reader = ProcessKey(runtime.pid, runtime.start_time + 10**9)
    found = describe(node, request_for(".", container="web", reader=reader))
    assert found.problems == ("working_directory:process_gone", "bundle:missing")


def test_a_foreign_runtimes_paths_are_below_its_own_root(node: Node, tmp_path: Path) -> None:
    node.write("/b/config.json", oci_config())
    settings_ = IdentitySettings(host_root=str(tmp_path / "none"), host_mnt_ns=1)
    request = request_for(str(node.root / "b"), container="web", reader=own_key(), mnt_ns=2)
    found = Describer(settings_).describe(request)
    assert (found.command, found.problems) == (("nginx", "-g", "daemon off;"), ())


GONE = ProcessKey(2**22 + 1, 5)


def test_when_a_foreign_runtime_has_ended_the_host_is_tried(tmp_path: Path) -> None:
    node = Node(tmp_path)
    write_docker(node)
    settings_ = IdentitySettings(host_root=str(tmp_path), host_mnt_ns=1)
    found = Describer(settings_).describe(request_for(MOBY, reader=GONE, mnt_ns=2))
    assert found.name == "web"
    assert found.problems == ("process_root:process_gone",)
    assert found.security is not None
    assert found.security.host_namespaces is None


@pytest.mark.parametrize("container", ["web", ID])
def test_but_not_with_a_bundle_that_may_be_anothers(tmp_path: Path, container: str) -> None:
    Node(tmp_path).write("/b/config.json", oci_config())
    Node(tmp_path).write(f"{TASK}/default/web/config.json", oci_config())
    settings_ = IdentitySettings(host_root=str(tmp_path), host_mnt_ns=1)
    found = Describer(settings_).describe(
        request_for("/b", container=container, reader=GONE, mnt_ns=2)
    )
    assert found.command is None
    assert found.problems == ("process_root:process_gone", "bundle:missing")


@pytest.mark.parametrize(
    "container", ["", "..", ".", "../etc", "a/b", "a\0b", "a" * 1025], ids=repr
)
def test_hostile_ids_open_nothing(node: Node, container: str) -> None:
    describer = Describer(node.settings)
    found = describer.describe(request_for("/b", container=container))
    assert found.problems == ("id:unsafe",)
    assert describer.problem_counts() == (("id:unsafe", 1),)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _directory(path: Path) -> None:
    path.mkdir()


def _large(path: Path) -> None:
    path.touch()
    os.truncate(path, MAX_LARGE_BYTES + 1)


def _deep(path: Path) -> None:
    path.write_bytes(b'{"a":' * 100_000)


def _array(path: Path) -> None:
    path.write_bytes(b"[]")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_fifo, "bundle:not_regular"),
        (_link, "bundle:symlink"),
        (_directory, "bundle:not_regular"),
        (_large, "bundle:too_large"),
        (_deep, "bundle:too_deep"),
        (_array, "bundle:wrong_type"),
    ],
)
def test_hostile_bundles_are_named(node: Node, make: Any, problem: str) -> None:
    (node.root / "b").mkdir()
    make(node.root / "b/config.json")
    describer = Describer(node.settings)
    found = describer.describe(request_for("/b"))
    assert problem in found.problems
    assert (problem, 1) in describer.problem_counts()


def test_nothing_found_is_said_once(node: Node) -> None:
    assert describe(node, request_for(None)).problems == ("bundle:missing",)
    assert describe(node, request_for("/none")).problems == ("bundle:missing",)


def test_a_host_root_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    settings_ = IdentitySettings(host_root=str(tmp_path / "none"))
    found = Describer(settings_).describe(request_for("/b", engine=Engine.DOCKER))
    assert found.problems == ("host_root:missing",)
    assert found.engine is Engine.DOCKER


def test_a_defect_is_a_problem_and_no_exception(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("sensor.identity.describer.ownership_of", broken)
    assert describe(node, request_for("/b")).problems == ("describer:RuntimeError",)


def test_names_and_labels_are_bounded(node: Node) -> None:
    write_docker(node)
    node.write(
        f"{DOCKER}/config.v2.json",
        {
            "ID": ID,
            "Name": "/" + "n" * 10_000,
            "Config": {
                "Image": "i" * 10_000,
                "Labels": {f"{key:05}": "v" * 10_000 for key in range(99)},
            },
        },
    )
    found = describe(node, request_for(MOBY))
    assert len(repr(found)) < 60_000
    assert found.name is not None
    assert found.name.endswith("…[truncated]")


def test_no_descriptor_is_left_open(node: Node) -> None:
    write_docker(node)
    describer = Describer(node.settings)
    before = open_descriptors()
    for request in (request_for(MOBY), request_for(None), request_for("/none"), request_for(".")):
        describer.describe(request)
    assert open_descriptors() == before


def test_the_hosts_root_is_closed_with_the_describer(node: Node) -> None:
    write_docker(node)
    before = open_descriptors()
    describer = Describer(node.settings)
    assert [describer.describe(request_for(MOBY)).name for _ in range(2)] == ["web", "web"]
    del describer
    assert open_descriptors() == before


def test_a_host_root_that_comes_later_is_found(tmp_path: Path) -> None:
    node = Node(tmp_path / "late")
    describer = Describer(node.settings)
    assert describer.describe(request_for(MOBY)).problems == ("host_root:missing",)
    write_docker(node)
    assert describer.describe(request_for(MOBY)).name == "web"


@pytest.mark.parametrize(("own", "shared"), [((), ("cgroup", "user")), (("user",), ("cgroup",))])
def test_what_a_bundle_leaves_open_is_shared_as_the_runtime_shares_it(
    node: Node, tmp_path: Path, own: tuple[str, ...], shared: tuple[str, ...]
) -> None:
    node.write("/b/config.json", oci_config())
    proc = tmp_path / "proc"
    for pid in (1, 7):
        entries = proc / f"{pid}/ns"
        entries.mkdir(parents=True)
        for kind in ("cgroup", "user"):
            (entries / kind).symlink_to(f"{kind}:[{pid if kind in own else 1}]")
    (proc / "7/stat").write_text("7 (runc) " + " ".join(["S", *(["0"] * 18), "5"]))
    settings_ = replace(node.settings, proc=str(proc), host_mnt_ns=1)
    reader = ProcessKey(7, 5 * NS_PER_TICK)
    found = Describer(settings_).describe(
        request_for("/b", container="web", reader=reader, mnt_ns=1)
    )
    assert found.security is not None
    assert found.security.host_namespaces == shared


@given(st.binary(max_size=200), st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_on_disk_make_it_raise(node: Node, bundle: bytes, config: bytes) -> None:
    node.write(f"{MOBY}/config.json", bundle)
    node.write(f"{DOCKER}/config.v2.json", config)
    found = describe(node, request_for(MOBY))
    assert not [problem for problem in found.problems if problem.startswith("describer")]


def test_a_docker_config_cut_anywhere_is_a_problem(node: Node) -> None:
    write_docker(node)
    data = (node.root / f"{DOCKER}/config.v2.json".lstrip("/")).read_bytes()
    assert json.loads(data)
    for end in range(0, len(data), 7):
        node.write(f"{DOCKER}/config.v2.json", data[:end])
        found = describe(node, request_for(MOBY))
        assert found.problems == ("docker_config:malformed",)
        assert found.name is None
