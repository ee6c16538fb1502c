"""Steps of a package's end: what its removal takes along, and that nothing of Castoff is left."""

from __future__ import annotations

import json

from tests.vm import faults
from tests.vm.engines import run
from tests.vm.service import DROP_IN, JOB, NESTED, PINS, Step, need, quiet, show


def left_behind() -> list[str]:
    """Whatever of Castoff is on the host, but for this job's own files and the account."""
    found = run(
        *("find", "/etc", "/usr", "/lib/systemd", "/var", "/run", "/sys/fs/bpf", "-xdev"),
        *(
            "(",
            "-path",
            str(JOB),
            "-o",
            "-path",
            "/run/log",
            "-o",
            "-path",
            "/var/log/journal",
            ")",
        ),
        *("-prune", "-o", "-iname", "*castoff*", "-print"),
        check=False,
    ).splitlines()
    # The last is nest-init.sh's.
    expected = ("castoff-vm", "/var/lib/dpkg/info/", "/etc/systemd/system/castoff.service.d")
    return [path for path in found if not any(part in path for part in expected)]


def removal_takes_probes_rules_and_units(kind: str) -> Step:
    def step() -> str:
        # Whatever the configuration is, nothing may be left.
        DROP_IN.write_text(faults.WRONG)
        command = ("dpkg", "--remove") if kind == "deb" else ("rpm", "-e")
        done = quiet(*command, "castoff")
        need(done.returncode == 0, done.stdout + done.stderr)
        need("warning" not in done.stdout + done.stderr, done.stdout + done.stderr)
        need(not PINS.exists(), "pins are left")
        need("castoff" not in quiet("auditctl", "-l").stdout, "audit rules are left")
        need(show("LoadState") in {"not-found", "masked"}, show("LoadState"))
        # In namespaces others' programs are seen, too.
        programs = json.loads(run("bpftool", "--json", "link", "show") or "[]")
        ours = [one for one in programs if one.get("type") == "raw_tracepoint"]
        need(NESTED or not ours, ours)
        return ", ".join(left_behind()) or "nothing is left"

    step.__name__ = "removal_takes_probes_rules_and_units"
    return step


def purge_leaves_nothing() -> str:
    done = quiet("dpkg", "--purge", "castoff")
    need(done.returncode == 0, done.stdout + done.stderr)
    return nothing_is_left()


def nothing_but_the_administrators_drop_in_is_left() -> str:
    """RPM leaves files that no package owns, and the directories that they lie in."""
    need(DROP_IN.exists(), "the administrator's file was removed")
    DROP_IN.unlink()
    DROP_IN.parent.rmdir()
    DROP_IN.parent.parent.rmdir()
    return nothing_is_left()


def nothing_is_left() -> str:
    run("systemctl", "daemon-reload")
    need(not left_behind(), left_behind())
    listed = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "castoff*")
    # This job's own one.
    units = [line for line in listed.splitlines() if not line.startswith("castoff-vm.service ")]
    need(not units, units)
    return "no file, pin, rule or unit"
