"""What a table of an output to Kafka may say, and what librdkafka gets of it."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.outputs.kafka.settings import KafkaSettings
from sensor.outputs.network.tls import TlsSettings
from sensor.settings.secret import Secret


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"brokers": ()}, "brokers has"),
        ({"brokers": ("x:1,y:2",)}, "each of brokers"),
        ({"topic": "a b"}, "topic has"),
        ({"max_bytes": 1}, "max_bytes is between"),
        ({"user": "me"}, "go together"),
        ({"tls": TlsSettings(server_name="x")}, "no server_name"),
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        KafkaSettings(**{"brokers": ("x:1",), **keys})


def test_credentials_and_encryption_choose_the_protocol() -> None:
    secret = {"user": "me", "password": Secret("hidden")}
    protocols = [
        KafkaSettings(("x:1",), **keys).librdkafka("c")["security.protocol"]
        for keys in ({}, {"encrypted": True}, secret, {**secret, "tls": TlsSettings()})
    ]
    assert protocols == ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
