"""A secret counts where it is agreed to stand, and an empty one never."""

from __future__ import annotations

import base64

import pytest

from sensor.agent.receivers.post_server import Post
from sensor.agent.receivers.shared_secret import shows
from sensor.settings.secret import Secret

SECRET = Secret("0123456789abcdef&=")


def post(target: str = "/", **headers: str) -> Post:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Post("10.0.0.1", "POST", target, named, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": SECRET.reveal()},
        {"authorization": f"Bearer {SECRET.reveal()}"},
        {"authorization": "Basic " + base64.b64encode(SECRET.reveal().encode()).decode()},
        {"x_api_key": SECRET.reveal()},
        {"x_castoff_secret": SECRET.reveal()},
    ],
)
def test_a_header_shows_it(headers: dict[str, str]) -> None:
    assert shows(post(**headers), SECRET)


def test_a_parameter_shows_it_where_it_may() -> None:
    request = post("/x?a=1&code=0123456789abcdef%26%3D")
    assert shows(request, SECRET, "code")
    assert not shows(request, SECRET)
    assert not shows(request, SECRET, "token")


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer "}, {"authorization": "Basic !"}, {"x_api_key": "0123456789"}],
)
def test_anything_else_does_not(headers: dict[str, str]) -> None:
    assert not shows(post("/?" + "a=1&" * 100, **headers), SECRET, "code")


def test_no_secret_is_shown_by_nothing() -> None:
    assert not shows(post(), Secret(""))
