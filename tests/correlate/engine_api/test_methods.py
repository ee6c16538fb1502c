"""The tables of methods."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.engine_api.calls import Action
from sensor.correlate.engine_api.methods import RPC_METHODS, http_method, is_rpc, rpc_method


@pytest.mark.parametrize(
    ("verb", "target", "action", "targets"),
    [
        ("POST", "/containers/web/start", Action.START, ("web",)),
        ("POST", "/v1.24/containers/web/start?detachKeys=x", Action.START, ("web",)),
        ("POST", "/v1.47/containers/web/restart?t=0", Action.RESTART, ("web",)),
        ("POST", "/v4.9.3/libpod/containers/web/start", Action.START, ("web",)),
        ("POST", "/v4.9.3/libpod/containers/web/restart", Action.RESTART, ("web",)),
        ("POST", "/libpod/containers/web/restore", Action.START, ("web",)),
        ("POST", "/libpod/containers/web/init", Action.PREPARE, ("web",)),
        ("POST", "/containers/w%65b/%73tart", Action.START, ("web",)),
        ("POST", "http://d/v1.41/containers/web/start", Action.START, ("web",)),
        ("POST", "HTTP://user@h:1/containers/web/start", Action.START, ("web",)),
        ("POST", "/containers/%2Fweb/start", Action.START, ("/web",)),
        ("POST", "/v1.41/containers/create?platform=&name=web", Action.CREATE, ("web",)),
        ("POST", "/libpod/containers/create", Action.CREATE, ()),
        ("POST", "/v1.41/containers/web/stop?t=0", Action.STOP, ("web",)),
        ("POST", "/v1.41/containers/web/kill?signal=HUP", Action.STOP, ("web",)),
        ("DELETE", "/v1.41/containers/web?force=1", Action.STOP, ("web",)),
        ("POST", "/v1.41/build?t=x", Action.INDIRECT, ()),
        ("POST", "/services/create", Action.INDIRECT, ()),
        ("POST", "/services/abc/update?version=1", Action.INDIRECT, ("abc",)),
        ("POST", "/plugins/x/enable", Action.INDIRECT, ()),
        ("POST", "/libpod/pods/p/start", Action.INDIRECT, ("p",)),
        ("POST", "/libpod/play/kube", Action.INDIRECT, ()),
        ("GET", "/containers/web/start", Action.NOTHING, ()),
        ("HEAD", "/_ping", Action.NOTHING, ()),
        ("post", "/containers/web/start", Action.NOTHING, ()),
        ("POST", "/containers/web/start/", Action.NOTHING, ()),
        ("POST", "/containers/web/start#x", Action.NOTHING, ()),
        ("POST", "/containers/web/Start", Action.NOTHING, ()),
        ("POST", "/containers/web/pause", Action.NOTHING, ()),
        ("POST", "/containers/web/exec", Action.NOTHING, ()),
        ("POST", "/exec/0123/start", Action.NOTHING, ()),
        ("POST", "/images/create?name=web", Action.NOTHING, ()),
        ("POST", "*", Action.UNKNOWN, ()),
        ("POST", "containers/web/start", Action.UNKNOWN, ()),
    ],
)
def test_an_http_request_is_what_its_verb_and_path_are(
    verb: str, target: str, action: Action, targets: tuple[str, ...]
) -> None:
    found = http_method(verb, target)
    assert (found.action, found.targets) == (action, targets)


def test_the_method_as_evidence_holds_no_text_that_the_caller_chose() -> None:
    assert http_method("POST", "/containers/secret/start").method == (
        "POST /containers/{name}/start"
    )
    assert http_method("POST", "/services/secret/update").method == "POST /services/{name}/update"
    assert http_method("POST", "/libpod/pods/secret/start").method == "POST /pods/{name}/start"


@pytest.mark.parametrize(
    "name",
    [
        "containerd.services.containers.v1.Containers/Get",
        "containerd.services.tasks.v1.Tasks/Exec",
        "containerd.services.tasks.v1.Tasks/Wait",
        "runtime.v1.RuntimeService/ExecSync",
        "runtime.v1.RuntimeService/StartContainerX",
        "other.Service/StartContainer",
    ],
)
def test_a_method_outside_of_the_table_starts_nothing(name: str) -> None:
    assert rpc_method(name).action is Action.NOTHING


def test_each_engine_has_a_method_that_starts() -> None:
    starting = {name for name, method in RPC_METHODS.items() if method.action.may_start}
    assert {
        "containerd.services.tasks.v1.Tasks/Create",
        "containerd.services.tasks.v1.Tasks/Start",
        "containerd.task.v2.Task/Start",
        "containerd.task.v3.Task/Start",
        "runtime.v1.RuntimeService/RunPodSandbox",
        "runtime.v1.RuntimeService/StartContainer",
        "runtime.v1alpha2.RuntimeService/StartContainer",
    } <= starting


def test_paths_of_grpc_and_of_dockers_api_are_distinguished() -> None:
    assert all(is_rpc(f"/{name}") for name in RPC_METHODS)
    assert not is_rpc("/v1.41/containers/json")
    assert not is_rpc("/_ping")


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_request_line_is_survived(verb: str, target: str) -> None:
    assert len(http_method(verb, target).targets) <= 1
