"""What was remembered of the last load."""

from __future__ import annotations

import json

from sensor.audit_rules import inspection, memory
from sensor.audit_rules.host import Host
from sensor.audit_rules.installer import Installer
from sensor.audit_rules.memory import MemoryFile
from sensor.audit_rules.report import RulesState
from sensor.audit_rules.template import Form
from tests.audit_rules.made import Kernel


def test_memory_of_another_boot_or_a_broken_one_says_nothing(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.ALL)
    file = host.state_dir / memory.NAME
    content = json.loads(file.read_text())
    content["boot_id"] = "another"
    content["places"] = {"/run/x/y": {"directory": [1, 2], "file": None}}
    file.write_text(json.dumps(content))
    assert inspection.check(host, kernel).state is RulesState.IN_FORCE
    for broken in ("", "[]", "{}", '{"boot_id": 1, "owns_people_rule": 1, "places": {"a": 1}}'):
        file.write_text(broken)
        assert MemoryFile(host.state_dir).load() is None
        assert inspection.check(host, kernel).state is RulesState.IN_FORCE
