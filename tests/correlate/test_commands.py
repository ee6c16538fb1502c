"""The log of recent commands: it finds what names a container, and forgets."""

from __future__ import annotations

import pytest

from sensor.correlate import commands
from sensor.correlate.client_command import Request
from sensor.correlate.commands import CLIENT_WINDOW, CommandLog
from sensor.correlate.naming import Names
from sensor.model.vocabulary import ContainerId
from tests.correlate.scenario import MS, WEB, client, ns


@pytest.fixture
def log() -> CommandLog:
    return CommandLog()


def test_clients_are_bounded(log: CommandLog) -> None:
    for number in range(5000):
        log.add_client(client(number, f"docker start c{number}"))
    assert len(log._running) <= commands.CLIENTS_MAX
    assert len(log._asked[Request.START]._items) == commands.ASKED_MAX
    assert len(log._asked[Request.START]._by_word) == commands.ASKED_MAX


def asked(
    log: CommandLog, *, since: float = 0, until: float = 100, name: str | None = "web"
) -> str:
    found = log.asked(Request.START, Names(WEB.id, name), ns(since), ns(until))
    return "" if found is None else " ".join(found.exec.argv)


@pytest.mark.parametrize("target", ["web", WEB.id, WEB.id[:12], WEB.id[:1]])
def test_a_container_is_named_by_name_id_or_prefix(log: CommandLog, target: str) -> None:
    log.add_client(client(50, f"docker start {target}"))
    assert asked(log)


@pytest.mark.parametrize("target", ["we", "webs", "WEB", WEB.id + "0", WEB.id[1:12], "x"])
def test_other_words_name_other_containers(log: CommandLog, target: str) -> None:
    log.add_client(client(50, f"docker start {target}"))
    assert not asked(log)


def test_a_container_without_a_name_has_none(log: CommandLog) -> None:
    log.add_client(client(50, "docker start web"))
    assert not asked(log, name=None)


def test_prefixes_of_ids_that_are_names_do_not_count(log: CommandLog) -> None:
    log.add_client(client(50, "docker start we"))
    short = Names(ContainerId("web"), None)
    assert log.asked(Request.START, short, ns(0), ns(100)) is None


def test_the_latest_fitting_command_is_found(log: CommandLog) -> None:
    for line in ["docker start web", "podman start web", "docker restart web", "docker start db"]:
        log.add_client(client(50, line))
    assert asked(log) == "podman start web"


@pytest.mark.parametrize(("at", "found"), [(-1, False), (0, True), (100, True), (101, False)])
def test_only_commands_between_since_and_until_count(
    log: CommandLog, at: float, *, found: bool
) -> None:
    log.add_client(client(at, "docker start web"))
    assert bool(asked(log)) is found


def test_commands_of_long_ago_explain_nothing(log: CommandLog) -> None:
    log.add_client(client(0, "docker start web"))
    window = CLIENT_WINDOW / MS
    assert asked(log, since=0, until=window)
    assert not asked(log, since=0, until=window + 1)


def test_clients_that_start_nothing_are_not_kept(log: CommandLog) -> None:
    assert log.add_client(client(0, "docker ps")) is None
    assert len(log._running) == 0


def test_a_client_that_ended_before_the_creation_is_no_cause(log: CommandLog) -> None:
    early, late = client(0, "docker run -d a"), client(1, "docker run -d b")
    log.add_client(early)
    log.add_client(late)
    assert log.end_client(early.process.key, ns(40))
    assert log.end_client(late.process.key, ns(60))
    assert not log.end_client(WEB.runtime.key, ns(60))
    found = [one.exec.argv[-1] for one in log.clients(ns(0), ns(50))]
    assert found == ["b"]
