"""A rule reads back as itself, and what must not be loaded is refused."""

from __future__ import annotations

import pytest

from sensor.audit_rules.rule import PEOPLE, RuleMalformed, parse
from tests.audit_rules.made import DOCKER


def test_a_rule_reads_back_as_itself() -> None:
    assert str(parse(DOCKER)) == DOCKER
    assert parse(f"{DOCKER} -S all") == parse(DOCKER)
    assert parse("-a exit,always -S connect -F arch=b64 -F path=/a -k castoff_api") == parse(
        "-a always,exit -F arch=b64 -F path=/a -S connect -F key=castoff_api"
    )
    for unset in ("unset", "-1", "4294967295"):
        assert parse(f"-a never,task -F auid={unset}") == PEOPLE
    assert parse("-a always,exit -F perm=aw -F dir=/a -F key=castoff_x").perm == "wa"


@pytest.mark.parametrize(
    "line",
    [
        "-D",
        "-b 8192",
        "-f 1",
        "-e 2",
        "-r 100",
        "-c",
        "-i",
        "-w /usr/bin/docker -p x -k castoff_client",
        "-a never,task",
        "-a never,exit -F path=/a -F perm=x -F key=castoff_client",
        "-a always,exit -F path=a -F perm=x -F key=castoff_client",
        "-a always,exit -F path=/a -F perm=x -F key=site",
        "-a always,exit -F path=/a -F perm=x",
        "-a always,exit -F path=/a -F key=castoff_client",
        "-a always,exit -F path=/a -F path=/b -F perm=x -F key=castoff_client",
        "-a always,exit -F exe=/a -F perm=x -F key=castoff_client",
        "-a always,exit -S execve -F key=castoff_client",
        "-a",
        "docker",
    ],
)
def test_what_castoff_must_not_load_is_refused(line: str) -> None:
    with pytest.raises(RuleMalformed):
        parse(line)
