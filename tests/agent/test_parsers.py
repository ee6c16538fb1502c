"""What the core is given from outside: the table of programs, and redaction."""

from __future__ import annotations

from sensor.agent.parsers import parsers
from sensor.model.vocabulary import Role


def test_the_core_gets_the_shipped_table_of_programs() -> None:
    given = parsers()
    assert given.role_of("runc") is Role.RUNTIME
    assert given.role_of("bash") is None
    assert given.redact(("docker", "run", "--env", "PASSWORD=hunter2")) != (
        "docker",
        "run",
        "--env",
        "PASSWORD=hunter2",
    )
