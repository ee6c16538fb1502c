"""Settings of syslog outputs: what cannot work is refused, and ports are those of the RFCs."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.syslog import settings
from sensor.outputs.syslog.settings import Over, SyslogSettings


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"over": Over.UDP}, 'over = "udp" needs host'),
        ({"host": "x"}, "host goes with over"),
        ({"over": Over.TCP, "host": "x", "tls": TlsSettings()}, "tls is for"),
        ({"over": Over.TCP, "host": "x", "port": 0}, "port is between"),
        ({"max_bytes": 10}, "max_bytes is between"),
        ({"enterprise": -1}, "enterprise is between"),
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SyslogSettings(**keys)


def test_ports_are_those_of_the_rfcs() -> None:
    ports = [SyslogSettings(over, host="x").address.port for over in list(Over)[1:]]
    assert ports == [514, 514, 6514]
    assert SyslogSettings(Over.UDP, host="x").largest == settings.DATAGRAM_BYTES
