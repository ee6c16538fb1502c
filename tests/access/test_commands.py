"""Clients and runtimes are found in command lines by their programs' names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.access.commands import PROGRAMS, client_in


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("docker run x", "docker"),
        ("-/usr/local/bin/podman start x", "podman"),
        ("/bin/sh -c 'cd /srv && docker-compose up'", "docker-compose"),
        ("FOO=1 nerdctl run x", "nerdctl"),
        ("/usr/bin/docker-gc", None),
        ("cat /etc/docker/daemon.json", None),
        ("", None),
    ],
)
def test_a_client_is_a_word_of_its_own(line: str, found: str | None) -> None:
    assert client_in(line) == found


@given(st.text(max_size=300))
def test_any_line_is_read(line: str) -> None:
    assert client_in(line) in {None, *PROGRAMS}
