"""Boot a guest's root image with systemd in namespaces of this kernel: seconds instead of minutes.

The job, its files and its reports are those of a guest (machine.py). It has processes, mounts, a
network, cgroups and a bpffs of its own. The kernel is this machine's, and so are its memory limits,
audit rules and lockdown: what is about those takes a guest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.vm.machine import Guest, pack

_INIT = Path(__file__).with_name("nest-init.sh")
_TOOLS = ("unshare", "setpriv", "pivot_root", "mmdebstrap", "mke2fs")
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
_UNIT = """\
[Unit]
After=multi-user.target

[Service]
Type=oneshot
RuntimeDirectory=castoff-vm
WorkingDirectory=/run/castoff-vm
Environment=CASTOFF_VM_REPORTS=/given/reports CASTOFF_VM_NESTED=1 CASTOFF_VM_PATIENCE=30
ExecStart=/bin/tar xf /given/tar
ExecStart=/bin/sh -c 'exec ./job >/given/console 2>&1'
ExecStopPost=/bin/systemctl poweroff --no-block
TimeoutStartSec=infinity

[Install]
WantedBy=graphical.target
"""


def why_not() -> str | None:
    """Why this machine cannot do it, if so."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [
        name for name in ("unshare", "pivot_root", "mmdebstrap", "mke2fs") if not _found(name)
    ]
    return f"not installed: {', '.join(missing)}" if missing else None


def _found(name: str) -> bool:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return shutil.which(name, path=path) is not None


@contextmanager
def cgroup() -> Iterator[Path]:
    """A cgroup that becomes the root of the nest's, without controllers.

    Engines leave those of the machine's root enabled. With hugetlb, each crun in a nest took 2 s
    more. A cgroup only passes on what it was asked to, and the upper one of these two was not.
    """
    parent = next(path for path in CGROUPS if (path / "cgroup.procs").exists())
    upper = parent / f"castoff-nest-{os.getpid()}"
    upper.mkdir()
    try:
        (upper / "root").mkdir()
        yield upper / "root"
    finally:
        for directory, _, _ in os.walk(upper, topdown=False):
            Path(directory).rmdir()


@contextmanager
def boot(root: Path, job: Path, console: Path, files: Mapping[str, Path]) -> Iterator[Guest]:
    """Start systemd in namespaces, with ``job`` as its one task; it is killed on the way out."""
    with tempfile.TemporaryDirectory(prefix="castoff-nest-") as name, cgroup() as own_cgroup:
        given = Path(name) / "given"
        given.mkdir()
        pack(given / "tar", job, files)
        (given / "castoff-vm.service").write_text(_UNIT)
        os.mkfifo(given / "reports")
        reports = os.open(given / "reports", os.O_RDONLY | os.O_NONBLOCK)
        (given / "console").symlink_to("/dev/null")
        script = 'echo $$ >"$1/cgroup.procs"; shift; exec setpriv --pdeathsig KILL unshare "$@"'
        spaces = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
        with console.open("wb") as output:
            process = subprocess.Popen(
                [
                    *("sh", "-c", script, "sh", str(own_cgroup), *spaces, "--fork", "--kill-child"),
                    *("sh", str(_INIT), str(root), name),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield Guest(process, console, reports)
        finally:
            process.kill()
            process.wait()
            os.close(reports)
