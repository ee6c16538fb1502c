"""Which address of a record is the connection's own.

``X-Forwarded-For`` and ``X-Real-Ip`` are the client's claim; only the last address of the list is
what the API server saw. Behind a proxy that address is the proxy's, so the search goes on to the
left past *configured* proxies, and stops at the first other address.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Proxies = tuple[IPv4Network | IPv6Network, ...]


@lru_cache(maxsize=4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def is_address(text: str | None) -> bool:
    """Return whether a text is an IP address, and not the name of a cloud service."""
    return text is not None and _parsed(text) is not None


def connection(addresses: tuple[str, ...], proxies: Proxies = ()) -> str | None:
    """Return the rightmost address that is not a configured proxy; None where there is none."""
    if not proxies:
        return addresses[-1] if addresses and _parsed(addresses[-1]) is not None else None
    for text in reversed(addresses):
        parsed = _parsed(text)
        if parsed is None:
            return None
        if not any(parsed in proxy for proxy in proxies):
            return text
    return addresses[0] if addresses else None
