"""What a start teaches, and whom."""

from __future__ import annotations

from dataclasses import replace

from sensor.judge.feature import Feature
from sensor.judge.lesson import TermKey, lesson_of
from tests.judge.samples import features

WHO = (Feature.INITIATOR, "login alice")
REPOSITORY = (Feature.REPOSITORY, "registry.example.com/web")
ORGANISATION = (Feature.ORGANISATION, "registry.example.com")
PROGRAM = (Feature.ENTRYPOINT, "server")


def test_a_workload_an_image_and_the_node_are_taught_what_varies_in_them() -> None:
    start = replace(features(), tag="1@sha256:a", runtime="/usr/bin/runc")
    lesson = lesson_of(start)
    assert dict(lesson.profiles) == {
        "w/name/web": (WHO, REPOSITORY, ORGANISATION, PROGRAM, (Feature.TAG, "1@sha256:a")),
        "i/registry.example.com/web": (WHO, PROGRAM),
    }
    runtime = (Feature.RUNTIME, "/usr/bin/runc")
    assert lesson.node == (WHO, REPOSITORY, ORGANISATION, PROGRAM, runtime)


def test_the_owner_of_a_pod_learns_its_containers_and_each_container_the_rest() -> None:
    key = "k8s/shop/web"
    pod = replace(features(), workload=key, instance=f"{key}#app", container="app", late=True)
    taught = dict(lesson_of(pod).profiles)
    assert taught["w/k8s/shop/web"] == ((Feature.CONTAINER, "app"), (Feature.KIND, "late"))
    assert WHO in taught["w/k8s/shop/web#app"]


def test_of_several_who_may_have_started_it_none_is_learnt() -> None:
    two = replace(features(), whos=(*features().whos, *features().whos))
    assert WHO not in lesson_of(two).node


def test_privileges_are_taught_in_one_order() -> None:
    start = replace(
        features(),
        strong_atoms=frozenset({"privileged", "cap:BPF", "ns:pid"}),
        weak_atoms=frozenset({"seccomp:unconfined"}),
    )
    taught = [value for feature, value in lesson_of(start).node if feature is Feature.PRIVILEGE]
    assert taught == ["cap:BPF", "ns:pid", "privileged", "seccomp:unconfined"]


def test_its_terms_are_those_of_the_profiles_that_are_asked_for() -> None:
    terms = lesson_of(features()).terms_of(["i/registry.example.com/web"])
    assert terms == [
        TermKey("i/registry.example.com/web", *WHO),
        TermKey("i/registry.example.com/web", *PROGRAM),
    ]
