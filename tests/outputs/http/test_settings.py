"""Settings of HTTP outputs that cannot work are refused."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.errors import ConfigError
from sensor.outputs.http import output
from sensor.outputs.http.settings import Body, HttpSettings, Preset
from sensor.settings.secret import Secret
from tests.outputs.http.posting import JSON, SURROUNDINGS


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"url": "ftp://x/"}, "url: an URL begins with"),
        ({"url": "http://me:secret@x/"}, "url: user and password"),
        ({"user": "me"}, "go together"),
        ({"user": "me", "password": Secret("x"), "token": Secret("y")}, "beside token"),
        ({"index": "x"}, "index is for"),
        ({"acknowledge": True}, "acknowledge is for"),
        ({"preset": Preset.ELASTICSEARCH}, "elasticsearch needs index"),
        ({"preset": Preset.SPLUNK_HEC, "body": Body.ARRAY}, "body is for"),
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        HttpSettings(**{"url": "http://x/", **keys})


def test_a_header_that_cannot_be_is_refused_without_its_value() -> None:
    settings = HttpSettings("http://x/", headers=(("X-Key", Secret("se\ncret")),))
    with pytest.raises(ConfigError) as refused:
        output.OUTPUT.make(settings, JSON, SURROUNDINGS)
    assert "X-Key" in refused.value.problem
    assert "cret" not in refused.value.problem
