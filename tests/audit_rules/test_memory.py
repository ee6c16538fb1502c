"""What was remembered of the last load."""

from __future__ import annotations

import json
import os
from pathlib import Path

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


def test_root_writes_through_no_link_that_the_agents_account_made(
    host: Host, kernel: Kernel, tmp_path: Path
) -> None:
    foreign = tmp_path / "of root"
    foreign.write_text("kept")
    host.state_dir.mkdir(exist_ok=True)
    for name in (memory.NAME, "audit-rules.new", f".{memory.NAME}.new"):
        (host.state_dir / name).symlink_to(foreign)
    Installer(host, kernel).install(Form.ALL)
    assert foreign.read_text() == "kept"
    assert MemoryFile(host.state_dir).load() is not None


def test_a_link_or_a_pipe_in_its_place_says_nothing_and_holds_no_reader(
    host: Host, kernel: Kernel
) -> None:
    Installer(host, kernel).install(Form.ALL)
    file = host.state_dir / memory.NAME
    elsewhere = file.rename(file.with_name("elsewhere"))
    file.symlink_to(elsewhere)
    assert MemoryFile(host.state_dir).load() is None
    file.unlink()
    os.mkfifo(file)
    assert MemoryFile(host.state_dir).load() is None
    assert inspection.check(host, kernel).state is RulesState.IN_FORCE
