"""Boot an arm64 guest with systemd and engines from disks, as machine.py does for this processor.

    python -m tests.vm.arm64_engines      build what it boots

Debian's scripts run under qemu-user while the root image is made. The job's reports share the one
console with the kernel.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.vm import arm64, image
from tests.vm.machine import CLOCK, MEMORY_MIB, Guest, pack, running

SUITE = arm64.SUITE
ARCHITECTURE = arm64.ARCHITECTURE

PACKAGES = (
    *("systemd-sysv", "udev", "kmod", "dbus", "procps", "iproute2", "iptables", "curl", "uidmap"),
    *("python3-aiohttp", "bpftool", "crun", "podman", "conmon", "docker.io", "containerd", "tini"),
    "busybox-static",
)
"""What this guest has beyond the Makefile's RUN_PACKAGES: fewer than image.py has."""

_EMULATOR = "qemu-aarch64-static"
_FORMATS = Path("/proc/sys/fs/binfmt_misc")
_MAGIC = bytes.fromhex("7f454c460201010000000000000000000200b700")
_MASK = bytes.fromhex("ffffffffffffff00fffffffffffffffffeffffff")
_CONSOLE = "ttyAMA0"
_APPEND = (
    f"root=/dev/vda rw console={_CONSOLE} quiet loglevel=3 apparmor=0 selinux=0 panic=-1"
    f" systemd.show_status=0 systemd.setenv=CASTOFF_VM_REPORTS=/dev/{_CONSOLE}"
    f" systemd.mask=serial-getty@{_CONSOLE}.service"
)
"""A login prompt would hang up the console, and so end the reports."""


def missing_tools() -> tuple[str, ...]:
    """Name the programs that this machine lacks (Debian's qemu-user-static and arch-test)."""
    wanted = () if _root_image().exists() else (_EMULATOR, "arch-test")
    return (*arm64.missing_tools(), *(tool for tool in wanted if not shutil.which(tool)))


@contextmanager
def _programs_run_here() -> Iterator[None]:
    """Let this kernel run the other processor's programs, for a while."""
    if any(_FORMATS.glob("qemu-aarch64*")):
        yield
        return
    entry = _FORMATS / "castoff-arm64"
    mounted = not (_FORMATS / "register").exists()
    if mounted:
        image.polite("mount", "-t", "binfmt_misc", "binfmt_misc", _FORMATS)
    # F: it is opened now, as the new root has no emulator.
    parts = (_escaped(_MAGIC), _escaped(_MASK), str(shutil.which(_EMULATOR)))
    (_FORMATS / "register").write_text(f":{entry.name}:M::{':'.join(parts)}:F")
    try:
        yield
    finally:
        entry.write_text("-1")
        if mounted:
            image.polite("umount", _FORMATS)


def _escaped(raw: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in raw)


def _unit() -> str:
    return image.UNIT.replace("/dev/ttyS0", f"/dev/{_CONSOLE}")


def _root_image() -> Path:
    recipe = "\n".join((SUITE, *image.run_packages(), *PACKAGES, _unit()))
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    return image.CACHE / f"root-{ARCHITECTURE}-{SUITE}-{digest}.img"


def root_image() -> Path:
    """Path of the root image, made when it is not there."""
    found = _root_image()
    if not found.exists():
        with _programs_run_here():
            packages = (*image.run_packages(), *PACKAGES)
            image.build_root(found, SUITE, packages, _unit(), ARCHITECTURE)
    return found


@contextmanager
def boot(job: Path, console: Path) -> Iterator[Guest]:
    """Start a guest that runs ``job``; it is killed on the way out if it still runs."""
    root, kernel = root_image(), image.kernel(SUITE, ARCHITECTURE)
    with tempfile.TemporaryDirectory(prefix="castoff-arm64-") as directory:
        given = Path(directory) / "given.tar"
        pack(given, job, {})
        disks = (
            f"file={root},format=raw,if=virtio,snapshot=on,cache=unsafe",
            f"file={kernel.modules},format=raw,if=virtio,readonly=on",
            f"file={given},format=raw,if=virtio,readonly=on",
        )
        command = [
            *("qemu-system-aarch64", "-machine", "virt", "-cpu", arm64.PROCESSOR),
            *("-accel", "tcg", *CLOCK, "-m", str(MEMORY_MIB)),
            *("-nodefaults", "-no-reboot", "-display", "none"),
            *("-kernel", str(kernel.image), "-initrd", str(kernel.initramfs), "-append", _APPEND),
            *(part for disk in disks for part in ("-drive", disk)),
            *("-chardev", f"stdio,id=reports,signal=off,logfile={console}"),
            *("-serial", "chardev:reports"),
        ]
        with running(command, console, root.parent) as guest:
            yield guest


if __name__ == "__main__":
    sys.stdout.write(f"{root_image()} {image.kernel(SUITE, ARCHITECTURE).release}\n")
