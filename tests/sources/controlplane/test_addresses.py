"""What a client claims of its address is shown, and never taken for the connection's own."""

from __future__ import annotations

from ipaddress import ip_network

from sensor.sources.controlplane.addresses import connection, is_address

PROXY = (ip_network("10.0.0.0/8"),)


def test_only_the_last_address_is_the_connections_own() -> None:
    assert connection(("1.2.3.4", "203.0.113.9")) == "203.0.113.9"


def test_a_configured_proxy_is_passed_and_no_other() -> None:
    claimed = ("1.2.3.4", "203.0.113.9", "10.0.0.7")
    assert connection(claimed, PROXY) == "203.0.113.9"
    assert connection(claimed) == "10.0.0.7"


def test_behind_proxies_alone_the_first_of_them_is_left() -> None:
    assert connection(("10.0.0.1", "10.0.0.2"), PROXY) == "10.0.0.1"


def test_a_text_that_is_not_an_address_is_none() -> None:
    assert connection(("203.0.113.9", "events.amazonaws.com")) is None
    assert connection(()) is None
    assert not is_address("AWS Internal")
    assert is_address("2001:db8::1")
