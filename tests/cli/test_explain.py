"""The chain of causes is drawn in order, with its evidence, and safe to look at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from sensor.api.view import ContainerView
from tests.api.bridge import Running, running
from tests.api.sample_agent import CONTAINERS, WEB, Log, View
from tests.cli.asking import ask

GOLDEN = Path(__file__).parents[1] / "golden" / "docker_start_stopped.jsonl"
FAILED = GOLDEN.with_name("docker_failed_start.jsonl")
WORKLOAD = "Deployment/web"
STARTS = [
    text
    for text in GOLDEN.read_text().splitlines()
    if json.loads(text)["type"] == "container.start"
]


def test_a_real_start_is_drawn() -> None:
    log = Log()
    log.events[1] = STARTS[-1].encode() + b"\n"
    with running(View(), log) as agent:
        output = ask("explain", agent, "job").output
    lines = output.splitlines()
    assert lines[0].startswith("container job, castoff.test/box:1, docker")
    assert lines[2].startswith("reactivation by a command, down for")
    order = ["docker start", "API connection", "engine dockerd", "runtime runc create", "init sh"]
    places = [output.index(one) for one in order]
    assert places == sorted(places)
    assert "· kernel" in output
    tree = lines[: lines.index("", lines.index("") + 1)]
    assert "first execve of the init" in tree[-1]
    assert lines[-3:] == [
        "expected: unknown, without an explanation",
        "  no explanation on file",
        "  workload name/job",
    ]


def test_an_init_container_by_its_order_is_called_one() -> None:
    log = Log()
    log.events[1] = STARTS[-1].encode() + b"\n"
    id_ = json.loads(STARTS[-1])["container"]["id"]
    known = ContainerView(id_, "job", container_type="init", type_inferred=True)
    with running(View((known,)), log) as agent:
        output = ask("explain", agent, "job").output
    assert output.startswith("container job (init, inferred), castoff.test/box:1, docker")


def test_a_start_that_failed_says_who_asked_for_it_and_what_the_runtime_said() -> None:
    log = Log()
    failed = next(text for text in FAILED.read_text().splitlines() if "start_failed" in text)
    document = json.loads(failed)
    document["stop"]["message"] = "exec: /no/such/program: not found"
    log.events[1] = json.dumps(document).encode() + b"\n"
    with running(View(), log) as agent:
        output = ask("explain", agent, document["container"]["id"]).output
    assert "first start by a command failed: exec: /no/such/program: not found" in output
    assert "docker run --cidfile" in output


def test_the_others_of_a_workload_are_listed_with_their_namespaces() -> None:
    """The pods of a Deployment have one name in two namespaces."""
    shown = [
        replace(CONTAINERS[0], id=id_, name="main", pod="web-1", namespace=space, owner=WORKLOAD)
        for id_, space in ((WEB, "shop"), ("e" * 64, "blue"))
    ]
    with running(View(shown), Log(1)) as agent:
        output = ask("explain", agent, "Deployment/web").output
    assert f"  {'e' * 12}  blue/web-1  main" in output
    assert "1 more of Deployment/web:" in output


def test_json_is_the_answer_on_one_line(agent: Running) -> None:
    output = ask("explain", agent, "web", "-o", "json").output
    assert output.count("\n") == 1
    assert json.loads(output)["event"]["container"]["id"] == WEB


def test_ascii_is_ascii(agent: Running) -> None:
    assert ask("explain", agent, "web", "--ascii").output.isascii()


def test_an_ambiguous_container_lists_whom_it_may_mean(agent: Running) -> None:
    result = ask("explain", agent, "4f")
    assert result.exit_code == 1
    assert f"{WEB}  web" in result.output
