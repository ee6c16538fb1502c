"""A member of castoff's group: reads what the socket has, and changes nothing."""

from __future__ import annotations

import grp
import sys

import pytest

from lab.agent import Agent
from lab.engines import Lab
from lab.strangers import stranger

pytestmark = pytest.mark.e2e


def test_a_member_of_castoffs_group_reads_and_changes_nothing(
    own_agent: Agent, reachable: Lab
) -> None:
    """Reading is for the group, control for root: a rewind by a member is refused."""
    group = grp.getgrnam("games")
    config = reachable.sub("attack") / "castoff.toml"
    config.write_text(f'[socket]\ngroup = "{group.gr_name}"\n')
    own_agent.options = ["--config", config]
    own_agent.start()
    code = (
        "import socket, sys\n"
        "def ask(line):\n"
        "    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "    s.sendall(f'{line} HTTP/1.1\\r\\nHost: c\\r\\nConnection: close\\r\\n'\n"
        "              'Content-Length: 0\\r\\n\\r\\n'.encode())\n"
        "    return s.makefile('rb').readline().decode().strip()\n"
        "print(ask('GET /v1/containers')); print(ask('POST /v1/outputs/x/rewind'))\n"
    )
    with stranger("reader", group.gr_gid) as reader, stranger("other") as other:
        read, changed = reader.run(sys.executable, "-c", code, own_agent.socket).splitlines()
        refused = other.run(sys.executable, "-c", code, own_agent.socket)
    own_agent.stop()
    assert " 200" in read
    assert " 403" in changed
    assert "PermissionError" in refused
