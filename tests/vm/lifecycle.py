"""A guest's job: the packages' life under systemd, from installation to purge.

Runs inside the guest as root; beside it lie ``old.deb``, ``new.deb``, ``old.rpm`` and ``new.rpm``:

    python3 -m tests.vm.lifecycle deb|rpm

Each step reports ``{"what": "step", "name": …, "ok": …, "detail": …}``; later steps rest on earlier
ones, and the guest reports all of them whatever happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.vm.engines import bundle, prepare_rootfs, run, versions
from tests.vm.guest import Port

JOB = Path("/run/castoff-vm")
SERVICE = "castoff.service"
PATIENCE = 180.0
"""Seconds that a condition may take in an emulated guest."""

SIGN_SECONDS = 60.0
CONTAINERS = int(os.environ.get("CASTOFF_VM_CONTAINERS", "200"))
WORKERS = 2
DROP_IN = Path("/etc/castoff/castoff.d/50-test.toml")
PINS = Path("/sys/fs/bpf/castoff")
CAPABILITIES = {2: "dac_read_search", 19: "sys_ptrace", 37: "audit_read", 38: "perfmon", 39: "bpf"}

Step = Callable[[], str]


class Failed(AssertionError):
    """A step found something else than it should."""


def need(condition: object, detail: object) -> None:
    if not condition:
        raise Failed(str(detail))


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"not within {patience:.0f} s: {what}; {journal(12)}")
        time.sleep(0.1)


def quiet(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)


def show(key: str, unit: str = SERVICE) -> str:
    return run("systemctl", "show", "--property", key, "--value", unit)


def active(unit: str = SERVICE) -> bool:
    return show("ActiveState", unit) == "active"


def journal(lines: int = 40, unit: str = SERVICE) -> str:
    return run("journalctl", "--no-pager", "-o", "cat", "-n", str(lines), "-u", unit, check=False)


def castoff(*words: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    return quiet(*(("runuser", "-u", user, "--") if user else ()), "castoff", *words)


def starts() -> Counter[str]:
    """How often each container of this job was reported as started."""
    done = castoff("events", "--since", "3h", "--type", "start", "-o", "json")
    need(done.returncode == 0, done.stderr)
    ids = [json.loads(line)["container"]["id"] for line in done.stdout.splitlines()]
    return Counter(id_ for id_ in ids if id_.startswith("life-"))


# ------------------------------------------------------------------------------------ installation


def install(package: str) -> None:
    command = (
        ["dpkg", "-i"] if package.endswith(".deb") else ["rpm", "-U", "--nodeps", "--oldpackage"]
    )
    done = quiet(*command, str(JOB / package))
    need(done.returncode == 0, done.stdout + done.stderr)


def deb_is_installed() -> str:
    install("old.deb")
    until(active, "the service is active after dpkg -i")
    return started()


def rpm_is_installed() -> str:
    # The guest's rpm database is empty, so the dependencies are waived; they are there as .deb.
    install("old.rpm")
    need(not active(), "an RPM does not start its service")
    run("systemctl", "start", SERVICE)
    until(active, "the service is active after systemctl start")
    return started()


def started() -> str:
    """How long probes and agent took, as systemd measured."""
    spans = []
    for unit, begin, end in (
        (
            "castoff-probes.service",
            "ExecMainStartTimestampMonotonic",
            "ExecMainExitTimestampMonotonic",
        ),
        (SERVICE, "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"),
    ):
        seconds = (int(show(end, unit)) - int(show(begin, unit))) / 1e6
        spans.append(f"{unit} {seconds:.1f} s")
    return ", ".join(spans)


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
    pid = show("MainPID")
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    pss = int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
    need(pss <= 40 * 1024, f"{pss} KiB")
    return f"PSS {pss / 1024:.1f} MiB"


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


def clients_wait_while_the_agent_restarts() -> str:
    """With castoff.socket, whoever asks meanwhile is answered by the next agent."""
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


# --------------------------------------------------------------------------------------- under load


class Load:
    """Containers that start one after the other, in a few threads."""

    def __init__(self, count: int) -> None:
        self.left = [f"life-{number:03d}" for number in reversed(range(count))]
        self.ran: list[str] = []
        self.errors: list[str] = []
        self.threads = [threading.Thread(target=self._work) for _ in range(WORKERS)]
        for thread in self.threads:
            thread.start()

    def _work(self) -> None:
        with bundle(["/bin/busybox", "true"]) as directory:
            while True:
                try:
                    name = self.left.pop()
                except IndexError:
                    return
                try:
                    # crun takes a tenth of runc's instructions, which an emulated processor counts.
                    run("crun", "run", "--bundle", str(directory), name)
                except RuntimeError as error:
                    self.errors.append(str(error)[-300:])
                else:
                    self.ran.append(name)

    def at(self, count: int) -> None:
        until(lambda: len(self.ran) + len(self.errors) >= count, f"{count} containers ran", 1800)

    def end(self) -> None:
        for thread in self.threads:
            thread.join()


def no_start_is_lost_or_repeated(kind: str) -> Step:
    def step() -> str:
        done: list[str] = []

        def did(what: str) -> None:
            done.append(f"{what} at {len(load.ran)}")

        before = show("MainPID")
        load = Load(CONTAINERS)
        load.at(20)
        did("upgrade")
        install(f"new.{kind}")
        until(active, "active after the upgrade")
        need(show("MainPID") != before, "the agent was not replaced")
        load.at(70)
        did("kill -9")
        run("systemctl", "kill", "--signal", "KILL", "--kill-whom=main", SERVICE)
        until(active, "active after kill -9")
        load.at(100)
        did("stop")
        run("systemctl", "stop", SERVICE)
        load.at(110)
        did("start")
        run("systemctl", "start", SERVICE)
        load.at(130)
        did("out of memory")
        run("systemctl", "set-property", "--runtime", SERVICE, "MemoryMax=8M")
        until(lambda: show("NRestarts") != "0" or not active(), "the kernel kills it", 60)
        run("systemctl", "set-property", "--runtime", SERVICE, "MemoryMax=256M")
        run("systemctl", "reset-failed", SERVICE)
        run("systemctl", "start", SERVICE)
        until(active, "active after the kernel killed it")
        load.at(160)
        did("downgrade")
        install(f"old.{kind}")
        until(active, "active after the downgrade")
        load.end()
        need(not load.errors, load.errors[:3])
        with contextlib.suppress(Failed):
            until(lambda: set(starts()) >= set(load.ran), "every start is reported", 90)
        seen = starts()
        missing = sorted(set(load.ran) - set(seen))
        twice = sorted(name for name, count in seen.items() if count > 1)
        need(not missing and not twice, f"missing {missing}, twice {twice}; {done}")
        return f"{len(seen)} starts, 0 missing, 0 twice; {', '.join(done)}"

    step.__name__ = "no_start_is_lost_or_repeated"
    return step


def the_old_probes_are_retired() -> str:
    until(lambda: len(list(PINS.iterdir())) == 1, "one probe set is left")
    return str([path.name for path in PINS.iterdir()])


# ------------------------------------------------------------------------------------ what is wrong


def fails_once(code: int, *expected: str, unit: str = SERVICE) -> str:
    """The unit fails with that exit code and is not started again; the journal has the fix."""
    run("systemctl", "reset-failed", unit, SERVICE, check=False)
    quiet("systemctl", "restart", unit)
    until(lambda: show("ActiveState", unit) == "failed", f"{unit} fails")
    time.sleep(3)
    need(
        show("ExecMainStatus", unit) == str(code), (show("ExecMainStatus", unit), journal(8, unit))
    )
    need(show("NRestarts", unit) == "0", f"restarted {show('NRestarts', unit)} times")
    said = journal(8, unit)
    for word in expected:
        need(word in said, said)
    return next((line for line in said.splitlines() if expected[0] in line), said)


def back_to_work() -> None:
    run("systemctl", "reset-failed", check=False)
    run("systemctl", "restart", "castoff-probes.service")
    run("systemctl", "restart", SERVICE)
    until(active, "the service is active again")


def a_wrong_configuration_fails_once() -> str:
    DROP_IN.write_text("[agent]\nlog_levle = 1\n")
    try:
        return fails_once(78, "log_levle", str(DROP_IN))
    finally:
        DROP_IN.unlink()
        back_to_work()


def a_state_directory_that_cannot_be_written_fails_once() -> str:
    DROP_IN.write_text('[agent]\nstate_dir = "/proc/castoff"\n')
    try:
        return fails_once(74, "/proc/castoff")
    finally:
        DROP_IN.unlink()
        back_to_work()


def a_second_agent_is_refused() -> str:
    done = castoff("run", "--output", "none", "--socket", "/run/castoff-second.sock")
    need(done.returncode == 75, (done.returncode, done.stderr))
    need(show("MainPID") in done.stderr, done.stderr)
    return done.stderr.strip()


def a_missing_bcc_fails_once() -> str:
    found = Path("/usr/lib/python3/dist-packages/bcc")
    run("systemctl", "stop", SERVICE)
    need(castoff("probes", "unload").returncode == 0, "unload")
    found.rename(found.with_name("bcc-away"))
    try:
        said = fails_once(69, "python3-bpfcc", unit="castoff-probes.service")
        return f"{said} | {fails_once(77, 'castoff-probes')}"
    finally:
        found.with_name("bcc-away").rename(found)
        back_to_work()


# ------------------------------------------------------------------------------------------ the end


def audit_rules_are_off_until_asked_for() -> str:
    need(not Path("/etc/audit/rules.d/50-castoff.rules").exists(), "rules were installed")
    done = castoff("audit-rules", "install", "--people")
    need(done.returncode == 0, done.stderr)
    need("castoff" in run("auditctl", "-l"), "no rule in the kernel")
    return done.stdout.strip().splitlines()[0]


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
    expected = ("castoff-vm", "/var/lib/dpkg/info/", "/etc/systemd/system/castoff-vm.service")
    return [path for path in found if not any(part in path for part in expected)]


def removal_takes_probes_rules_and_units(kind: str) -> Step:
    def step() -> str:
        command = ("dpkg", "--remove") if kind == "deb" else ("rpm", "-e")
        done = quiet(*command, "castoff")
        need(done.returncode == 0, done.stdout + done.stderr)
        need("warning" not in done.stdout + done.stderr, done.stdout + done.stderr)
        need(not PINS.exists(), "pins are left")
        need("castoff" not in quiet("auditctl", "-l").stdout, "audit rules are left")
        need(show("LoadState") in {"not-found", "masked"}, show("LoadState"))
        programs = json.loads(run("bpftool", "--json", "link", "show") or "[]")
        need(not [one for one in programs if one.get("type") == "raw_tracepoint"], programs)
        return ", ".join(left_behind()) or "nothing is left"

    step.__name__ = "removal_takes_probes_rules_and_units"
    return step


def purge_leaves_nothing() -> str:
    done = quiet("dpkg", "--purge", "castoff")
    need(done.returncode == 0, done.stdout + done.stderr)
    return nothing_is_left()


def nothing_is_left() -> str:
    run("systemctl", "daemon-reload")
    need(not left_behind(), left_behind())
    need(
        "castoff" not in run("systemctl", "list-units", "--all", "castoff.*", "castoff-probes.*"),
        "units",
    )
    return "no file, pin, rule or unit"


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
        the_doctor_finds_nothing_wrong,
        no_start_is_lost_or_repeated("deb"),
        memory_is_small,
        the_old_probes_are_retired,
        a_wrong_configuration_fails_once,
        a_state_directory_that_cannot_be_written_fails_once,
        a_second_agent_is_refused,
        a_missing_bcc_fails_once,
        audit_rules_are_off_until_asked_for,
        removal_takes_probes_rules_and_units("deb"),
        purge_leaves_nothing,
    ),
    "rpm": (
        rpm_is_installed,
        *COMMON,
        no_start_is_lost_or_repeated("rpm"),
        audit_rules_are_off_until_asked_for,
        removal_takes_probes_rules_and_units("rpm"),
        nothing_is_left,
    ),
}


class Signs:
    """Signs of life between two steps: under emulation one may take longer than the host waits."""

    def __init__(self) -> None:
        self._port = Port()
        self._lock = threading.Lock()
        threading.Thread(target=self._repeat, daemon=True).start()

    def _repeat(self) -> None:
        began = time.monotonic()
        while True:
            time.sleep(SIGN_SECONDS)
            self.say("alive", seconds=round(time.monotonic() - began))

    def say(self, what: str, **fields: object) -> None:
        with self._lock:
            self._port.say(what, **fields)


def main(kind: str, wanted: list[str]) -> None:
    """Take all steps of a kind of package, or those whose names contain one of ``wanted``."""
    port = Signs()
    port.say("boot", kernel=os.uname().release, versions=versions())
    try:
        prepare_rootfs()
        for step in STEPS[kind]:
            if wanted and not any(part in step.__name__ for part in wanted):
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
