"""Which paths exist follows from the configuration alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.agent.aggregator_settings import AggregatorSettings
from sensor.agent.config import Config
from sensor.errors import ConfigError


def settings(directory: Path, text: str) -> AggregatorSettings:
    path = directory / "castoff.toml"
    path.write_text(text)
    return AggregatorSettings.of(Config.load(path), (), None, ())


def test_nothing_is_received_by_default(tmp_path: Path) -> None:
    made = settings(tmp_path, "")
    assert not made.receives
    assert made.push.paths == frozenset()


def test_sections_switch_their_paths_on(tmp_path: Path) -> None:
    made = settings(
        tmp_path,
        """
        [push]
        listen = "127.0.0.1:8444"
        certificate = "/c"
        key = "/k"
        [push_sns]
        topics = ["arn:aws:sns:eu-central-1:111122223333:castoff"]
        [push_event_grid]
        secret = "0123456789abcdef"
        [kafka]
        brokers = ["hub.servicebus.windows.net:9093"]
        topics = ["audit"]
        """,
    )
    assert made.receives
    assert made.push.paths == {"/sns", "/event-grid"}
    assert made.kafka.topics == ("audit",)


def test_a_short_secret_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"push_event_bridge\.secret is short") as refused:
        settings(tmp_path, '[push_event_bridge]\nsecret = "hunter2"\n')
    assert "hunter2" not in str(refused.value)
