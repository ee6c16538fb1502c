"""Pods that tools make for jobs: two runs are one workload, and two workloads stay two."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.judge.job_pod import folded_owner, owner_of
from sensor.judge.workload import workload_of
from sensor.model import pod_name
from sensor.model.pod_name import GENERATED
from tests.judge.samples import pod_start

UUID, OTHER = "d8b6f6a0-9cf0-4c3e-8d5a-0123456789ab", "08b6f6a0-9cf0-4c3e-8d5a-0123456789ab"
RUNS = {
    "gitlab": (
        "runner-ebakcxms-project-2-concurrent-0-hlwbq8gm",
        "runner-ebakcxms-project-2-concurrent-13-aaa0q8g1",
        "runner-*",
    ),
    "gitlab, generateName": (
        "runner-wt4ylj1z-project-57-concurrent-0-x7zs4",
        "runner-wt4ylj1z-project-57-concurrent-1-bbzs4",
        "runner-*",
    ),
    "arc": ("set-lb8rc-runner-x7zqw", "set-bb8rc-runner-bbzqw", "set-*-runner"),
    "arc job": (
        "set-lb8rc-runner-x7zqw-workflow",
        "set-lb8rc-runner-bbzqw-workflow",
        "set-*-runner-*-workflow",
    ),
    "arc step": (
        "set-lb8rc-runner-x7zqw-step-0f8fad5b",
        "set-lb8rc-runner-bbzqw-step-1f8fad5b",
        "set-*-runner-*-step-*",
    ),
    "tekton": ("ci-x7k2p-build-pod", "ci-bbk2p-build-pod", "ci-*-build-pod"),
    "tekton, old": ("ci-x7k2p-build-pod-zx9kq", "ci-bbk2p-build-pod-bbbkq", "ci-*-build-pod"),
    "tekton task": ("build-x7k2p-pod", "build-bbk2p-pod", "build-*-pod"),
    "tekton retry": (
        "ci-x7k2p-build-pod-retry1",
        "ci-bbk2p-build-pod-retry1",
        "ci-*-build-pod-retry1",
    ),
    "argo": ("ci-x7k2p-build-1234567890", "ci-bbk2p-build-98765432", "ci-*-build"),
    "argo, old names": ("ci-x7k2p-1234567890", "ci-bbk2p-98765", "ci-*"),
    "argo, one step": ("ci-x7k2p", "ci-bbk2p", "ci"),
    "argo cron": ("nightly-1764500000", "nightly-1764503600", "nightly"),
    "argo cron step": (
        "nightly-1764500000-build-1234567890",
        "nightly-1764503600-build-987654321",
        "nightly-*-build",
    ),
    "jenkins": (
        "shop-main-12-x1b2c-9k3lm-0zq8t",
        "shop-main-113-b1b2c-9k2lm-2zq8t",
        "shop-main-*",
    ),
    "openshift build": ("web-12-build", "web-13-build", "web-*-build"),
    "openshift deployer": ("web-1-deploy", "web-12-deploy", "web-*-deploy"),
    "awx": ("automation-job-123-x7k2p", "automation-job-1240-bbk2p", "automation-job-*"),
    "spark driver": ("pi-7c3f5e8a2b1d4f60-driver", "pi-0c3f5e8a2b1d4f60-driver", "pi-*-driver"),
    "spark executor": ("pi-7c3f5e8a2b1d4f60-exec-3", "pi-0c3f5e8a2b1d4f60-exec-1", "pi-*-exec"),
    "airflow": (f"task-{UUID.replace('-', '')}", f"task-{OTHER.replace('-', '')}", "task-*"),
    "buildkite": (f"buildkite-{UUID}-x7k2p", f"buildkite-{OTHER}-bbk2p", "buildkite-*"),
    "prow": (UUID, OTHER, "*"),
    "drone": ("drone-5cybn3kjqp8rtz2mwx7l", "drone-xxybn3kjqp8rtz2mwx7l", "drone-*"),
    "woodpecker": ("wp-01hv3x8k2n9q4r7t6y5z1a2b3c", "wp-01hv3x8k2n9q4r7t6y5z1a2b3d", "wp-*"),
    "velero": ("backup-20261130030000-x7k2p", "backup-20261129030000-bbk2p", "backup-*"),
    "trivy": (
        "scan-vulnerabilityreport-6f9c6d70b-x7k2p",
        "scan-vulnerabilityreport-0f9c6d70b-bbk2p",
        "scan-vulnerabilityreport-*",
    ),
    "knative": (
        "hello-00001-deployment-5d4f8c9b7d-x2x7k",
        "hello-00012-deployment-7c9f5d8b6-zz2lm",
        "hello-*-deployment",
    ),
    "vcluster": (
        "web-5d4f8c9b7d-x2x7k-x-shop-x-team",
        "web-7c9f5d8b6-zz2lm-x-shop-x-team",
        "web-x-shop-x-team",
    ),
    "shell on a node": (f"node-shell-{UUID}", f"node-shell-{OTHER}", "node-shell-*"),
}  # fmt: skip
"""Pods of two runs, and what is left of both."""


@pytest.mark.parametrize(("one", "other", "left"), RUNS.values(), ids=RUNS)
def test_two_runs_of_a_job_are_one_workload(one: str, other: str, left: str) -> None:
    for pod in (one, other):
        assert owner_of(pod) == left
        found = workload_of(pod_start(pod))
        assert found is not None
        assert found.key == f"k8s/shop/{left}"
        # A rule of the policy names the owner as Kubernetes has it.
        assert found.owner == pod_name.parse(pod, "eb052b63-ea96-4728-ab4a-64ab3babccd7")


@pytest.mark.parametrize(
    "owner",
    [
        "web", "web-v2", "node-exporter", "postgres14", "web-2025", "proxy-8080", "db-mssql",
        "arc-runner", "gitlab-runner", "gitlab-mssql-runner", "auth-https-pod", "cache-k8s-pod",
        "runner-shop", "runner-project", "app-build", "web-deploy", "automation-job",
        "facade", "web-decade", "srv01", "web-12-worker", "main-1-x7k2p",
    ],
)  # fmt: skip
def test_the_name_of_a_controller_stays_as_it_is(owner: str) -> None:
    assert folded_owner(owner) == owner
    assert owner_of(f"{owner}-7d9f8b6c5-x7zqw") == owner


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ci-x7k2p-build-pod", "ci-x7k2p-deploy-pod"),
        ("ci-x7k2p-build-pod", "cd-x7k2p-build-pod"),
        ("ci-x7k2p-build-1234567890", "ci-x7k2p-test-1234567891"),
        ("web-1-build", "api-1-build"),
        ("db-mssql-0", "db-pgsql-0"),
        ("shop-12-x1b2c-9k3lm-0zq8t", "till-12-x1b2c-9k3lm-0zq8t"),
    ],
)
def test_two_workloads_stay_two(one: str, other: str) -> None:
    assert owner_of(one) != owner_of(other)


@given(
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=7),
    st.text(GENERATED, min_size=5, max_size=5),
)
def test_a_deployment_of_a_short_word_is_left_alone(word: str, random: str) -> None:
    assert owner_of(f"{word}-7d9f8b6c5-{random}") == word


@given(st.text(max_size=80), st.booleans())
def test_folding_twice_changes_nothing_more(name: str, of_flow: bool) -> None:
    once = folded_owner(name, of_flow=of_flow)
    assert folded_owner(once, of_flow=of_flow) == once


def test_folding_is_linear_in_its_input() -> None:
    def cost(length: int) -> float:
        parts = ("-step-", "-pod", "-1", "a-", "-bcdfg", "runner-", "0", "-1-bcdfg", "-retry1")
        begin = time.process_time()
        for part in parts:
            folded_owner(part * (length // len(part)), of_flow=True)
        return time.process_time() - begin

    cost(1000)
    assert cost(40_000) < 40 * max(cost(4_000), 0.002)
