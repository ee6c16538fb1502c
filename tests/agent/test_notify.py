"""Notices of alerts: bounded in time and number, without a shell, and never in the way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.agent import notify
from sensor.agent.config import Config
from sensor.agent.notify import VALUE_MAX, WAITING_MAX, AlertNotices, environment
from sensor.agent.notify_settings import NotifySettings
from sensor.errors import ConfigError
from sensor.model.alert import AlertSeverity, AlertState, Fact, Strength
from sensor.model.events import Event
from tests.outputs.sample_events import ALERT, EVENTS

SH = "/bin/sh"
PATIENCE = 20.0


def alerted(**more: Any) -> Event:
    return replace(EVENTS["alert"], alert=replace(ALERT, **more))


def play(
    settings: NotifySettings, *events: Event, until: Callable[[AlertNotices], bool]
) -> AlertNotices:
    async def scenario() -> AlertNotices:
        notices = AlertNotices(settings)
        for event in events:
            notices.take(event, b'{"type":"alert"}\n', more=False)
        task = asyncio.create_task(notices.run())
        async with asyncio.timeout(PATIENCE):
            while not until(notices):
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # Nothing of it goes on, such as a connection that is kept for the next notice.
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return notices

    return asyncio.run(scenario())


def ended(notices: AlertNotices) -> bool:
    return notices.counts["sent"] + notices.counts["failed"] >= 1


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "PAUSE", 0.01)


def test_a_command_gets_the_alert_on_its_input_and_nothing_of_the_agents(tmp_path: Path) -> None:
    os.environ["CASTOFF_SECRET"] = "x"
    out = tmp_path / "out"
    script = f'cat >"{out}.in"; env >"{out}"'
    notices = play(NotifySettings(command=(SH, "-c", script)), alerted(), until=ended)
    assert notices.counts == {"sent": 1}
    assert Path(f"{out}.in").read_bytes() == b'{"type":"alert"}\n'
    seen = dict(line.split("=", 1) for line in out.read_text().splitlines() if "=" in line)
    assert seen["CASTOFF_ALERT_FINDING"] == "new-privilege"
    assert seen["CASTOFF_ALERT_FACTS"] == "privilege: expected none, seen privileged"
    assert "CASTOFF_SECRET" not in seen


def test_words_are_words_and_no_shell_reads_them(tmp_path: Path) -> None:
    target = tmp_path / "$(touch x); name"
    settings = NotifySettings(command=("/usr/bin/touch", str(target)))
    play(settings, alerted(), until=ended)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f'sleep 600 & echo $! >"{pid}"; wait'
    settings = NotifySettings(command=(SH, "-c", script), seconds=0.3)
    notices = play(settings, alerted(), until=ended)
    assert notices.counts["failed"] == 1
    assert notices.counts["timed_out"] == notify.ATTEMPTS
    child = int(pid.read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_command_that_writes_without_end_is_killed_in_its_time() -> None:
    settings = NotifySettings(command=("/usr/bin/yes",), seconds=0.3)
    notices = play(settings, alerted(), until=ended)
    assert notices.counts == {"failed": 1, "timed_out": notify.ATTEMPTS}


HOSTILE = "web\n$(touch x);`touch y`|\x1b[2J\x00\udcff'\"&& touch z"


def test_hostile_names_reach_a_real_command_as_inert_text(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f'cd "{tmp_path}"; printf %s "$CASTOFF_ALERT_WORKLOAD" >out; env -0 >all'
    fact = Fact("initiator", HOSTILE, HOSTILE, HOSTILE, Strength.STRONG)
    event = alerted(workload=HOSTILE, title=HOSTILE, facts=(fact,))
    notices = play(NotifySettings(command=(SH, "-c", script)), event, until=ended)
    assert notices.counts == {"sent": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "out"]
    text = out.read_text()
    assert text.isprintable()
    assert "$(touch x)" in text
    names = [one.partition(b"=")[0] for one in (tmp_path / "all").read_bytes().split(b"\0")]
    allowed = (b"CASTOFF_ALERT_", b"PATH", b"LANG", b"PWD", b"OLDPWD", b"SHLVL", b"_")
    assert all(name.startswith(allowed) for name in names if name)


@pytest.mark.parametrize(
    "script",
    ["exit 3", "yes | head -c 50000000; exit 1", "kill -9 $$", "exec /no/such/file"],
)
def test_a_command_that_fails_is_tried_again_and_counted(script: str, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    settings = NotifySettings(command=(SH, "-c", f'echo x >>"{marks}"; {script}'))
    assert play(settings, alerted(), until=ended).counts["failed"] == 1
    assert marks.read_text() == "x\n" * notify.ATTEMPTS


def test_a_program_that_does_not_exist_is_counted() -> None:
    settings = NotifySettings(command=("/no/such/program",))
    assert play(settings, alerted(), until=ended).counts["failed"] == 1


@pytest.mark.parametrize(
    ("event", "taken"),
    [
        (alerted(), True),
        (alerted(severity=AlertSeverity.CRITICAL), True),
        (alerted(severity=AlertSeverity.MEDIUM), False),
        (alerted(state=AlertState.UPDATE), True),
        (alerted(state=AlertState.ACKNOWLEDGED), False),
        (alerted(state=AlertState.RESOLVED), False),
        (EVENTS["gap"], False),
    ],
)
def test_what_is_grave_enough_is_taken(event: Event, taken: bool) -> None:
    async def scenario() -> int:
        notices = AlertNotices(NotifySettings(command=("/bin/true",)))
        notices.take(event, b"", more=False)
        return notices._waiting.qsize()

    assert asyncio.run(scenario()) == int(taken)


def test_more_than_may_wait_or_be_sent_are_left_out_and_counted() -> None:
    async def scenario(per_hour: int) -> tuple[int, int]:
        notices = AlertNotices(NotifySettings(command=("/bin/true",), per_hour=per_hour))
        for _ in range(100):
            notices.take(alerted(), b"", more=False)
        return notices._waiting.qsize(), notices.counts["left_out"]

    assert asyncio.run(scenario(10)) == (10, 90)
    assert asyncio.run(scenario(1000)) == (WAITING_MAX, 100 - WAITING_MAX)


@given(st.text(max_size=2000))
def test_hostile_values_are_inert_in_the_environment(text: str) -> None:
    values = environment(replace(ALERT, workload=text, title=f"\x1b[2J\x00{text}"))
    for value in values.values():
        assert value.isprintable()
        assert len(value) <= VALUE_MAX


class Receiver:
    """An HTTP server that answers with one status and keeps what it got."""

    def __init__(self, status: int, location: str | None = None) -> None:
        got = self.got = []  # type: list[bytes]

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                got.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                if location is not None:
                    self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize(("status", "outcome"), [(204, "sent"), (500, "failed"), (302, "failed")])
def test_an_alert_is_posted_and_no_redirect_is_followed(status: int, outcome: str) -> None:
    other = Receiver(200)
    receiver = Receiver(status, other.url if status == 302 else None)
    try:
        notices = play(NotifySettings(url=receiver.url), alerted(), until=ended)
    finally:
        receiver.close()
        other.close()
    assert notices.counts[outcome] == 1
    assert json.loads(receiver.got[0]) == {"type": "alert"}
    assert other.got == []


@contextmanager
def speaking(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Accept connections one after the other; yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65_536)
                        serve(connection)

        thread = Thread(target=run, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


def test_a_receiver_that_answers_a_byte_at_a_time_costs_the_time_limit_alone() -> None:
    def dripping(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while True:
            # The pace of the receiver is what is tested.
            time.sleep(0.05)
            connection.sendall(b"x")

    with speaking(dripping) as url:
        notices = play(NotifySettings(url=url, seconds=0.3), alerted(), until=ended)
    assert notices.counts == {"failed": 1, "timed_out": notify.ATTEMPTS}


def test_a_receiver_that_speaks_no_http_is_counted_and_the_next_notice_is_tried() -> None:
    def strange(connection: socket.socket) -> None:
        connection.sendall(b"\x15\x03\x01 what?\r\n\r\n")

    with speaking(strange) as url:
        notices = play(
            NotifySettings(url=url),
            alerted(),
            alerted(),
            until=lambda notices: notices.counts["failed"] == 2,
        )
    assert notices.counts == {"failed": 2}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('command = ["notify"]', "notify.command is not a whole path"),
        ('url = "file:///etc/passwd"', "notify.url is not http"),
        ('url = "https://user:word@example.com/"', "notify.url is wrong: user and password"),
        ('url = "https://"', "notify.url is wrong"),
        ('severity = "loud"', "notify.severity"),
        ("seconds = 0.0", "notify.seconds"),
        ("per_hour = 0", "notify.per_hour"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "castoff.toml"
    path.write_text(f"[notify]\n{text}\n")
    with pytest.raises(ConfigError, match=named):
        Config.load(path)


@pytest.mark.parametrize("owner", ["uid 1000", None])
def test_a_users_alerts_keep_none_of_roots_from_being_sent(owner: str | None) -> None:
    """One of a user's may come without its event's owner: the workload's key has it."""
    roots, users = alerted(), replace(alerted(workload="uid 1000: name/x"), owner=owner)
    events = [users] * 40 + [roots] * 3
    settings = NotifySettings(command=("/bin/true",), per_hour=8)
    notices = play(settings, *events, until=lambda one: one.counts["sent"] >= 5)
    assert notices.counts == {"sent": 5, "left_out": 38}


def test_many_users_together_leave_half_of_the_notices_to_root() -> None:
    events = [replace(alerted(), owner=f"uid {number}") for number in range(1000, 1040)]
    settings = NotifySettings(command=("/bin/true",), per_hour=20)
    notices = play(settings, *events, *[alerted()] * 10, until=lambda one: one.counts["sent"] >= 20)
    assert notices.counts == {"sent": 20, "left_out": 30}
