"""Fetches certificates and keys of clouds over HTTPS: few hosts, small answers, no redirects."""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sensor.outputs.network.openssl import ssl

if TYPE_CHECKING:
    from collections.abc import Callable

    Fetch = Callable[[str], bytes]
    """Takes a URL, returns the body. Raises ValueError for a URL that is not allowed, OSError."""

SIZE_LIMIT = 256 * 1024
SECONDS = 5.0
SNS_HOST = re.compile(r"sns\.[a-z]{2}(?:-[a-z]+)+-\d\.amazonaws\.com(?:\.cn)?")
"""docs.aws.amazon.com/sns: verify-signatures. No other host may name a certificate."""
GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
_GOOGLE_HOST = re.compile(r"www\.googleapis\.com")
_URL_LIMIT = 2048


def is_of(url: str, host: re.Pattern[str]) -> bool:
    """Return whether a URL is plain HTTPS to a host: no port, no user, no other scheme."""
    if len(url) > _URL_LIMIT or not url.isascii() or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and port is None
        and "@" not in parts.netloc
        and host.fullmatch(parts.netloc) is not None
    )


def fetch(url: str) -> bytes:
    """Return what stands at a URL of SNS or of Google. Raises ValueError and OSError."""
    if not is_of(url, SNS_HOST) and not is_of(url, _GOOGLE_HOST):
        raise ValueError("the URL is not one of SNS or Google")
    parts = urlsplit(url)
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(parts.netloc, timeout=SECONDS, context=context)
    try:
        path = parts.path or "/"
        connection.request("GET", f"{path}?{parts.query}" if parts.query else path)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise OSError(f"{parts.netloc} answers {answer.status}")
        body = answer.read(SIZE_LIMIT + 1)
    except http.client.HTTPException as error:
        raise OSError(f"{parts.netloc} gives no answer of HTTP: {error}") from None
    finally:
        connection.close()
    if len(body) > SIZE_LIMIT:
        raise OSError(f"{parts.netloc} answers with more than {SIZE_LIMIT} bytes")
    return body
