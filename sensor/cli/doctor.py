"""``castoff doctor``: what this host allows, what is missing, one line each with the fix."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.agent.policy_files import DIRECTORY
from sensor.bpf import btf, cgroup_link, fields, libbpf, loader, lockdown
from sensor.bpf.pins import BPFFS
from sensor.cli import surroundings
from sensor.cli.finding import Health, HostCheck
from sensor.cli.options import colour_option, coloured, output_option, socket_option, width
from sensor.errors import CastoffError
from sensor.linux.process import status_of
from sensor.optional_packages import package_missing

if TYPE_CHECKING:
    from collections.abc import Callable

STATE_DIR = Path("/var/lib/castoff")
RUN_DIR = Path("/run/castoff")
FREE_MIN = 256 * 1024 * 1024
"""Bytes that should be free where the state is kept."""

KERNEL_MIN = (5, 8)
"""The ring buffer and links of raw tracepoints."""

CONNECT_MIN = (6, 7)
"""cgroup/connect_unix programs."""
READY_MIN = (6, 3)
"""The tracepoint sk_data_ready."""

_CAP_BPF, _CAP_PERFMON, _CAP_SYS_ADMIN = 39, 38, 21


def _kernel_version() -> tuple[int, int]:
    major, _, rest = platform.release().partition(".")
    minor = rest.split(".")[0].split("-")[0]
    return int(major), int(minor) if minor.isdigit() else 0


def _kernel() -> HostCheck:
    release = platform.release()
    if _kernel_version() < KERNEL_MIN:
        return HostCheck("kernel", Health.FAIL, f"Linux {release}", "Castoff needs 5.8 or newer.")
    return HostCheck("kernel", Health.OK, f"Linux {release}")


def _btf() -> HostCheck:
    try:
        count = len(fields.macros(btf.Btf.running()))
    except CastoffError as error:
        return HostCheck("btf", Health.FAIL, error.problem, error.fix)
    return HostCheck("btf", Health.OK, f"{count} field offsets found")


def _compiler() -> HostCheck:
    if importlib.util.find_spec("bcc") is None:
        fix = "Install it: apt-get install python3-bpfcc (Fedora: dnf install python3-bcc)"
        return HostCheck("bcc", Health.FAIL, f"not importable by {sys.executable}", fix)
    return HostCheck("bcc", Health.OK, "importable")


def _rights() -> HostCheck:
    status = status_of(os.getpid())
    held = status.capabilities if status is not None else 0
    if held >> _CAP_SYS_ADMIN & 1 or (held >> _CAP_BPF & 1 and held >> _CAP_PERFMON & 1):
        return HostCheck("rights", Health.OK, f"uid {os.geteuid()} may load BPF programs")
    fix = "Run as root, or give CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE."
    return HostCheck("rights", Health.FAIL, f"uid {os.geteuid()} may not load BPF programs", fix)


def _bpffs() -> HostCheck:
    if not BPFFS.is_dir():
        fix = "The kernel needs CONFIG_BPF_SYSCALL=y and sysfs mounted."
        return HostCheck("bpffs", Health.FAIL, f"{BPFFS} does not exist", fix)
    if not os.access(BPFFS, os.W_OK):
        return HostCheck("bpffs", Health.FAIL, f"{BPFFS} is not writable", "Run as root.")
    return HostCheck("bpffs", Health.OK, f"{BPFFS} (mounted at load time when it is not)")


def _lockdown() -> HostCheck:
    found = lockdown.mode()
    if lockdown.forbids_reading(found):
        return HostCheck("lockdown", Health.FAIL, str(found), lockdown.FIX)
    return HostCheck("lockdown", Health.OK, found or "none")


def _connects() -> HostCheck:
    version = _kernel_version()
    if version < READY_MIN:
        text = "before 6.3 they are seen only where fentry is allowed: see castoff status"
        fix = "Without it use audit (castoff audit-rules install), or Linux 6.3."
        return HostCheck("api callers", Health.NOTE, text, fix)
    if version >= CONNECT_MIN:
        with contextlib.suppress(OSError):
            root = cgroup_link.cgroup2_root()
            return HostCheck("api callers", Health.OK, f"seen by cgroup/connect_unix at {root}")
    return HostCheck("api callers", Health.OK, "seen by fexit, or at sk_data_ready")


def _requests() -> HostCheck:
    if _kernel_version() >= READY_MIN:
        return HostCheck("api requests", Health.OK, "read by fentry, or at sk_data_ready")
    text = "before 6.3 they are read only where fentry is allowed: see castoff status"
    return HostCheck("api requests", Health.NOTE, text, "Without it callers are inferred.")


def _probes() -> HostCheck:
    try:
        sets = loader.status()
    except (CastoffError, OSError) as error:
        return HostCheck("probes", Health.FAIL, str(error), "Run as root.")
    current = next((loaded for loaded in sets if loaded.current), None)
    if current is None:
        return HostCheck(
            "probes", Health.NOTE, "not loaded", "Load them: castoff probes load, or castoff run"
        )
    rings = f"rings of {current.lifecycle_mib:g} and {current.commands_mib:g} MiB"
    return HostCheck("probes", Health.OK, f"{len(current.programs)} programs attached, {rings}")


def _libbpf() -> HostCheck:
    try:
        cpus = libbpf.possible_cpus()
    except (OSError, ValueError) as error:
        return HostCheck("cpus", Health.FAIL, str(error), "Mount sysfs.")
    return HostCheck("cpus", Health.OK, f"{cpus} possible")


def _lock() -> HostCheck:
    return surroundings.node_lock(RUN_DIR)


def _disk() -> HostCheck:
    unsafe = surroundings.state_directory(STATE_DIR)
    if unsafe is not None:
        return unsafe
    place = STATE_DIR if STATE_DIR.exists() else STATE_DIR.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return HostCheck("disk", Health.FAIL, f"{place}: {error.strerror}", "Name a --state-dir.")
    text = f"{free // (1024 * 1024)} MiB free at {place}"
    if free < FREE_MIN:
        return HostCheck("disk", Health.NOTE, text, "Make room: the state needs a few MiB.")
    return HostCheck("disk", Health.OK, text)


_AUDIT_STATES = (
    "no rules: no cost; the probes alone see who uses an engine's API (6.3, or with fentry)",
    "people (audit-rules install --people): those who logged in are recorded, others pay nothing",
    "all (audit-rules install --all): every task is recorded, and pays at each system call",
)


def _audit() -> HostCheck:
    from sensor.audit_rules import inspection
    from sensor.audit_rules.auditctl import Auditctl
    from sensor.audit_rules.host import Host

    try:
        report = inspection.check(Host(), Auditctl())
    except (CastoffError, OSError) as error:
        return HostCheck(
            "audit", Health.NOTE, str(error), "Install it: apt-get install auditd; or go without."
        )
    state = report.state.value.replace("_", " ")
    text = f"{state}; the three states and their cost, measured in docs/audit.md:"
    return HostCheck("audit", Health.OK, text, details=_AUDIT_STATES)


def _policy() -> HostCheck:
    return surroundings.policy(DIRECTORY)


CHECKS: tuple[Callable[[], HostCheck], ...] = (
    _kernel,
    _btf,
    _compiler,
    _rights,
    _lockdown,
    _bpffs,
    _libbpf,
    _probes,
    _connects,
    _requests,
    _audit,
    _policy,
    surroundings.engines,
    _lock,
    _disk,
    surroundings.scheduling,
    surroundings.clock,
)


def _policy_findings(policy: Path) -> list[HostCheck]:
    """Check an audit policy; raises :class:`PackageMissing` where the part for that is absent."""
    try:
        from sensor.cli.audit_policy import findings
    except ModuleNotFoundError as error:
        raise package_missing(error, "castoff doctor --audit-policy") from None
    return findings(policy)


@click.command()
@output_option
@colour_option
@socket_option
@click.option(
    "--audit-policy",
    "policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Check this audit policy of a Kubernetes API server instead of the host.",
)
def command(output: str, colour: str, socket: Path, policy: Path | None) -> None:
    """Check this host; exit code 1 when something prevents Castoff from seeing starts."""
    if policy is not None:
        findings = _policy_findings(policy)
    else:
        findings = [*(check() for check in CHECKS), surroundings.agent_socket(socket)]
    for finding in findings:
        if output == "json":
            click.echo(json.dumps(asdict(finding)))
            continue
        for line in finding.lines(width(no_trunc=False), colour=coloured(colour)):
            click.echo(line, color=coloured(colour))
    if any(finding.health is Health.FAIL for finding in findings):
        raise SystemExit(1)
