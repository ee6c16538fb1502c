"""The judge over the socket: read by its users, changed by root alone."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from sensor.api import judgement
from sensor.api.client import AgentClient, RequestRefused
from sensor.api.http import BODY_LIMIT, HttpRequest
from sensor.api.server import ControlServer
from sensor.linux.peer import Peer
from tests.api.sample_agent import Judged, ask, serving

ROOT = Peer(1, 0, 0, frozenset())
PLAIN_UID = 65534
MEMBER = Peer(1, 1000, 1000, frozenset({999}))
CHANGE = {"id": "CHG-1", "by": "carol", "for_seconds": 60, "name": ["web"]}


def sent(**values: object) -> bytes:
    return json.dumps({**CHANGE, **values}).encode()


def test_workloads_policy_and_changes_are_read() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        status, body = await ask(path, "/v1/workloads")
        assert status == 200
        found = {one["workload"]: one["starts"] for one in json.loads(body)["workloads"]}
        assert found == {"name/web": 1, "name/box": 1}
        status, body = await ask(path, "/v1/policy")
        assert json.loads(body)["policy"]["rules"] == 3
        assert await ask(path, "/v1/changes") == (200, b'{"changes":[]}\n')
        assert (await ask(path, "/v1/changes?x=1"))[0] == 400

    serving(scenario, judgement=Judged())


def test_a_change_is_recorded_and_ended_over_the_socket() -> None:
    judged = Judged()

    async def scenario(_: ControlServer, path: Path) -> None:
        status, body = await ask(path, "/v1/changes", "POST", sent())
        assert status == 200
        document = json.loads(body)
        assert (document["id"], document["state"]) == ("CHG-1", "active")
        assert document["added_by"] == "alice"
        status, body = await ask(path, "/v1/changes", "POST", sent())
        assert (status, "exists already" in json.loads(body)["error"]) == (400, True)
        assert (await ask(path, "/v1/changes/CHG-1/end", "POST"))[0] == 200
        assert (await ask(path, "/v1/changes/CHG-1/end", "POST"))[0] == 404
        assert (await ask(path, "/v1/changes/CHG-1/end"))[0] == 405
        assert (await ask(path, "/v1/changes", "DELETE"))[0] == 405

    serving(scenario, judgement=judged)
    assert {uid for _, uid in judged.by} == {os.getuid()}


def test_a_body_is_read_piece_by_piece_and_bounded() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        data = sent()
        chunks = b"".join(b"%x\r\n%s\r\n" % (1, data[n : n + 1]) for n in range(len(data)))
        head = b"POST /v1/changes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for part in (head, chunks[:50], chunks[50:], b"0\r\n\r\n"):
            writer.write(part)
            await writer.drain()
        assert b" 200 " in await reader.readline()
        writer.close()
        large = sent(reason="x" * BODY_LIMIT)
        assert (await ask(path, "/v1/changes", "POST", large))[0] == 413
        assert (await ask(path, "/v1/outputs/local/rewind", "POST", b"{}"))[0] == 413

    serving(scenario, judgement=Judged())


def test_the_client_sends_a_body_and_names_what_is_refused() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        client = AgentClient(path)
        answer = await asyncio.to_thread(client.post, "/v1/changes", CHANGE)
        assert answer["id"] == "CHG-1"
        with pytest.raises(RequestRefused, match="by: missing"):
            await asyncio.to_thread(client.post, "/v1/changes", {"id": "CHG-2", "for_seconds": 1})

    serving(scenario, judgement=Judged())


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_records_a_change_as_the_documentation_shows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "changes.md").read_text()
    words = shlex.split(
        page[page.index("curl --unix-socket") :].split("\n\n")[0].replace("\\\n", "")
    )
    judged = Judged()

    async def scenario(_: ControlServer, path: Path) -> None:
        words[2] = str(path)
        done = await asyncio.to_thread(
            subprocess.run, [*words, "--silent"], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["state"] == "active"

    serving(scenario, judgement=judged)
    assert [entry.change.id for entry in judged.changes()] == ["CHG-123"]


@pytest.mark.parametrize("peer", [MEMBER, None])
@pytest.mark.parametrize("path", ["/v1/changes", "/v1/changes/CHG-1/end"])
def test_a_member_of_the_group_cannot_change_anything(peer: Peer | None, path: str) -> None:
    judged = Judged()
    answer = judgement.command(judged, HttpRequest("POST", path, "", sent()), peer)
    assert (answer.status, judged.by, judged.changes()) == (403, [], ())


ASK = """
import socket, sys
for line, body in (("GET /v1/changes", b""), ("POST /v1/changes", sys.argv[2].encode())):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    head = f"{line} HTTP/1.1\\r\\nHost: c\\r\\nConnection: close\\r\\nContent-Length: {len(body)}"
    s.sendall(head.encode() + b"\\r\\n\\r\\n" + body)
    print(s.makefile("rb").readline().decode().split()[1])
"""
"""Asks for the changes, and records one."""


@pytest.mark.skipif(os.geteuid() != 0, reason="it runs a program as another account")
def test_a_member_of_the_group_lists_changes_and_adds_none_over_the_socket() -> None:
    group = grp.getgrnam("games")
    judged = Judged()

    async def scenario(server: ControlServer, path: Path) -> None:
        server.hand_to_group(group.gr_name)
        done = await asyncio.to_thread(
            subprocess.run,
            ["/usr/bin/python3", "-c", ASK, str(path), sent().decode()],
            user=PLAIN_UID,
            group=PLAIN_UID,
            extra_groups=[group.gr_gid],
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == ["200", "403"]
        assert await ask(path, "/v1/changes") == (200, b'{"changes":[]}\n')

    serving(scenario, judgement=judged)
    assert (judged.by, judged.changes()) == ([], ())


def test_an_agent_without_a_judge_says_so() -> None:
    answer = judgement.command(None, HttpRequest("POST", "/v1/changes", "", sent()), ROOT)
    assert answer.status == 503
    assert json.loads(judgement.listed(None, "/v1/policy", "")) == {"policy": None}


def test_metrics_count_by_explanation_and_finding() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        status, body = await ask(path, "/metrics")
        assert status == 200
        assert b'castoff_starts_judged_total{explanation="none"} 1\n' in body
        assert b'castoff_findings_total{finding="forbidden"} 2\n' in body

    serving(scenario, judgement=Judged())


@pytest.mark.parametrize("resource", ["changes", "end", "ack", "suppress", "forget"])
def test_a_command_is_answered_when_it_is_on_disk(resource: str) -> None:
    judged = Judged()
    (_, alert), *_ = judged.alerts()
    paths = {
        "changes": ("/v1/changes", sent(id="CHG-2")),
        "end": ("/v1/changes/CHG-1/end", b""),
        "ack": (f"/v1/alerts/{alert.id}/ack", b'{"reason":"known"}'),
        "suppress": (f"/v1/alerts/{alert.id}/suppress", b'{"reason":"x","for_seconds":9}'),
        "forget": ("/v1/baseline/forget", b'{"profile":"w/name/web"}'),
    }
    path, body = paths[resource]

    async def scenario(_: ControlServer, socket: Path) -> None:
        assert (await ask(socket, "/v1/changes", "POST", sent()))[0] == 200
        asked = judged.asked_disk
        judged.on_disk = False
        status, answer = await ask(socket, path, "POST", body)
        assert (status, judged.asked_disk) == (503, asked + 1)
        assert json.loads(answer)["error"].startswith("taken, but not on disk yet")

    serving(scenario, judgement=judged)


def test_a_command_that_was_refused_waits_for_no_disk() -> None:
    judged = Judged()

    async def scenario(_: ControlServer, path: Path) -> None:
        body = b'{"reason":"known"}'
        assert (await ask(path, "/v1/alerts/0/ack", "POST", body))[0] == 404
        assert (await ask(path, "/v1/alerts", "GET"))[0] == 200
        assert judged.asked_disk == 0

    serving(scenario, judgement=judged)
