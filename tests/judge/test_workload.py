"""Keys of workloads, by names that engines, orchestrators and CI runners really make."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.judge.maker_name import folded, is_generated
from sensor.judge.workload import KEY_MAX, workload_of
from sensor.model.container import Orchestrator
from sensor.model.events import Event
from sensor.model.vocabulary import ContainerId
from tests.judge.samples import by_itself, initiator, pod_start, start

IMAGE = "registry.example.com/shop/web:1.2"
COMPOSE = (("com.docker.compose.project", "shop"), ("com.docker.compose.service", "web"))


def key_of(event: Event) -> str | None:
    found = workload_of(event)
    return None if found is None else found.key


ID = "7b3c2" + "0f" * 29 + "1"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("web.1.k3m2x9q7w5e1r8t6y4u2i0o9p", "name/web.*"),
        ("agent.k3m2x9q7w5e1r8t6y4u2i0o9p.z3m2x9q7w5e1r8t6y4u2i0o9p", "name/agent.*"),
        ("web.1.2", "name/web.1.2"),
        ("ecs-shop-12-web-9cabf6f0d6c2a7d4a001", "name/ecs-shop-*-web-*"),
        ("ecs-shop-13-web-0cabf6f0d6c2a7d4a002", "name/ecs-shop-*-web-*"),
        (
            "k8s_web_web-5d4f8c9b7d-x2x7k_shop_8c1f0a56-6b1d-4c5e-9d0b-1a2b3c4d5e6f_0",
            "name/k8s_web_web_shop_*",
        ),
        ("alpine-7b3c2", "name/alpine-*"),
        ("alpine-7b3c3", "name/alpine-7b3c3"),
        ("web-8c1f0a56-6b1d-4c5e-9d0b-1a2b3c4d5e6f", "name/web-*"),
    ],
)
def test_a_made_up_part_of_a_name_is_not_in_the_key(name: str, key: str) -> None:
    assert key_of(start(name, id_=ContainerId(ID))) == key


@pytest.mark.parametrize("project", ["pr-1234", "buildkite018f3c2a1b4d4e5f"])
def test_a_project_of_a_ci_job_is_no_workload_of_its_own(project: str) -> None:
    labels = (("com.docker.compose.project", project), ("com.docker.compose.service", "web"))
    made = key_of(start("x-web-1", labels=labels))
    assert made is not None
    assert made.endswith("*/web")


@pytest.mark.parametrize(
    ("event", "key"),
    [
        pytest.param(pod_start("web-5d4f8c9b7d-x2x7k"), "k8s/shop/web", id="pod"),
        pytest.param(
            start("shop-web-1", labels=COMPOSE), "compose/shop/web", id="compose service"
        ),
        pytest.param(
            start(
                "shop-web-run-3f2a1b4c5d6e",
                labels=(*COMPOSE, ("com.docker.compose.oneoff", "True")),
            ),
            "compose/shop/web",
            id="compose run",
        ),
        pytest.param(
            start(
                "api.3.kx7f2m1zq0a9c8b7d6e5f4a3b",
                labels=(("com.docker.swarm.service.name", "api"),),
            ),
            "swarm/api",
            id="swarm task",
        ),
        pytest.param(
            start(
                "shop_api.3.k3m2x9q7w5e1r8t6y4u2i0o9p",
                labels=(("com.docker.swarm.service.name", "shop_api"),),
                pod=Orchestrator("swarm", None, "shop_api.3.k3m2x9q7w5e1r8t6y4u2i0o9p"),
            ),
            "swarm/shop_api",
            id="swarm task, as its labels place it",
        ),
        pytest.param(
            start(
                "web-8c1f0a56-6b1d-4c5e-9d0b-1a2b3c4d5e6f",
                labels=(
                    ("com.hashicorp.nomad.job_id", "shop/periodic-1764500000"),
                    ("com.hashicorp.nomad.task_name", "web"),
                ),
                pod=Orchestrator("nomad", None, "group", container="web"),
            ),
            "nomad/shop_periodic-*/web",
            id="Nomad task",
        ),
        pytest.param(
            start(
                "web-8c1f0a56-6b1d-4c5e-9d0b-1a2b3c4d5e6f",
                pod=Orchestrator("nomad", None, "group", container="web"),
            ),
            "name/web-*",
            id="Nomad task without labels",
        ),
        pytest.param(
            start("ecs-shop-12-web-9cabf6f0d6c2a7d4a001", labels=(
                ("com.amazonaws.ecs.task-definition-family", "shop"),
                ("com.amazonaws.ecs.container-name", "web"),
            )),
            "ecs/shop/web",
            id="ecs task",
        ),
        pytest.param(
            start("systemd-web", labels=(("PODMAN_SYSTEMD_UNIT", "web.service"),)),
            "unit/web.service",
            id="quadlet",
        ),
        pytest.param(start("web"), "name/web", id="given name"),
        pytest.param(start("web-blue"), "name/web-blue", id="given name with a dash"),
        pytest.param(start("my_app"), "name/my_app", id="no adjective of Docker's"),
        pytest.param(
            start("gracious_lovelace", IMAGE, by=initiator("ann", "docker", "run", "x")),
            "image/registry.example.com/shop/web",
            id="Docker's own name",
        ),
        pytest.param(
            start("gracious_lovelace7", IMAGE),
            "image/registry.example.com/shop/web",
            id="Docker's own name, used before",
        ),
        pytest.param(
            start("busy_box", by=initiator("ann", "docker", "run", "--name", "busy_box", "x")),
            "name/busy_box",
            id="given though it looks generated",
        ),
        pytest.param(
            start("busy_box", by=initiator("ann", "docker", "run", "--name=busy_box", "x")),
            "name/busy_box",
            id="given with an equals sign",
        ),
        pytest.param(start(None, "nginx"), "image/docker.io/library/nginx", id="no name"),
        pytest.param(
            start(None, "localhost:5000/a/b@sha256:00"), "image/localhost:5000/a/b", id="digest"
        ),
        pytest.param(start(None, None), None, id="nothing known"),
        pytest.param(
            start(None, None, id_=ContainerId("My_Box.v1")), "name/My_Box.v1", id="ctr's id"
        ),
        pytest.param(
            start("runner-t1_zrf9s-project-42-concurrent-0-3f2a1b4c5d6e7f80-build-2"),
            "name/*-build-2",
            id="GitLab job",
        ),
        pytest.param(
            start("9f2c1e5a7b3d4c6e8f0a1b2c3d4e5f60_postgres14_a1b2c3"),
            "name/*_postgres14_*",
            id="GitHub service",
        ),
        pytest.param(start("drone-5cYbN3kJQp8rTz2mWx7L"), "name/drone-*", id="Drone step"),
        pytest.param(
            start("wp_01hv3x8k2n9q4r7t6y5z1a2b3c_0_step_0".replace("_", "-")),
            "name/wp-*-0-step-0",
            id="Woodpecker step",
        ),
        pytest.param(
            start("job-123e4567-e89b-12d3-a456-426614174000"), "name/job-*", id="UUID"
        ),
        pytest.param(start("backup-20261130"), "name/backup-*", id="date"),
        pytest.param(start("web-deadbeef01"), "name/web-*", id="hex"),
        pytest.param(start("web-3"), "name/web-3", id="an instance's number is part of it"),
    ],
)  # fmt: skip
def test_the_key_of_a_workload(event: Event, key: str | None) -> None:
    assert key_of(event) == key


JOBS = {
    "GitLab's cache": (
        ("runner-abcdefgh-project-4-concurrent-0-cache-3c3f060a0374fc8bc39395164f415a70", IMAGE),
        ("runner-abcdefgh-project-4-concurrent-1-cache-0c3f060a0374fc8bc39395164f415a71", IMAGE),
    ),
    "GitLab's service, old form": (
        ("runner-0277ea0f-project-42-concurrent-0-mysql-0", IMAGE),
        ("runner-0277ea0f-project-42-concurrent-1-mysql-0", IMAGE),
    ),
    "GitHub action of an image": (
        ("alpine318_4f7c2a", "alpine:3.18"), ("alpine319_00ffaa", "alpine:3.19")
    ),
    "GitHub action, Podman's full name": (
        ("alpine318_4f7c2a", "docker.io/library/alpine:3.18"), ("alpine318_00ffaa", "alpine:3.18"),
    ),
    "GitHub action of a Dockerfile": (
        ("d3b8a9f2c1e5a7b3d4c6e8f0a1b2c3d4e5f60_a1b2c3", "6d3b8a:9f2c1e5a7b3d4c6e8f0a1b2c3d4e5f60"),
        ("d3b8a0f2c1e5a7b3d4c6e8f0a1b2c3d4e5f61_f1b2c3", "6d3b8a:0f2c1e5a7b3d4c6e8f0a1b2c3d4e5f61"),
    ),
    "GitHub service": (
        ("9f2c1e5a7b3d4c6e8f0a1b2c3d4e5f60_postgres14_a1b2c3", "postgres:14"),
        ("0f2c1e5a7b3d4c6e8f0a1b2c3d4e5f60_postgres15_ffb2c3", "postgres:15"),
    ),
    "Azure's job": (
        ("linux_ubuntu1604_4f7c2a", "ubuntu:16.04"), ("linux_ubuntu1804_ffaa00", "ubuntu:18.04")
    ),
    "Azure's job, alias with a dash": (
        ("ci-container_mcrmicrosoftcomdotnetsdk60_123abc", "mcr.microsoft.com/dotnet/sdk:6.0"),
        ("ci-container_mcrmicrosoftcomdotnetsdk60_abc123", "mcr.microsoft.com/dotnet/sdk:6.0"),
    ),
    "Gitea": (
        ("GITEA-ACTIONS-TASK-12_WORKFLOW-ci_JOB-build", IMAGE),
        ("GITEA-ACTIONS-TASK-9_WORKFLOW-ci_JOB-build", IMAGE),
    ),
    "Forgejo": (
        ("FORGEJO-ACTIONS-TASK-612_WORKFLOW-test_JOB-lint", IMAGE),
        ("FORGEJO-ACTIONS-TASK-613_WORKFLOW-test_JOB-lint", IMAGE),
    ),
    "builder without a name": (
        ("buildx_buildkit_exciting_curie0", IMAGE), ("buildx_buildkit_sad_turing70", IMAGE)
    ),
    "buildah": (("alpine-working-container", IMAGE), ("alpine-working-container-3", IMAGE)),
    "a version": (("dagger-engine-v0.18.3", IMAGE), ("dagger-engine-v0.19.10", IMAGE)),
    "an image by its id": ((None, "4bcff63911fc"), (None, "0bcff63911fd")),
    "an editor's container": (
        (None, "vsc-shop-6f2d8c4b0a1e3f5d7c9b2a4e6f8d0c1b3a5e7f9d"),
        (None, "vsc-shop-0f2d8c4b0a1e3f5d7c9b2a4e6f8d0c1b3a5e7f9e"),
    ),
    "a buildpack's builder": (
        (None, "pack.local/builder/6a6b716c7a6d6e77726f:latest"),
        (None, "pack.local/builder/0a6b716c7a6d6e77726e:latest"),
    ),
}  # fmt: skip
"""Two runs of one job: name and image of each."""


@pytest.mark.parametrize(("one", "other"), JOBS.values(), ids=JOBS)
def test_two_runs_of_a_job_are_one_workload(
    one: tuple[str | None, str], other: tuple[str | None, str]
) -> None:
    found = key_of(start(*one))
    assert found is not None
    assert found == key_of(start(*other))
    # Nothing of the job is left, and something of what it is.
    assert not any(char in found for char in ("4f7c2a", "abc123", "TASK-1", "turing", "0.18"))
    assert found not in {"name/*", "image/docker.io/library/*"} or one[0] is None


APART = {
    "replicas": (("web-1", IMAGE), ("web-2", IMAGE)),
    "nodes of kind": (("kind-worker2", IMAGE), ("kind-worker3", IMAGE)),
    "an alias before the image": (
        ("a_alpine_4f7c2a", "alpine"), ("b_alpine_4f7c2a", "alpine")
    ),
    "hex digits behind another image": (
        ("my_app_facade", "alpine:3.18"), ("my_app_decade", "alpine:3.18")
    ),
    "hex digits behind an end of the image": (
        ("line_facade", "alpine"), ("line_decade", "alpine")
    ),
    "a builder with a name": (
        ("buildx_buildkit_shop_arm0", IMAGE), ("buildx_buildkit_shop_amd0", IMAGE)
    ),
    "versions of one number": (("api-v1", IMAGE), ("api-v2", IMAGE)),
    "services of a GitHub job": (
        ("9f2c1e5a7b3d4c6e8f0a1b2c3d4e5f60_postgres14_a1b2c3", "postgres:14"),
        ("9f2c1e5a7b3d4c6e8f0a1b2c3d4e5f60_redis7_a1b2c3", "redis:7"),
    ),
    "jobs of one task": (
        ("GITEA-ACTIONS-TASK-12_WORKFLOW-ci_JOB-build", IMAGE),
        ("GITEA-ACTIONS-TASK-12_WORKFLOW-ci_JOB-deploy", IMAGE),
    ),
    "images with hex words": ((None, "cafe/facade"), (None, "cafe/decade")),
}  # fmt: skip
"""Two workloads: name and image of each."""


@pytest.mark.parametrize(("one", "other"), APART.values(), ids=APART)
def test_what_is_not_made_up_keeps_workloads_apart(
    one: tuple[str | None, str], other: tuple[str | None, str]
) -> None:
    assert key_of(start(*one)) != key_of(start(*other))


@pytest.mark.parametrize(
    ("container", "row"),
    [
        ("debugger-x7k2p", "k8s/shop/web#debugger-*"),
        ("debugger-bbk2p", "k8s/shop/web#debugger-*"),
        ("debugger-ours", "k8s/shop/web#debugger-ours"),
        ("proxy-x7k2p", "k8s/shop/web#proxy-x7k2p"),
        ("main", "k8s/shop/web#main"),
    ],
)
def test_a_debugging_container_has_no_name_of_its_own(container: str, row: str) -> None:
    found = workload_of(pod_start("web-5d4f8c9b7d-x2x7k", container))
    assert found is not None
    assert found.row == row


def test_the_key_does_not_depend_on_who_started_it_or_how() -> None:
    event = start("web")
    assert key_of(event) == key_of(by_itself(event))
    assert key_of(event) == key_of(replace(event, initiator=initiator("mallory")))


def test_a_slash_in_a_name_makes_no_other_workloads_key() -> None:
    assert key_of(start("a/b")) == "name/a_b"
    labels = (("com.docker.compose.project", "x/y"), ("com.docker.compose.service", "z"))
    assert key_of(start(labels=labels)) == "compose/x_y/z"


def test_a_key_is_bounded() -> None:
    assert len(key_of(start("z" * 10_000)) or "") == KEY_MAX


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_name_has_a_key_and_folding_it_again_changes_little(name: str) -> None:
    once = folded(name)
    assert folded(once).count("*") <= once.count("*") + 1
    assert isinstance(is_generated(name, None), bool)


def test_folding_is_linear_in_its_input() -> None:
    def cost(length: int) -> float:
        texts = ["a" * length, "runner-" * (length // 7), "0-" * (length // 2), "g1f" * length]
        begin = time.process_time()
        for text in texts:
            folded(text)
        return time.process_time() - begin

    cost(1000)
    assert cost(40_000) < 40 * max(cost(4_000), 0.002)


@pytest.mark.parametrize(
    "name",
    [
        "backup-2026-11-29",
        "backup-20261129",
        "backup-2026_11_29",
        "backup-2026-11-29T03-00-00",
        "backup-20261129-0300",
        "backup-1764385200",
    ],
)
def test_dates_in_names_are_folded(name: str) -> None:
    assert folded(name) in {"backup-*", "backup-*-*"}
