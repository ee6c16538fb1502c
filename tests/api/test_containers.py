"""Containers are found by what people call them, and what others named cannot do harm."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from sensor.api.reference import find
from sensor.api.server import ControlServer
from sensor.api.view import ContainerView
from tests.api.sample_agent import CONTAINERS, DATABASE, EVIL, OLD, WEB, View, ask, serving


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param(WEB, [WEB], id="id"),
        pytest.param(WEB[:3], [WEB], id="beginning of an id"),
        pytest.param("4f", [WEB, DATABASE], id="beginning of two ids"),
        pytest.param("web", [WEB], id="the one that runs of two with a name"),
        pytest.param("we", [OLD, WEB], id="beginning of two names"),
        pytest.param("d", [DATABASE], id="beginning of a name"),
        pytest.param("nothing", [], id="nothing"),
        pytest.param("", [], id="empty"),
    ],
)
def test_whom_a_reference_means(reference: str, expected: list[str]) -> None:
    assert [one.id for one in find(CONTAINERS, reference)] == expected


def test_a_name_goes_before_the_beginning_of_another() -> None:
    found = find((ContainerView("a1", "app"), ContainerView("b2", "app-2")), "app")
    assert [one.id for one in found] == ["a1"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/containers", 200),
        ("/v1/containers?all=1", 200),
        ("/v1/containers?all=2", 400),
        ("/v1/containers/", 404),
        ("/v1/containers/web", 200),
        ("/v1/containers/we", 409),
        ("/v1/containers/nobody", 404),
        ("/v1/containers/%ff", 400),
        (f"/v1/containers/{'x' * 300}", 400),
        ("/v1/containers/web?x=1", 400),
        ("/v1/containers/a/b", 404),
        ("/v1/whois/4243", 200),
        ("/v1/whois/1", 200),
        ("/v1/whois/99", 404),
        ("/v1/whois/0", 400),
        ("/v1/whois/-1", 400),
        ("/v1/whois/%D9%A1", 400),
        ("/v1/whois/99999999999", 400),
        ("/v1/explain/web", 503),
    ],
)
def test_each_request_is_answered_with_its_status_and_a_document(target: str, status: int) -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        answer, body = await ask(path, target)
        assert answer == status, body
        assert json.loads(body)

    serving(scenario, view=View())


def test_running_containers_are_listed_and_on_demand_all() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        running = (await ask(path, "/v1/containers"))[1]
        everything = (await ask(path, "/v1/containers?all=1"))[1]
        assert [one["id"] for one in json.loads(running)["containers"]] == [WEB, DATABASE]
        assert len(json.loads(everything)["containers"]) == len(CONTAINERS)

    serving(scenario, view=View())


def test_an_ambiguous_reference_lists_whom_it_may_mean() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        body = (await ask(path, "/v1/containers/4f"))[1]
        assert json.loads(body) == {
            "error": "'4f' may be 2 containers",
            "candidates": [{"id": WEB, "name": "web"}, {"id": DATABASE, "name": "db"}],
        }

    serving(scenario, view=View())


def test_whose_process_it_is() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        reported = json.loads((await ask(path, "/v1/whois/4243"))[1])
        assert (reported["container"]["id"], reported["container"]["pid"]) == (WEB, 4242)
        assert (reported["parents"], reported["cgroup"]) == ([DATABASE], f"/docker/{WEB}")
        assert json.loads((await ask(path, "/v1/whois/1"))[1])["container"] is None

    serving(scenario, view=View())


@pytest.mark.parametrize("target", [f"/v1/containers/{EVIL[:4]}", "/v1/containers?all=1"])
def test_names_are_printable_ascii_on_the_wire_and_valid_json(target: str) -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        body = (await ask(path, target))[1]
        assert all(0x20 <= byte < 0x7F for byte in body[:-1]), body
        text = json.dumps(json.loads(body), ensure_ascii=False)
        text.encode("utf-8")  # no lone surrogate is left
        assert "evil\u202e" in text

    serving(scenario, view=View())


def test_a_reference_may_be_any_text() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        for text in ("\x1b[2J", "a/b", "\u202e", "..", "%", "\x00", "a" * 256):
            status, body = await ask(path, f"/v1/containers/{quote(text, safe='')}")
            assert status in {200, 404}, body
            assert all(0x20 <= byte < 0x7F for byte in body[:-1])

    serving(scenario, view=View())


def test_without_a_view_it_is_said() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        assert (await ask(path, "/v1/containers"))[0] == 503

    serving(scenario)


def test_a_view_reads_back() -> None:
    document = json.loads(json.dumps({**_document(CONTAINERS[1]), "newer": 1}))
    assert ContainerView.from_document(document) == CONTAINERS[1]
    with pytest.raises(ValueError, match="no container"):
        ContainerView.from_document({})


def _document(container: ContainerView) -> dict[str, object]:
    return {name: getattr(container, name) for name in ContainerView.__slots__}
