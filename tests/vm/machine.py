"""Boot a guest under QEMU's software emulation, give it a tree and a job, and read what it reports.

The guest gets three virtio disks: the root image (written to an overlay that goes with QEMU), its
kernel's modules, and a tar with the tree as ``castoff/`` and the program to run as ``job``. The job
reports on the second serial port, one JSON document a line; the first one is the console. When the
job ends the guest powers off.

/dev/kvm is not used. Continuous integration has none. One that a guest offers without its
processor's help (the module kvm_pvm) interprets a kernel's instructions: Debian's stop in their
decompressor, at an instruction that it does not know.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.vm.image import Kernel

TREE = Path(__file__).resolve().parents[2]
GIVEN = ("bin", "probes", "sensor", "tests/vm")
"""Parts of the tree that a guest gets."""

BOOT_PATIENCE = 1800.0
"""Seconds until the first report; half a minute on an idle machine, many minutes on a busy one."""

REPORT_PATIENCE = 1800.0
"""Seconds between two reports."""

MEMORY_MIB = 2048
CLOCK = ("-icount", "shift=0,sleep=off", "-smp", "1")
"""The guest's clock counts instructions, 1 ns each, and skips idle time. A busy host makes it
take longer, and no timeout of the guest lapses for that. One processor: it is the clock."""

_CONSOLE_TAIL = 4000
_READ = 65536
_APPEND = (
    "root=/dev/vda rw console=ttyS0 quiet loglevel=4 apparmor=0 panic=-1 systemd.show_status=0"
)

Report = dict[str, object]


class GuestSilent(RuntimeError):
    """The guest said nothing for too long, or ended before its job did."""


@dataclass(slots=True)
class Guest:
    """A running guest. ``reports`` holds what it has said so far."""

    process: subprocess.Popen[bytes]
    console: Path
    stream: int
    """Descriptor that the reports come from."""
    reports: list[Report] = field(default_factory=list)

    def read(self, on_report: Callable[[Report], None] = lambda _: None) -> list[Report]:
        """Read reports until the guest powers off and return them all.

        Raises :class:`GuestSilent` with the console's tail when none comes in time, or when the
        last one is not the job's ``{"what": "end"}``.
        """
        for line in self._lines():
            report = _parse(line)
            self.reports.append(report)
            on_report(report)
        self.process.wait()
        if not any(report.get("what") == "end" for report in self.reports):
            raise GuestSilent(f"the guest ended before its job:\n{self.console_tail()}")
        return self.reports

    def _lines(self) -> Iterator[bytes]:
        pending = b""
        patience = BOOT_PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self.stream, selectors.EVENT_READ)
            while True:
                end = time.monotonic() + patience
                while not selector.select(1.0):
                    if self.process.poll() is not None:
                        return
                    if time.monotonic() > end:
                        said = self.console_tail()
                        raise GuestSilent(f"no report for {patience:.0f} s:\n{said}")
                data = os.read(self.stream, _READ)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                if lines:
                    patience = REPORT_PATIENCE
                yield from (line.strip(b"\r") for line in lines if line.strip())

    def console_tail(self) -> str:
        """The end of what the kernel and systemd printed."""
        return self.console.read_text(errors="replace")[-_CONSOLE_TAIL:]


def _parse(line: bytes) -> Report:
    """A line of the report port; anything else, such as a job's traceback, is kept as text."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if isinstance(found, dict) and "what" in found:
        return found
    return {"what": "noise", "text": line.decode(errors="replace")}


def pack(target: Path, job: Path, files: Mapping[str, Path]) -> None:
    """Write the guest's tar: the given parts of the tree, further files, and the job."""

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if "__pycache__" in member.name else member

    with tarfile.open(target, "w") as archive:
        for part in GIVEN:
            archive.add(TREE / part, f"castoff/{part}", filter=wanted)
        for name, path in files.items():
            archive.add(path, name)
        info = archive.gettarinfo(job, "job")
        info.mode = 0o755
        with job.open("rb") as source:
            archive.addfile(info, source)


@contextmanager
def running(command: Sequence[str], console: Path, temporary: Path) -> Iterator[Guest]:
    """Run QEMU, which writes its files to ``temporary``; it is killed on the way out if need be."""
    process = subprocess.Popen(
        ["nice", "-n", "10", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        assert process.stdout is not None
        yield Guest(process, console, process.stdout.fileno())
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def boot(
    kernel: Kernel,
    root: Path,
    job: Path,
    console: Path,
    files: Mapping[str, Path] | None = None,
    words: tuple[str, ...] = (),
) -> Iterator[Guest]:
    """Start a guest that runs ``job``; it is killed on the way out if it still runs.

    ``files`` lie beside the job in the guest, by name. ``words`` join the kernel's command line.
    """
    with tempfile.TemporaryDirectory(prefix="castoff-vm-") as directory:
        disk = Path(directory) / "given.tar"
        pack(disk, job, files or {})
        command = _command(kernel, root, disk, console, words)
        with running(command, console, root.parent) as guest:
            yield guest


def _command(
    kernel: Kernel, root: Path, given: Path, console: Path, words: tuple[str, ...]
) -> list[str]:
    disks = (
        f"file={root},format=raw,if=virtio,snapshot=on,cache=unsafe",
        f"file={kernel.modules},format=raw,if=virtio,readonly=on",
        f"file={given},format=raw,if=virtio,readonly=on",
    )
    return [
        *("qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "max"),
        *(*CLOCK, "-m", str(MEMORY_MIB)),
        *("-nodefaults", "-no-reboot", "-display", "none"),
        *(
            "-kernel",
            str(kernel.image),
            "-initrd",
            str(kernel.initramfs),
            "-append",
            " ".join((_APPEND, *words)),
        ),
        *(part for disk in disks for part in ("-drive", disk)),
        *("-serial", f"file:{console}", "-chardev", "stdio,id=reports,signal=off"),
        *("-serial", "chardev:reports"),
    ]
