"""Which engine a container belongs to."""

from __future__ import annotations

import pytest

from sensor.identity.oci import Bundle
from sensor.identity.ownership import ownership_of
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import Engine
from tests.identity.sample_node import ID, request_for

STEP = "k3j2h4g5f6d7s8a9q1w2e3r4t"
TASK = "/run/containerd/io.containerd.runtime.v2.task"


def annotated(key: str, value: str = "x") -> Bundle:
    return Bundle(annotations=((key, value),))


LIBPOD = annotated("io.container.manager", "libpod")
USERDATA = f"overlay-containers/{ID}/userdata"


@pytest.mark.parametrize(
    ("request_", "path", "bundle", "expected"),
    [
        pytest.param(request_for(), f"{TASK}/moby/{ID}", None, Engine.DOCKER, id="moby"),
        pytest.param(request_for(), f"{TASK}/k8s.io/{ID}", None, Engine.CONTAINERD, id="cri"),
        pytest.param(request_for(), f"{TASK}/my-ns/{ID}", None, Engine.CONTAINERD, id="ctr"),
        pytest.param(
            request_for(), f"{TASK}/moby/{ID}", LIBPOD, Engine.DOCKER, id="path over annotation"
        ),
        pytest.param(request_for(namespace="moby"), None, None, Engine.DOCKER, id="namespace"),
        pytest.param(
            request_for(runtime_root="/run/docker/runtime-runc/moby"),
            None,
            None,
            Engine.DOCKER,
            id="runtime root",
        ),
        pytest.param(
            request_for(runtime_root="/tmp/runc/x"), "/b", None, None, id="a root of one's own"
        ),
        pytest.param(
            request_for(runtime_root="/run/containerd/runc/k8s.io"),
            "/b",
            None,
            Engine.CONTAINERD,
            id="runtime root of cri",
        ),
        pytest.param(
            request_for(), f"/var/lib/containers/storage/{USERDATA}", LIBPOD, Engine.PODMAN,
            id="podman",
        ),
        pytest.param(
            request_for(), f"/home/me/s/{USERDATA}", Bundle(), Engine.PODMAN, id="podman by path"
        ),
        pytest.param(
            request_for(),
            f"/run/containers/storage/{USERDATA}",
            annotated("io.container.manager", "cri-o"),
            Engine.CRIO,
            id="cri-o",
        ),
        pytest.param(
            request_for(), f"/run/containers/storage/{USERDATA}", None, Engine.CRIO,
            id="cri-o by path",
        ),
        pytest.param(
            request_for(), "/b", annotated("io.kubernetes.cri-o.ContainerID"), Engine.CRIO,
            id="cri-o by annotation",
        ),
        pytest.param(
            request_for(), "/b", annotated("io.kubernetes.cri.container-type"), Engine.CONTAINERD,
            id="cri by annotation",
        ),
        pytest.param(
            request_for(), "/b", annotated("nerdctl/namespace"), Engine.CONTAINERD, id="nerdctl"
        ),
        pytest.param(request_for(engine=Engine.LXC), "/b", Bundle(), Engine.LXC, id="the core's"),
        pytest.param(request_for(), "/b", Bundle(), None, id="nobody's"),
        pytest.param(request_for(), None, None, None, id="nothing known"),
    ],
)  # fmt: skip
def test_the_engine_follows_from_bundle_path_and_annotations(
    request_: DescribeRequest, path: str | None, bundle: Bundle | None, expected: Engine | None
) -> None:
    found = ownership_of(request_, path, bundle)
    assert (found.engine, found.build_step) == (expected, False)


@pytest.mark.parametrize(
    ("request_", "path", "namespace"),
    [
        pytest.param(request_for(), f"{TASK}/k8s.io/{ID}", "k8s.io", id="the kubelet's"),
        pytest.param(request_for(), f"{TASK}/moby/{ID}", "moby", id="Docker's"),
        pytest.param(
            request_for(runtime_root="/run/containerd/runc/team"), "/b", "team", id="by root"
        ),
        pytest.param(request_for(), "/b", None, id="of no engine"),
    ],
)
def test_the_namespace_of_containerd_is_kept(
    request_: DescribeRequest, path: str, namespace: str | None
) -> None:
    assert ownership_of(request_, path, None).namespace == namespace


@pytest.mark.parametrize(
    ("request_", "path", "engine"),
    [
        pytest.param(
            request_for(container="k3j2h4g5f6d7s8a9q1w2e3r4t"),
            "/var/lib/docker/buildkit/executor/k3j2h4g5f6d7s8a9q1w2e3r4t",
            Engine.DOCKER,
            id="buildkit in dockerd",
        ),
        pytest.param(
            request_for(container="k3j2h4g5f6d7s8a9q1w2e3r4t"),
            "/var/lib/buildkit/runc-overlayfs/executor/k3j2h4g5f6d7s8a9q1w2e3r4t",
            None,
            id="buildkitd",
        ),
        pytest.param(
            request_for(container=STEP),
            f"{TASK}/buildkit/{STEP}",
            Engine.CONTAINERD,
            id="buildkit on containerd",
        ),
        pytest.param(
            request_for(container="buildah-buildah123456"),
            "/var/tmp/buildah123456",
            Engine.BUILDAH,
            id="buildah",
        ),
    ],
)
def test_a_bundle_of_a_builder_is_a_build_step(
    request_: DescribeRequest, path: str | None, engine: Engine | None
) -> None:
    found = ownership_of(request_, path, None)
    assert (found.engine, found.build_step) == (engine, True)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (request_for(cgroup=f"/docker/buildkit/{ID}"), f"{TASK}/moby/{ID}"),
        (request_for(cgroup=f"/docker/buildkit/{ID}"), None),
        (request_for(), f"/tmp/buildkit/executor/{ID}"),
        (request_for(container="web"), "/var/lib/docker/buildkit/executor/web"),
        (request_for(container=STEP), f"/var/lib/docker/buildkit/executor/other{STEP}"),
        (request_for(), "/var/tmp/buildah1"),
        (request_for(container="buildah1"), "/tmp/b"),
        (request_for(), f"{TASK}/buildkit/{ID}"),
    ],
)
def test_a_path_that_says_build_makes_no_step(request_: DescribeRequest, path: str | None) -> None:
    """Case cgroup-parent-like-a-build."""
    assert not ownership_of(request_, path, None).build_step
