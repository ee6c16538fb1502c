"""Sections that cannot be meant are refused by name."""

from __future__ import annotations

import pytest

from sensor.agent.receivers.settings import (
    EventBridgeSection,
    EventGridSection,
    PubSubSection,
    PushSection,
    PushSettings,
    SnsSection,
)
from sensor.errors import ConfigError
from sensor.settings.secret import Secret


def test_nothing_is_taken_by_default() -> None:
    PushSettings().check()
    assert PushSettings().paths == frozenset()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (PushSettings(PushSection("0.0.0.0:1", "/c", "/k")), "nothing"),
        (PushSettings(sns=SnsSection(("arn:aws:s3:::bucket",))), "topics"),
        (PushSettings(pub_sub=PubSubSection(audience="a")), "accounts"),
        (PushSettings(event_grid=EventGridSection(Secret("short"))), "push_event_grid"),
        (PushSettings(event_bridge=EventBridgeSection(Secret("short"))), "push_event_bridge"),
    ],
)
def test_settings_that_cannot_be_meant_are_named(settings: PushSettings, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        settings.check()
