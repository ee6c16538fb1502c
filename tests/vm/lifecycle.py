"""A guest's job: the packages' life under systemd, from installation to purge.

Runs inside the guest as root; beside it lie ``old.deb``, ``new.deb``, ``old.rpm`` and ``new.rpm``:

    python3 -m tests.vm.lifecycle deb|rpm

Each step reports ``{"what": "step", "name": …, "ok": …, "detail": …}``; later steps rest on earlier
ones, and the guest reports all of them whatever happens.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.vm import faults, removal
from tests.vm.engines import bundle, prepare_rootfs, run, versions
from tests.vm.scenarios import wanted
from tests.vm.service import (
    DROP_IN,
    JOB,
    NESTED,
    PATIENCE,
    PINS,
    PROBES,
    SERVICE,
    Failed,
    Step,
    active,
    castoff,
    install,
    journal,
    need,
    quiet,
    show,
    starts,
    until,
)
from tests.vm.signs import Signs
from tests.vm.under_load import CONTAINERS, no_start_is_lost_or_repeated

READY_MAX = 3.0
"""Seconds from the agent's start until it is ready."""

PSS_MAX = 40 * 1024
"""KiB that the agent uses after CONTAINERS starts."""

CAPABILITIES = {2: "dac_read_search", 19: "sys_ptrace", 37: "audit_read", 38: "perfmon", 39: "bpf"}

# ------------------------------------------------------------------------------------ installation


def deb_is_installed() -> str:
    install("new.deb")
    until(active, "the service is active after dpkg -i")
    return started()


def deb_is_installed_again() -> str:
    """After a purge, for the steps that a guest does not survive."""
    install("new.deb")
    until(active, "the service is active after dpkg -i")
    return started()


def rpm_is_installed() -> str:
    # The guest's rpm database is empty, so the dependencies are waived; they are there as .deb.
    install("new.rpm")
    need(not active(), "an RPM does not start its service")
    run("systemctl", "start", SERVICE)
    until(active, "the service is active after systemctl start")
    return started()


def started() -> str:
    """How long probes and agent took, as systemd measured."""
    began = int(show("ExecMainStartTimestampMonotonic"))
    ready = (int(show("ActiveEnterTimestampMonotonic")) - began) / 1e6
    begin, end = (
        int(show(f"ExecMain{key}TimestampMonotonic", PROBES)) for key in ("Start", "Exit")
    )
    # Far more of the one than of the other: it waited for the disk.
    took = f"ready after {ready:.1f} s, {int(show('CPUUsageNSec')) / 1e9:.1f} s of a processor"
    need(ready <= READY_MAX, took)
    return f"{PROBES} {(end - begin) / 1e6:.1f} s, {SERVICE} {took}"


def the_agent_has_few_rights() -> str:
    pid = show("MainPID")
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    uid = run("id", "-u", "castoff")
    need(fields["Uid"].split() == [uid] * 4, fields["Uid"])
    held = {bit for bit in range(64) if int(fields["CapEff"], 16) >> bit & 1}
    need(held == set(CAPABILITIES), held)
    need(fields["CapBnd"] == fields["CapEff"], fields["CapBnd"])
    need(fields["NoNewPrivs"] == "1", "no_new_privs is not set")
    return f"uid {uid}, " + ", ".join(sorted(CAPABILITIES.values()))


def systemd_shows_what_it_does() -> str:
    until(lambda: "starts reported" in show("StatusText"), "a status line")
    need(show("WatchdogUSec") == "30s", show("WatchdogUSec"))
    line = run("systemd-analyze", "security", "--no-pager", SERVICE).splitlines()[-1]
    need(float(line.split(":")[1].split()[0]) <= 2.5, line)
    return f"{show('StatusText')}; {line}"


def memory_is_small() -> str:
    """After some two hundred starts; the burst of thousands in namespaces takes more."""
    after_load, _ = memory()
    if NESTED:
        run("systemctl", "restart", SERVICE)
        with bundle(["/bin/busybox", "true"]) as directory:
            for number in range(CONTAINERS):
                run("crun", "run", "--bundle", str(directory), f"small-{number:03d}")
        until(_all_small_ones_are_reported, "every start is reported")
    pss, kinds = memory()
    need(pss <= PSS_MAX, f"{pss} KiB: {kinds}")
    return f"PSS {pss / 1024:.1f} MiB; after the load before {after_load / 1024:.1f} MiB"


def _all_small_ones_are_reported() -> bool:
    try:
        return len(starts("small-")) == CONTAINERS
    except Failed:
        # On a busy machine the agent answers once it has reported them.
        return False


def memory() -> tuple[int, str]:
    """Return the agent's PSS in KiB and what it consists of."""
    rollup = Path(f"/proc/{show('MainPID')}/smaps_rollup").read_text()
    pss = int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
    return pss, " ".join(line for line in rollup.splitlines() if line.startswith("Pss_"))


def a_configuration_is_reloaded() -> str:
    DROP_IN.parent.mkdir(exist_ok=True)
    DROP_IN.write_text('[agent]\nlog_level = "debug"\n')
    run("systemctl", "reload", SERVICE)
    until(lambda: "log_level" in journal(), "the journal names what was applied")
    return journal(1)


def an_invalid_configuration_changes_nothing() -> str:
    DROP_IN.write_text('[agent]\nlog_level = "loud"\n')
    run("systemctl", "reload", SERVICE)
    until(lambda: "agent.log_level" in journal(5), "the journal names the key")
    need(active(), "the agent runs on")
    said = journal(1)
    DROP_IN.write_text('[agent]\nlog_level = "info"\n')
    run("systemctl", "reload", SERVICE)
    return said


def only_members_of_the_group_are_answered() -> str:
    run("useradd", "alice", check=False)
    run("useradd", "mallory", check=False)
    run("usermod", "-aG", "castoff", "alice")
    member, other = castoff("status", user="alice"), castoff("status", user="mallory")
    need(member.returncode == 0, member.stderr)
    need(other.returncode == 4, (other.returncode, other.stderr))
    need(castoff("outputs", "rewind", "x", "--since", "1h", user="alice").returncode, "may control")
    return other.stderr.strip()


def the_selftest_passes() -> str:
    done = castoff("selftest", "--runtime", "runc")
    need(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout.strip()


def the_packages_own_test_passes() -> str:
    """The one that autopkgtest runs on a machine of its own."""
    done = quiet("sh", str(JOB / "service-test"))
    need(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout.strip().splitlines()[-1]


def clients_wait_while_the_agent_restarts() -> str:
    """With castoff.socket, a client that asks meanwhile is answered by the next agent."""
    run("systemctl", "stop", SERVICE)
    run("systemctl", "start", "castoff.socket")
    try:
        asked = subprocess.Popen(
            ["castoff", "status", "--alive"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        # Asking starts the service; it takes over systemd's socket.
        until(active, "the service is started by its socket")
        need(show("TriggeredBy") == "castoff.socket", show("TriggeredBy"))
        asked.wait(timeout=PATIENCE)
        until(lambda: castoff("status", "--alive").returncode == 0, "the socket answers")
        mode = Path("/run/castoff/castoff.sock").stat()
        need(mode.st_mode & 0o777 == 0o660, oct(mode.st_mode))
        return f"answered by pid {show('MainPID')}"
    finally:
        run("systemctl", "stop", "castoff.socket", SERVICE)
        run("systemctl", "start", SERVICE)
        until(active, "the service is active without its socket")


def the_doctor_finds_nothing_wrong() -> str:
    done = castoff("doctor")
    need(done.returncode == 0, done.stdout)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("ok"))


def the_old_probes_are_retired() -> str:
    until(lambda: len(list(PINS.iterdir())) == 1, "one probe set is left")
    return str([path.name for path in PINS.iterdir()])


# ------------------------------------------------------------------------------------------ the end


def audit_rules_are_off_until_asked_for() -> str:
    need(not Path("/etc/audit/rules.d/50-castoff.rules").exists(), "rules were installed")
    done = castoff("audit-rules", "install", "--people")
    need(done.returncode == 0, done.stderr)
    need("castoff" in run("auditctl", "-l"), "no rule in the kernel")
    return done.stdout.strip().splitlines()[0]


def rules_are_loaded_again_by_the_unit() -> str:
    before = run("auditctl", "-l")
    lost = next(line for line in before.splitlines() if "castoff" in line)
    run("auditctl", *lost.replace("-a ", "-d ", 1).split())
    need(lost not in run("auditctl", "-l"), "the rule could not be taken away")
    run("systemctl", "start", "castoff-audit-rules")
    need(sorted(run("auditctl", "-l").splitlines()) == sorted(before.splitlines()), "rules differ")
    return run("journalctl", "--quiet", "-o", "cat", "-u", "castoff-audit-rules").splitlines()[0]


COMMON: tuple[Step, ...] = (
    the_agent_has_few_rights,
    systemd_shows_what_it_does,
    a_configuration_is_reloaded,
    an_invalid_configuration_changes_nothing,
    only_members_of_the_group_are_answered,
    the_selftest_passes,
    clients_wait_while_the_agent_restarts,
)
STEPS: dict[str, tuple[Step, ...]] = {
    "deb": (
        deb_is_installed,
        *COMMON,
        the_packages_own_test_passes,
        the_doctor_finds_nothing_wrong,
        no_start_is_lost_or_repeated("deb"),
        memory_is_small,
        the_old_probes_are_retired,
        faults.a_wrong_configuration_fails_once,
        faults.an_output_of_an_optional_package_fails_once_without_it,
        faults.a_log_that_cannot_be_written_is_reported_and_caught_up,
        faults.a_state_directory_that_cannot_be_made_fails_once,
        faults.a_second_agent_is_refused,
        faults.the_unit_yields_to_another_agent,
        faults.a_missing_bcc_fails_once,
        faults.a_kernel_without_btf_fails_once,
        faults.a_missing_bpffs_is_mounted,
        faults.an_upgrade_on_a_full_disk_leaves_the_old_version_running,
        faults.a_half_installed_version_is_mended_by_the_next,
        faults.each_of_many_versions_in_a_row_is_started,
        faults.normalize_is_restarted_by_an_upgrade_and_fails_once_without_its_package,
        audit_rules_are_off_until_asked_for,
        rules_are_loaded_again_by_the_unit,
        removal.removal_takes_probes_rules_and_units("deb"),
        removal.purge_leaves_nothing,
        deb_is_installed_again,
        faults.a_removal_beside_another_agent_names_it,
        faults.immutable_audit_is_named,
        faults.lockdown_is_named,
    ),
    "rpm": (
        rpm_is_installed,
        *COMMON,
        no_start_is_lost_or_repeated("rpm"),
        the_old_probes_are_retired,
        audit_rules_are_off_until_asked_for,
        rules_are_loaded_again_by_the_unit,
        removal.removal_takes_probes_rules_and_units("rpm"),
        removal.nothing_but_the_administrators_drop_in_is_left,
    ),
}
OF_A_KERNEL_OF_ITS_OWN = (
    audit_rules_are_off_until_asked_for,
    rules_are_loaded_again_by_the_unit,
    faults.immutable_audit_is_named,
    faults.lockdown_is_named,
)
"""Steps that namespaces cannot take: audit and lockdown are the whole kernel's."""

OF_A_FAST_PROCESSOR = (faults.each_of_many_versions_in_a_row_is_started,)
"""Steps that are about what happens within two minutes: a guest takes longer."""


def steps(kind: str, *, nested: bool) -> tuple[Step, ...]:
    """Return the steps of a kind of package, in order."""
    left_out = OF_A_KERNEL_OF_ITS_OWN if nested else OF_A_FAST_PROCESSOR
    return tuple(one for one in STEPS[kind] if one not in left_out)


def main(kind: str, parts: list[str]) -> None:
    """Take all steps of a kind of package, or those whose names contain one of ``parts``."""
    port = Signs()
    port.say("boot", kernel=os.uname().release, versions=versions())
    try:
        prepare_rootfs()
        for step in steps(kind, nested=NESTED):
            if not wanted(step.__name__, parts):
                continue
            began = time.monotonic()
            try:
                ok, detail = True, step()
            except Exception as error:  # noqa: BLE001 - the host has to learn of it
                ok, detail = False, f"{type(error).__name__}: {error}\n{journal(15)}"
            seconds = round(time.monotonic() - began, 1)
            port.say("step", name=step.__name__, ok=ok, detail=detail[-4000:], seconds=seconds)
    except Exception as error:  # noqa: BLE001 - likewise
        port.say("broken", text=f"{type(error).__name__}: {error}")
    finally:
        port.say("end")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
