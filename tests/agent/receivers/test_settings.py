"""Sections that cannot be meant are refused with the key and the fix."""

from __future__ import annotations

import pytest

from sensor.agent.receivers.settings import (
    EventBridgeSection,
    EventGridSection,
    KafkaSection,
    PubSubSection,
    PushSection,
    PushSettings,
    SnsSection,
    listen_mistakes,
)
from sensor.settings.secret import Secret

SNS = SnsSection(("arn:aws:sns:eu-central-1:111122223333:castoff",))


def test_nothing_is_taken_by_default() -> None:
    assert list(PushSettings().mistakes()) == []
    assert list(KafkaSection().mistakes()) == []
    assert PushSettings().paths == frozenset()


def test_what_is_whole_has_no_mistake() -> None:
    assert list(PushSettings(PushSection("[::]:8444", "/c", "/k"), SNS).mistakes()) == []
    section = KafkaSection(("h:1",), ("t",), user="u", password=Secret("p"))
    assert list(section.mistakes()) == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (PushSettings(PushSection("0.0.0.0:1", "/c", "/k")), "push.listen"),
        (PushSettings(PushSection("0.0.0.0:1", "", "/k"), SNS), "push.certificate"),
        (PushSettings(PushSection("0.0.0.0:1", "/c", ""), SNS), "push.key"),
        (PushSettings(sns=SnsSection(("arn:aws:s3:::bucket",))), "push_sns.topics"),
        (PushSettings(pub_sub=PubSubSection(audience="a")), "push_pub_sub.accounts"),
        (PushSettings(event_grid=EventGridSection(Secret("short"))), "push_event_grid.secret"),
        (PushSettings(event_bridge=EventBridgeSection(Secret("no"))), "push_event_bridge.secret"),
        (KafkaSection(("h:1",)), "kafka.topics"),
        (KafkaSection(group=""), "kafka.group"),
        (KafkaSection(("h:1",), ("t",), user="u"), "kafka.user"),
        (KafkaSection(("h:1",), ("t",), mechanism="GSSAPI"), "kafka.mechanism"),
    ],
)
def test_a_mistake_names_its_key_and_a_fix(settings: PushSettings | KafkaSection, key: str) -> None:
    ((section, found, problem, fix),) = settings.mistakes()
    assert f"{section}.{found}" == key
    assert problem
    assert fix.endswith(".")


def test_a_mistake_shows_no_secret() -> None:
    settings = PushSettings(event_grid=EventGridSection(Secret("hunter22")))
    assert "hunter22" not in str(list(settings.mistakes()))


@pytest.mark.parametrize("listen", ["8443", "host:", ":8443", "host:port", "host:70000"])
def test_a_place_to_listen_is_host_and_port(listen: str) -> None:
    ((_, key, problem, fix),) = listen_mistakes("webhook", listen, {})
    assert key == "listen"
    assert repr(listen) in problem
    assert "HOST:PORT" in fix


def test_a_section_that_does_not_listen_needs_no_file() -> None:
    assert list(listen_mistakes("webhook", "", {"certificate": ""})) == []
