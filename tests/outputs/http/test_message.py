"""URLs, headers and waits: what is refused, and that nothing secret is repeated."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.http import message
from sensor.outputs.http.client import HttpClient
from sensor.outputs.http.message import HttpUrl, retry_after
from sensor.outputs.network.dial import Address


@pytest.mark.parametrize(
    ("text", "address", "target"),
    [
        ("http://h", Address("h", 80), "/"),
        ("https://h", Address("h", 443), "/"),
        ("http://[::1]:4318/v1/logs?a=b", Address("::1", 4318), "/v1/logs?a=b"),
        ("HTTPS://Host.example:8443/x", Address("host.example", 8443), "/x"),
    ],
)
def test_a_url_has_its_address_and_target(text: str, address: Address, target: str) -> None:
    url = HttpUrl.parse(text)
    assert (url.address, url.target) == (address, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h:80",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://u:secret@h/",
        "http://h/#x",
        "http://h:x/",
        "http://h:70000/",
        "http://h:0/",
        "http://h/a b",
        "http://h/\r\nX: y",
        "http://[::1/",
        "http://ü/",
    ],
)
def test_what_is_not_an_url_is_refused_without_repeating_secrets(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        HttpUrl.parse(text)
    assert "secret" not in str(refused.value)


@given(st.text())
def test_any_text_is_an_url_or_a_value_error(text: str) -> None:
    for url in (text, f"http://{text}"):
        try:
            parsed = HttpUrl.parse(url)
        except ValueError:
            continue
        assert parsed.address.host
        assert 0 < parsed.address.port <= 65535


@pytest.mark.parametrize(
    "headers",
    [
        (("Bad Name", "x"),),
        (("X", "a\r\nY: b"),),
        (("X", "ä"),),
        (("Host", "elsewhere"),),
        (("content-length", "0"),),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ValueError, match="header"):
        HttpClient(HttpUrl.parse("http://h/"), headers=headers)


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("17", 17),
        (" 17 ", 17),
        ("99999999999999999999", message.RETRY_AFTER_LIMIT),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30),
        ("Fri, 14 Nov 2099 22:13:50 GMT", message.RETRY_AFTER_LIMIT),
        ("Fri, 99 Nov 2099 22:13:50 GMT", None),
        (formatdate(NOW + 60, usegmt=True), 60),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text())
def test_any_retry_after_is_a_wait_within_the_limit_or_nothing(value: str) -> None:
    wait = retry_after(value, time.time())
    assert wait is None or 0 <= wait <= message.RETRY_AFTER_LIMIT
