"""What a collector's answer means for the batch."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.outputs.delivery import Delivered, Outcome, Refused, Retry
from sensor.outputs.http.settings import Body, Preset
from sensor.settings.secret import Secret
from tests.outputs.fake_http import Answer
from tests.outputs.http.posting import TOKEN, delivered


@pytest.mark.parametrize("preset", list(Preset))
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(413, b"too large"), Refused("HTTP 413: too large")),
        (Answer(400, b"bad"), Refused("HTTP 400: bad")),
        (Answer(429, b"", (("Retry-After", "7"),)), Retry("HTTP 429", 7.0)),
        (Answer(503, b"", (("Retry-After", "9"),)), Retry("HTTP 503", 9.0)),
        (Answer(500, b""), Retry("HTTP 500")),
        (Answer(404, b""), Retry("HTTP 404. Check url", configuration=True)),
        (
            Answer(302, b"", (("Location", "/login?token=x"),)),
            Retry(
                "HTTP 302 to /login. Redirections are not followed: correct url",
                configuration=True,
            ),
        ),
        (Answer(511, b""), Retry("HTTP 511", credentials=True)),
        (Answer(408, b""), Retry("HTTP 408")),
        (Answer(401, b"who?"), Retry("HTTP 401: who?", credentials=True)),
        (Answer(403, TOKEN.encode()), Retry("HTTP 403: ***", credentials=True)),
    ],
    ids=lambda one: str(one.status) if isinstance(one, Answer) else "",
)
def test_a_status_says_what_becomes_of_the_batch(
    preset: Preset, answer: Answer, outcome: Outcome
) -> None:
    keys: dict[str, Any] = {"preset": preset, "token": Secret(TOKEN)}
    if preset is Preset.ELASTICSEARCH:
        keys["index"] = "castoff"
    assert delivered(answer, keys=keys)[0] == outcome


@pytest.mark.parametrize("preset", list(Preset))
@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 206, 299])
@pytest.mark.parametrize("body", [b"", b"{}"], ids=["empty", "object"])
def test_every_2xx_delivers_for_every_preset(preset: Preset, status: int, body: bytes) -> None:
    keys: dict[str, Any] = {"preset": preset}
    if preset is Preset.ELASTICSEARCH:
        keys["index"] = "castoff"
    outcome, received = delivered(Answer(status, b"" if status == 204 else body), keys=keys)
    assert isinstance(outcome, Delivered)
    assert not outcome.rejected
    assert len(received) == 1


PAGE = Answer(
    200, b"<!DOCTYPE html>\n<html><title>Sign in</title></html>", (("Content-Type", "text/html"),)
)


@pytest.mark.parametrize("preset", [Preset.SPLUNK_HEC, Preset.ELASTICSEARCH])
def test_a_web_page_is_not_a_collector(preset: Preset) -> None:
    keys: dict[str, Any] = {"preset": preset}
    if preset is Preset.ELASTICSEARCH:
        keys["index"] = "castoff"
    outcome, _ = delivered(PAGE, keys=keys)
    assert isinstance(outcome, Retry)
    assert outcome.configuration
    assert "Sign in. This is a web page and no collector: check url" in outcome.reason


def test_a_plain_collector_may_answer_with_a_page_and_the_status_says_so() -> None:
    outcome, _ = delivered(PAGE)
    assert isinstance(outcome, Delivered)
    assert outcome.warning is not None
    assert "check url" in outcome.warning


@pytest.mark.parametrize(
    ("body", "hint"), [(Body.LINES, 'body = "array"'), (Body.ARRAY, 'body = "lines"')]
)
def test_a_refused_content_type_comes_with_the_setting_to_try(body: Body, hint: str) -> None:
    outcome, _ = delivered(Answer(400, b"error: invalid 'Content-Type'"), keys={"body": body})
    assert isinstance(outcome, Refused)
    assert hint in (outcome.hint or "")
    outcome, _ = delivered(Answer(415, b""), keys={"body": body})
    assert isinstance(outcome, Retry)
    assert outcome.configuration
    assert hint in outcome.reason
