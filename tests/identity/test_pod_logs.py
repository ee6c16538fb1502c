"""What kubelet left on disk of containers whose bundle is gone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.identity.files import Failure
from sensor.identity.pod_logs import _DIRECTORY, _LINK, FILE_NAME_MAX, pod_from_logs
from sensor.identity.reading import RootReader
from sensor.model.container import Orchestrator
from sensor.model.vocabulary import PodSource
from tests.identity.sample_node import Node

ID = "0123456789abcdef" * 4
UID = "ac04f3f2-1f2c-11e9-b015-1ebee232acfa"
LOGS, LINKS = "/var/log/pods", "/var/log/containers"


def found(reading: RootReader, uid: str = UID) -> Orchestrator | None:
    return pod_from_logs(ID, uid, reading, LOGS, LINKS)


def link(node: Node, name: str, target: str) -> None:
    path = node.root / LINKS.lstrip("/") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_link_and_directory_give_all_of_it(node: Node, reading: RootReader) -> None:
    node.write(f"{LOGS}/prod_shop-1_{UID}/web/7.log", b"")
    link(node, f"shop-1_prod_web-{ID}.log", f"{LOGS}/prod_shop-1_{UID}/web/7.log")
    assert found(reading) == Orchestrator(
        "kubernetes", "prod", "shop-1", UID, "web", 7, source=PodSource.API
    )


def test_a_link_of_an_earlier_attempt_gives_that_attempt(node: Node, reading: RootReader) -> None:
    node.write(f"{LOGS}/prod_shop-1_{UID}/web/9.log", b"")
    link(node, f"shop-1_prod_web-{ID}.log", f"{LOGS}/prod_shop-1_{UID}/web/7.log")
    pod = found(reading)
    assert pod is not None
    assert pod.attempt == 7


@pytest.mark.parametrize(
    ("digits", "id_", "known"),
    [(40, ID, True), (12, ID, True), (11, ID, False), (40, "f" * 64, False)],
    ids=["cut", "enough", "too-few", "another-container"],
)
def test_a_link_whose_name_is_cut_within_the_id_counts_for_the_pod_that_is_known(
    node: Node, reading: RootReader, digits: int, id_: str, *, known: bool
) -> None:
    pod = "p" * 190
    name = "w" * (FILE_NAME_MAX - len(f"{pod}_prod_-.log") - digits)
    node.write(f"{LOGS}/prod_{pod}_{UID}/{name}/3.log", b"")
    link(node, f"{pod}_prod_{name}-{ID[:digits]}.log", f"{LOGS}/prod_{pod}_{UID}/{name}/3.log")
    reported = pod_from_logs(id_, UID, reading, LOGS, LINKS)
    assert reported is not None
    assert (reported.pod, reported.container, reported.attempt) == (
        pod,
        name if known else None,
        3 if known else None,
    )


def test_without_a_link_the_pod_is_known_and_not_the_container(
    node: Node, reading: RootReader
) -> None:
    node.write(f"{LOGS}/prod_shop-1_{UID}/web/7.log", b"")
    node.write(f"{LOGS}/prod_other_{UID.replace('a', 'b')}/web/7.log", b"")
    assert found(reading) == Orchestrator("kubernetes", "prod", "shop-1", UID, source=PodSource.API)


@pytest.mark.parametrize(
    "target",
    [
        "/etc/shadow",
        f"{LOGS}/prod_shop-1_{UID}/other/7.log",
        f"{LOGS}/evil_shop-1_{UID}/web/7.log",
        f"{LOGS}/prod_shop-1_{UID[::-1]}/web/7.log",
        f"{LOGS}/prod_shop-1_{UID}/web/99999999999.log",
        f"{LOGS}/prod_shop-1_{UID}/web/7.log.gz",
    ],
)
def test_a_link_that_points_elsewhere_gives_no_attempt(
    node: Node, reading: RootReader, target: str
) -> None:
    link(node, f"shop-1_prod_web-{ID}.log", target)
    pod = found(reading)
    assert pod is not None
    assert (pod.pod, pod.container, pod.attempt) == ("shop-1", "web", None)


def test_a_file_in_the_place_of_a_link_gives_no_attempt(node: Node, reading: RootReader) -> None:
    node.write(f"{LINKS}/shop-1_prod_web-{ID}.log", b"")
    pod = found(reading)
    assert pod is not None
    assert pod.attempt is None
    assert not [problem for problem in reading.problems if Failure.IO_ERROR in problem]


def test_a_link_that_names_another_pod_than_the_uid_does_is_not_believed(
    node: Node, reading: RootReader
) -> None:
    node.write(f"{LOGS}/prod_shop-1_{UID}/web/7.log", b"")
    link(node, f"innocent_prod_web-{ID}.log", f"{LOGS}/prod_innocent_{UID}/web/7.log")
    pod = found(reading)
    assert pod is not None
    assert (pod.pod, pod.container) == ("shop-1", None)


def test_two_directories_of_one_uid_show_nothing(node: Node, reading: RootReader) -> None:
    node.write(f"{LOGS}/prod_shop-1_{UID}/web/7.log", b"")
    node.write(f"{LOGS}/prod_shop-2_{UID}/web/7.log", b"")
    assert found(reading) is None


def test_nothing_left_is_nothing_reported(reading: RootReader) -> None:
    assert found(reading) is None
    assert reading.problems == []


def test_two_pods_of_one_name_are_distinguished_by_namespace(
    node: Node, reading: RootReader
) -> None:
    other = ID[::-1]
    link(node, f"shop-1_prod_web-{ID}.log", f"{LOGS}/prod_shop-1_{UID}/web/0.log")
    link(node, f"shop-1_test_web-{other}.log", f"{LOGS}/test_shop-1_x/web/0.log")
    pod = found(reading)
    assert pod is not None
    assert pod.namespace == "prod"


@pytest.mark.parametrize(
    "name",
    [
        f"../x_prod_web-{ID}.log",
        f"shop-1_pr/od_web-{ID}.log",
        f"Shop_prod_web-{ID}.log",
        f"shop-1_prod_web-{ID[:-1]}.log",
        f"shop-1_prod_web-{ID}.log\n",
        f"{'p' * 254}_prod_web-{ID}.log",
        f"_prod_web-{ID}.log",
    ],
)
def test_names_that_kubelet_never_writes_are_not_parsed(name: str) -> None:
    assert _LINK.fullmatch(name) is None


def test_the_longest_names_are_parsed() -> None:
    match = _LINK.fullmatch(f"{'p' * 253}_{'n' * 63}_{'c' * 63}-{ID}.log")
    assert match is not None


@settings(deadline=None)
@given(st.text())
def test_any_name_is_survived(name: str) -> None:
    _LINK.fullmatch(name)
    _DIRECTORY.fullmatch(name)
