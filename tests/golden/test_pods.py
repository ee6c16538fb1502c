"""Captures of a kubelet, against what was done."""

from __future__ import annotations

from typing import Any

from tests.golden import captures
from tests.golden.test_golden import events_in

Event = dict[str, Any]


def starts(behaviour: str) -> list[Event]:
    events = events_in(captures.HERE / f"{behaviour}.capture")
    return [event for event in events if event["type"] == "container.start"]


def containers(behaviour: str) -> list[Event]:
    return [event for event in starts(behaviour) if not event["container"]["sandbox"]]


def test_every_start_of_a_kubelet_has_its_pod() -> None:
    for behaviour in ("kubelet_pods", "kubelet_causes", "kubelet_without_agent"):
        for event in starts(behaviour):
            assert event["confidence"]["pod"] == "exact"
            assert event["orchestrator"]["pod_uid"]
            assert event["container"]["image"]["name"]
            assert event["start"]["trigger"] == "orchestrator"


def test_a_program_that_asks_meanwhile_causes_nothing() -> None:
    for event in starts("kubelet_pods"):
        process = (event["initiator"] or {}).get("process") or {"exe": None}
        assert process["exe"] in (None, "kubelet")


def test_each_pod_has_its_namespaces_its_source_and_its_owner() -> None:
    web, hostly, static = containers("kubelet_pods")
    assert set(web["container"]["security"]["host_namespaces"]) == {"network", "uts"}
    assert {"pid", "network", "ipc"} <= set(hostly["container"]["security"]["host_namespaces"])
    assert web["orchestrator"]["owner"] == {"kind": "Deployment", "name": "web", "uid": None}
    assert web["confidence"]["owner"] == "inferred"
    assert [one["orchestrator"]["source"] for one in (web, hostly, static)] == [
        "api",
        "api",
        "file",
    ]
    assert static["orchestrator"]["pod_uid"] == "62a5ddb550c38f3a92a5ddb550c38f3a"
    assert [one["orchestrator"]["late"] for one in (web, hostly, static)] == [False] * 3


def test_each_restart_has_its_cause() -> None:
    _, crashed, killed, moved = containers("kubelet_causes")
    assert crashed["start"]["cause"] == "crash"
    assert crashed["start"]["previous"]["ended_by"] == "itself"
    assert killed["start"]["cause"] in ("killed_by_orchestrator", "unknown")
    assert moved["start"]["cause"] == "sandbox_died"


def test_a_kill_that_kubelet_asked_for_and_a_container_for_debugging_are_distinguished() -> None:
    first, second, debugger = containers("kubelet_kills")
    assert second["start"]["cause"] == "killed_by_orchestrator"
    assert second["start"]["previous"]["ended_by"] == "orchestrator"
    assert second["start"]["previous"]["id"] == first["container"]["id"]
    types = [one["orchestrator"]["container_type"] for one in (first, second, debugger)]
    assert types == [None, None, "ephemeral"]


def test_a_pod_that_another_program_put_on_the_node_is_that_programs() -> None:
    own, *injected = starts("kubelet_and_another")
    assert own["initiator"]["process"]["exe"] == "kubelet"
    for event in injected:
        assert event["start"]["trigger"] == "api_client"
        assert event["initiator"]["process"]["exe"] == "injector"
        assert event["confidence"]["initiator"] == "exact"


def test_what_ended_before_the_next_container_began_is_named_as_an_init_container() -> None:
    what = [
        one["what"]
        for event in containers("kubelet_init_containers")
        for one in event["evidence"]
        if one["kind"] == "pod" and "init container" in one["what"]
    ]
    assert what == [
        "wait ended with 0 before it: an init container",
        "migrate ended with 0 before it: an init container",
    ]


def test_a_container_with_the_hosts_namespaces_is_the_orchestrator_only_as_a_kubelet() -> None:
    for behaviour, program, trigger in (
        ("contained_kubelet", "kubelet", "orchestrator"),
        ("contained_panel", "panel", "container"),
    ):
        within, *asked = starts(behaviour)
        for event in asked:
            assert event["start"]["trigger"] == trigger
            assert event["confidence"]["trigger"] == "exact"
            assert event["initiator"]["process"]["exe"] == program
            assert event["initiator"]["container_id"] == within["container"]["id"]


def test_tries_of_a_container_that_cannot_run_are_one_trouble() -> None:
    events = events_in(captures.HERE / "kubelet_causes.capture")
    failed = [event for event in events if event["type"] == "container.start_failed"]
    assert len(failed) == 1
    assert failed[0]["orchestrator"]["container"] == "wrong"
    assert "user" not in (failed[0]["container"]["security"]["host_namespaces"] or ())


def test_a_forger_gets_no_pod_and_an_innocent_one_no_history() -> None:
    _, innocent, forged = starts("forged_annotations")
    assert innocent["orchestrator"]["pod"] == "innocent"
    assert forged["orchestrator"] is None
    assert forged["start"]["previous"] is None
    assert [one for one in forged["evidence"] if "not believed" in one["what"]]


def test_what_ran_without_an_agent_is_named_attempt_by_attempt() -> None:
    found = containers("kubelet_without_agent")
    assert [one["start"]["attempt"] for one in found] == [1, 2, 3]
    assert {one["orchestrator"]["container"] for one in found} == {"main"}
    assert {one["start"]["kind"] for one in found} == {"restart"}
