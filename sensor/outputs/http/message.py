"""What goes over HTTP, as values: where to, which headers, and what came back."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sensor.dataclass import dataclass
from sensor.outputs.network.dial import Address

if TYPE_CHECKING:
    from collections.abc import Sequence

RETRY_AFTER_LIMIT = 3600.0

Headers = tuple[tuple[str, str], ...]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """``target`` is path and query, ``authority`` the Host header."""

    secure: bool
    address: Address
    authority: str
    target: str

    @classmethod
    def parse(cls, text: str) -> HttpUrl:
        """Read ``http[s]://host[:port][/path][?query]``.

        Raises ValueError with words for a person: for another scheme, a user or password (they
        belong into a header), a fragment, and what is not printable ASCII.
        """
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("an URL has printable ASCII characters only; escape others with %")
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https"):
            raise ValueError("an URL begins with http:// or https://")
        if parts.username is not None or parts.password is not None:
            raise ValueError("user and password do not belong into an URL: set a header")
        if parts.fragment:
            raise ValueError("an URL of a collector has no #fragment")
        if not parts.hostname:
            raise ValueError("an URL names a host")
        if parts.port == 0:
            raise ValueError("a port is between 1 and 65535")
        secure = parts.scheme == "https"
        port = parts.port if parts.port is not None else (443 if secure else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(secure, Address(parts.hostname, port), parts.netloc, target)

    def __str__(self) -> str:
        """Return the URL without its query, in which some collectors want a token."""
        path = self.target.partition("?")[0]
        return f"{'https' if self.secure else 'http'}://{self.authority}{path}"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer; ``headers`` have lower-case names."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first header of that (lower-case) name."""
        return next((value for found, value in self.headers if found == name), None)

    def retry_after(self) -> float | None:
        """Return the wait in seconds that the server asks for, an hour at most."""
        return retry_after(self.header("retry-after"), time.time())


def retry_after(value: str | None, now: float) -> float | None:
    """Return the wait of a Retry-After header, at most an hour; None for none or a senseless one.

    It is a number of seconds or a date, RFC 9110 section 10.2.3; ``now`` in seconds since the Unix
    epoch.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_LIMIT)
    from email.utils import parsedate_to_datetime  # 1 MiB, and hardly ever needed

    try:
        then = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(then - now, 0.0), RETRY_AFTER_LIMIT)


def check_headers(headers: Sequence[tuple[str, str]]) -> None:
    """Raise ValueError, without any value, for headers that a request cannot have."""
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"the header {name} cannot be set")
        if value and not _HEADER_VALUE.fullmatch(value):
            # Its value may be a secret and is not repeated.
            raise ValueError(f"the value of the header {name} is not printable ASCII")
