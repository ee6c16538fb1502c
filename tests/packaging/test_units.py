"""The systemd units: what systemd itself reports of them."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
from pathlib import Path

import pytest

from sensor import errors
from sensor.agent.housekeeping import QUIET_PERIOD
from sensor.bpf import kept_files, loader
from sensor.linux import systemd

UNITS = Path(__file__).parents[2] / "packaging/systemd"
EXPOSURE_MAX = 2.5
"""Of ``systemd-analyze security``, lower is better."""


def unit(name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys of units keep their case
    parser.read(UNITS / name)
    return parser


def test_the_agent_is_exposed_as_little_as_promised() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / "castoff.service"],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"exposure level for castoff.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    assert float(found.group(1)) <= EXPOSURE_MAX, done.stdout


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    for source in UNITS.iterdir():
        text = source.read_text().replace("/usr/bin/castoff", "/bin/true")
        (tmp_path / source.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_fault_that_a_restart_cannot_mend_is_not_restarted() -> None:
    text = (UNITS / "castoff.service").read_text()
    given = " ".join(re.findall(r"^RestartPreventExitStatus=(.*)", text, re.MULTILINE)).split()
    lasting = {
        errors.ConfigError,
        errors.PermissionMissing,
        errors.KernelUnsupported,
        errors.CompilerMissing,
        errors.ProbesBusy,
        errors.StateUnusable,
    }
    ours = {int(code) for code in given if code.isdecimal()}
    assert ours == {kind.exit_code for kind in lasting}
    # Names of systemd.exec(5): the account, and each directory that the unit has systemd make.
    service = unit("castoff.service")["Service"]
    made = {
        f"{kind.upper()}_DIRECTORY"
        for kind in ("Runtime", "State", "Logs", "Configuration")
        if f"{kind}Directory" in service
    }
    assert {code for code in given if not code.isdecimal()} == made | {"USER", "GROUP"}


def test_the_agent_holds_no_capability_that_it_does_not_start_with() -> None:
    service = unit("castoff.service")["Service"]
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"]


def test_a_beat_comes_several_times_within_the_watchdogs_period() -> None:
    period = float(unit("castoff.service")["Service"]["WatchdogSec"])
    assert period >= 5 * QUIET_PERIOD
    notifier = systemd.Notifier({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": f"{period * 1e6:.0f}"})
    assert notifier.beat_seconds == period


@pytest.mark.parametrize("name", [path.name for path in UNITS.glob("*.service")])
def test_units_run_the_installed_command(name: str) -> None:
    assert unit(name)["Service"]["ExecStart"].startswith("/usr/bin/castoff ")


def test_kept_programs_go_with_the_package_and_never_fail_the_unit() -> None:
    for script in ("debian/castoff.postrm", "rpm/castoff.spec"):
        lines = (UNITS.parent / script).read_text().splitlines()
        (line,) = [one for one in lines if "rm -rf /run" in one and "/var/lib" in one]
        assert str(kept_files.DIRECTORY) in line.split()
    # systemd would not start the unit where it cannot make one, and no probe would be loaded.
    assert "CacheDirectory" not in unit("castoff-probes.service")["Service"]


def test_the_loader_has_the_time_to_give_up_by_itself() -> None:
    patience = float(unit("castoff-probes.service")["Service"]["TimeoutStartSec"])
    assert patience > loader.KEPT_TIMEOUT + loader.COMPILE_TIMEOUT + 30


def test_nothing_is_unloaded_when_the_probes_unit_stops() -> None:
    service = unit("castoff-probes.service")["Service"]
    assert not [key for key in service if key.startswith("ExecStop")]
    assert json.loads(json.dumps(dict(service)))["RemainAfterExit"] == "yes"
