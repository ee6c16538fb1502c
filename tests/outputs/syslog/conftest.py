"""Certificates and servers of the tests of syslog."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.outputs.certificates import Authority
from tests.outputs.rsyslog import Rsyslog


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def running() -> Iterator[list[Rsyslog]]:
    servers: list[Rsyslog] = []
    yield servers
    for server in servers:
        server.stop()
