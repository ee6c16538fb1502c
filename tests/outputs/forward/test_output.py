"""What may stand in the configuration of an output of type forward."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.errors import ConfigError
from sensor.outputs.delivery import Format
from sensor.outputs.forward.output import OUTPUT, ForwardSettings, address_of, make
from sensor.outputs.network.dial import Address
from sensor.outputs.registry import kind_of
from sensor.settings.secret import Secret
from tests.outputs.forward.made import SURROUNDINGS


def test_the_kind_is_registered() -> None:
    assert kind_of("forward") is OUTPUT


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("collector", Address("collector", 24224)),
        ("collector:1", Address("collector", 1)),
        ("10.0.0.1:24225", Address("10.0.0.1", 24225)),
        ("[fd00::1]", Address("fd00::1", 24224)),
        ("[fd00::1]:5170", Address("fd00::1", 5170)),
    ],
)
def test_servers_are_written_with_or_without_a_port(text: str, address: Address) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"servers": ()}, "servers lists"),
        ({"servers": ("a",) * 17}, "servers lists"),
        ({"servers": ("fd00::1",)}, "is not a server"),
        ({"servers": ("collector:0",)}, "is not a server"),
        ({"servers": ("collector:65536",)}, "is not a server"),
        ({"servers": ("http://collector",)}, "is not a server"),
        ({"tag": ""}, "tag has"),
        ({"tag": "a b"}, "tag has"),
        ({"level": 0}, "level is"),
        ({"window": 0}, "window is"),
        ({"window": 65}, "window is"),
        ({"ack_seconds": 0.0}, "more than 0"),
        ({"user": "me"}, "belong together"),
        ({"password": Secret("x")}, "belong together"),
        ({"user": "me", "password": Secret("x")}, "shared_key"),
    ],
)
def test_what_cannot_be_is_refused_with_the_key(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ForwardSettings(**{"servers": ("collector",), **settings})


def test_a_format_without_documents_is_refused() -> None:
    form = Format("cef", "text/plain", lambda record: record.line, None)
    with pytest.raises(ConfigError, match="documents"):
        make(ForwardSettings(servers=("collector",)), form, SURROUNDINGS)
