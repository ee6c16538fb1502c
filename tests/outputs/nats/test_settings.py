"""What a table of an output to NATS may say, and which subject an event gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.nats.settings import NatsSettings
from sensor.outputs.network.tls import TlsSettings


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"servers": ()}, "servers has"),
        ({"servers": ("nats://me:secret@x",)}, "each of servers"),
        ({"servers": ("nats://x", "tls://x")}, "either all"),
        ({"servers": ("nats://x",), "tls": TlsSettings()}, "tls is for"),
        ({"servers": ("nats://x",), "subject": "a.>"}, "subject is words"),
        ({"servers": ("nats://x",), "subject": "a.{pod}"}, "subject is words"),
        ({"servers": ("nats://x",), "user": "me"}, "go together"),
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        NatsSettings(**keys)
    assert "secret" not in str(refused.value)


@given(st.none() | st.text(), st.text())
def test_no_name_adds_a_wildcard_or_an_empty_token(host: str | None, kind: str) -> None:
    settings = NatsSettings(("nats://x",), subject="a.{host}.{type}")
    tokens = settings.subject_of(host, kind).split(".")
    assert all(tokens)
    assert not {"*", ">"} & set("".join(tokens))
