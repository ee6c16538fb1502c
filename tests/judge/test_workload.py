"""Keys of workloads, by names that engines, orchestrators and CI runners really make."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.judge.maker_name import folded, is_generated
from sensor.judge.workload import KEY_MAX, workload_of
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
