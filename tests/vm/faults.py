"""Steps with something wrong: the unit fails once with the fix, or it goes on and reports it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.vm.engines import bundle, run
from tests.vm.service import (
    DROP_IN,
    JOB,
    NESTED,
    PATIENCE,
    PINS,
    PROBES,
    SERVICE,
    active,
    back_to_work,
    castoff,
    install,
    journal,
    need,
    quiet,
    show,
    starts,
    until,
)

LOG = Path("/var/lib/castoff")
WRONG = "[agent]\nlog_levle = 1\n"
"""A configuration that the agent refuses."""

STATE_DIRECTORY = 238
"""Exit status of systemd.exec(5)."""

NO_LOOP = 3.0
"""Seconds in which a unit that is started again and again would have been."""


def fails_once(code: int, *expected: str, unit: str = SERVICE) -> str:
    """The unit fails with that exit code and is not started again; the journal has the fix."""
    run("systemctl", "reset-failed", unit, SERVICE, check=False)
    quiet("systemctl", "restart", unit)
    until(lambda: show("ActiveState", unit) == "failed", f"{unit} fails")
    time.sleep(NO_LOOP)
    status = show("ExecMainStatus", unit)
    need(status == str(code), (status, journal(8, unit)))
    need(show("NRestarts", unit) == "0", f"restarted {show('NRestarts', unit)} times")
    said = journal(8, unit)
    for word in expected:
        need(word in said, said)
    return next((line for line in said.splitlines() if expected[0] in line), said)


@contextlib.contextmanager
def mounted(*options: str, over: Path) -> Iterator[None]:
    run("mount", *options, str(over))
    try:
        yield
    finally:
        run("umount", "--lazy", str(over))


def a_wrong_configuration_fails_once() -> str:
    """The agent fails; the probes are loaded, and record until the mistake is corrected."""
    DROP_IN.write_text(WRONG)
    try:
        said = fails_once(78, "log_levle", str(DROP_IN))
        need(castoff("probes", "unload").returncode == 0, "unload")
        run("systemctl", "restart", PROBES)
        need(PINS.is_dir(), "no pins")
        return said
    finally:
        DROP_IN.unlink()
        back_to_work()


def an_output_of_an_optional_package_fails_once_without_it() -> str:
    DROP_IN.write_text('[outputs.collector]\ntype = "syslog"\nover = "udp"\nhost = "127.0.0.1"\n')
    try:
        said = fails_once(69, "castoff-outputs")
        version = run("castoff", "--version").split()[-1]
        package = JOB / {"0.0.8": "old-outputs.deb", "0.0.9": "new-outputs.deb"}[version]
        done = quiet("dpkg", "-i", str(package))
        need(done.returncode == 0, done.stderr)
        back_to_work()
        until(lambda: "collector" in castoff("outputs", "list").stdout, "the output is listed")
    finally:
        DROP_IN.unlink()
        run("systemctl", "restart", SERVICE)
        quiet("dpkg", "--purge", "castoff-outputs")
        back_to_work()
    return said


def a_log_that_cannot_be_written_is_reported_and_caught_up() -> str:
    """With /var read-only the agent goes on, says so, and writes what waited."""
    name = "life-readonly"
    run("systemctl", "stop", SERVICE)
    disk = JOB / "var"
    disk.mkdir()
    options = ("-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs")
    with mounted(*options, over=disk), mounted("--bind", str(disk), over=LOG):
        run("chown", "castoff:castoff", str(LOG))
        # The file system, and not the mount that the unit has a copy of.
        run("mount", "-o", "remount,ro", str(disk))
        run("systemctl", "start", SERVICE)
        until(lambda: castoff("status").returncode == 1, "the status shows the problem")
        said = castoff("status").stdout
        need("Read-only file system" in said, said)
        need("mount options" in said, said)
        with bundle(["/bin/busybox", "true"]) as directory:
            run("crun", "run", "--bundle", str(directory), name)
        run("mount", "-o", "remount,rw", str(disk))
        until(lambda: castoff("status").returncode == 0, "the status shows no problem")
        until(lambda: starts()[name] == 1, "the start is in the log")
        run("systemctl", "stop", SERVICE)
    back_to_work()
    return next(line for line in said.splitlines() if line.startswith("problem"))


def a_state_directory_that_cannot_be_made_fails_once() -> str:
    """As on a host whose /var is read-only before the package's first start."""
    run("systemctl", "stop", SERVICE)
    kept = LOG.rename(LOG.with_name("castoff-kept"))
    try:
        with mounted("--bind", str(LOG.parent), over=LOG.parent):
            run("mount", "-o", "remount,ro,bind", str(LOG.parent))
            return fails_once(STATE_DIRECTORY, "Read-only file system")
    finally:
        kept.rename(LOG)
        back_to_work()


def an_upgrade_on_a_full_disk_leaves_the_old_version_running() -> str:
    share = Path("/usr/share/castoff")
    before, version = show("MainPID"), run("castoff", "--version")
    full = JOB / "full"
    full.mkdir()
    # Without byte code, which the package removes before the upgrade.
    size = int(run("du", "-sk", "--exclude=__pycache__", str(share)).split()[0]) + 256
    with mounted("-t", "tmpfs", "-o", f"size={size}k", "tmpfs", over=full):
        run("sh", "-c", f"tar -C {share} -c --exclude=__pycache__ . | tar -C {full} -x")
        with mounted("--bind", str(full), over=share):
            done = quiet("dpkg", "-i", str(JOB / "new.deb"))
            need(done.returncode != 0, done.stdout)
            need("No space left" in done.stderr, done.stderr)
            need(active(), "the agent runs on")
            need(show("MainPID") == before, "the agent was replaced")
            need(run("castoff", "--version") == version, "the old version is whole")
    # Its byte code did not fit either; dpkg asks for this once there is space.
    run("dpkg", "--configure", "--pending")
    need(run("dpkg", "--audit") == "", run("dpkg", "--audit"))
    install("new.deb")
    until(active, "active after the upgrade with space")
    return next(line for line in done.stderr.splitlines() if "No space left" in line)


def each_of_many_versions_in_a_row_is_started() -> str:
    """As after a rollback: systemd refuses the sixth start in two minutes by itself."""
    for name in ("old", "new", "old", "new", "old", "new"):
        install(f"{name}.deb")
        until(active, f"active after the installation of {name}", 30)
    return run("castoff", "--version")


def a_half_installed_version_is_mended_by_the_next() -> str:
    """As after a power cut between unpacking and configuring."""
    done = quiet("dpkg", "--unpack", str(JOB / "old.deb"))
    need(done.returncode == 0, done.stderr)
    need(active(), "the agent runs on")
    install("new.deb")
    until(active, "active after the repair")
    need(run("dpkg", "--audit") == "", "dpkg finds something half done")
    return run("castoff", "--version")


def a_second_agent_is_refused() -> str:
    done = castoff("run", "--output", "none", "--socket", "/run/castoff-second.sock")
    need(done.returncode == 75, (done.returncode, done.stderr))
    need(show("MainPID") in done.stderr, done.stderr)
    return done.stderr.strip()


@contextlib.contextmanager
def another_agent() -> Iterator[subprocess.Popen[bytes]]:
    """Run an agent beside the stopped unit, as a DaemonSet does."""
    run("systemctl", "stop", SERVICE)
    other = subprocess.Popen(
        ["castoff", "run", "--output", "none"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until(lambda: castoff("status", "--alive").returncode == 0, "the other agent answers")
        yield other
    finally:
        other.terminate()
        other.wait(timeout=PATIENCE)


def the_unit_yields_to_another_agent() -> str:
    """The unit fails once and names the other's process."""
    try:
        with another_agent() as other:
            # In namespaces the unit's /proc is the host's, with other numbers.
            return fails_once(75, "another agent (pid " if NESTED else str(other.pid))
    finally:
        run("chown", "-R", "castoff:castoff", str(LOG))
        back_to_work()


def a_removal_beside_another_agent_names_it() -> str:
    """The probes that another agent reads stay; once it has ended the package is whole again."""
    with another_agent() as other:
        fails_once(75, "another agent (pid ")
        done = quiet("dpkg", "--purge", "castoff")
        need(done.returncode == 0, done.stderr)
        listed = run("systemctl", "list-units", "--all", "--no-legend", SERVICE)
        need(not listed, f"the failed unit is left: {listed}")
        need("the probes stay in the kernel" in done.stderr, done.stderr)
        need(f"another agent (pid {other.pid}" in done.stderr, done.stderr)
        need("uses /var/lib/castoff" in done.stderr, done.stderr)
        need(PINS.is_dir(), "its probes were taken away")
        need(other.poll() is None, "the other agent ended")
    install("new.deb")
    until(active, "active after another installation")
    return done.stderr.strip()


NORMALIZE = "castoff-normalize.service"


def normalize_is_restarted_by_an_upgrade_and_fails_once_without_its_package() -> str:
    unit, config = Path("/etc/systemd/system") / NORMALIZE, Path("/etc/castoff/normalize.toml")
    state, records = Path("/var/lib/castoff-normalize"), Path("/var/log/control-planes")
    shutil.copy(JOB / NORMALIZE, unit)
    config.write_text(f'[agent]\nstate_dir = "{state}"\n')
    records.mkdir()
    run("systemctl", "daemon-reload")
    try:
        pids: list[str] = []
        for name in ("new", "old", "new"):
            packages = (f"{JOB}/{name}.deb", f"{JOB}/{name}-controlplane.deb")
            done = quiet("dpkg", "-i", *packages)
            need(done.returncode == 0, done.stderr)
            if not pids:
                run("systemctl", "start", NORMALIZE)
            until((state / "castoff.db").exists, "normalize has begun")
            need(active(NORMALIZE), journal(8, NORMALIZE))
            pids.append(show("MainPID", NORMALIZE))
        need(len(set(pids)) == len(pids), f"not restarted: {pids}")
        quiet("dpkg", "--purge", "castoff-controlplane")
        return fails_once(69, "castoff-controlplane", unit=NORMALIZE)
    finally:
        run("systemctl", "stop", NORMALIZE, check=False)
        run("rm", "-rf", str(state), f"/var/lib/private/{state.name}")
        unit.unlink()
        config.unlink()
        records.rmdir()
        quiet("dpkg", "--purge", "castoff-controlplane")
        back_to_work()


def a_missing_bcc_fails_once() -> str:
    """As after a removal by force, and as with the other bcc that PyPI has."""
    found = Path("/usr/lib/python3/dist-packages/bcc")
    other = JOB / "bcc"
    other.mkdir(exist_ok=True)
    run("systemctl", "stop", SERVICE)
    need(castoff("probes", "unload").returncode == 0, "unload")
    said = []
    for text in ("raise ModuleNotFoundError(\"No module named 'bcc'\")", ""):
        (other / "__init__.py").write_text(text)
        with mounted("--bind", str(other), over=found):
            said.append(fails_once(69, "python3-bpfcc", unit=PROBES))
            said.append(fails_once(77, "castoff-probes"))
    back_to_work()
    return " | ".join(said)


def a_kernel_without_btf_fails_once() -> str:
    empty = JOB / "no-btf"
    empty.mkdir(exist_ok=True)
    run("systemctl", "stop", SERVICE)
    need(castoff("probes", "unload").returncode == 0, "unload")
    with mounted("--bind", str(empty), over=Path("/sys/kernel/btf")):
        said = fails_once(71, "BTF", unit=PROBES)
    back_to_work()
    return said


def a_missing_bpffs_is_mounted() -> str:
    run("systemctl", "stop", SERVICE)
    run("umount", "--lazy", "/sys/fs/bpf")
    back_to_work()
    need(PINS.is_dir(), "no pins")
    return run("stat", "--file-system", "--format", "%T", "/sys/fs/bpf")


def immutable_audit_is_named() -> str:
    """The kernel's audit rules are locked until the next boot: nothing may follow but the end."""
    run("auditctl", "-e", "2")
    done = castoff("audit-rules", "install", "--people")
    # For the sake of package scripts it does not fail; `check` has the state as its exit code.
    need(done.returncode == 0, done.stderr)
    need("immutable (-e 2): changes take effect at the next boot" in done.stdout, done.stdout)
    need(castoff("audit-rules", "check").returncode == 4, "a reboot is not pending")
    need(active(), "the agent runs on")
    return done.stdout.strip().splitlines()[0]


def lockdown_is_named() -> str:
    """Confidentiality forbids what the probes read; it lasts until the next boot."""
    file = Path("/sys/kernel/security/lockdown")
    if not file.exists():
        return "this kernel has no lockdown"
    run("systemctl", "stop", SERVICE)
    need(castoff("probes", "unload").returncode == 0, "unload")
    file.write_text("confidentiality")
    said = fails_once(71, "lockdown", unit=PROBES)
    need(castoff("doctor").returncode != 0, "the doctor finds nothing")
    return said
