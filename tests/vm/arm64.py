"""Boot an arm64 kernel under QEMU with runtimes alone: no engine, no systemd, no disk.

    python -m tests.vm.arm64      build what it boots

The tree is Debian's arm64 packages, unpacked and not configured: this machine's processor cannot
run their scripts. It lies in the initramfs, which is copied into memory. The job's reports share
the one console with the kernel.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.vm import cpio, image
from tests.vm.machine import CLOCK, Guest, pack, running

SUITE = "bookworm"
ARCHITECTURE = "arm64"
MEMORY_MIB = 3072

PACKAGES = (
    *("python3", "python3-audit", "python3-bpfcc", "python3-click", "python3-h11", "python3-h2"),
    *("python3-msgpack", "python3-psutil", "libbpf1", "runc", "crun", "busybox-static"),
    *("bash", "dash", "coreutils", "util-linux", "mount", "tar", "procps", "bubblewrap", "passwd"),
)
_SURPLUS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt")
_APPEND = "console=ttyAMA0 quiet loglevel=3 panic=-1"
PROCESSOR = "cortex-a72"
"""Without pointer authentication, which takes most of the time under emulation."""
_FIRST = """\
#!/bin/busybox sh
# The initramfs holds the tree as a tar: runtimes need a root that they can pivot away from.
busybox=/bin/busybox
$busybox mkdir /new
$busybox mount -t tmpfs -o size=90%,mode=755 tmpfs /new
$busybox tar xf /tree.tar -C /new && $busybox rm /tree.tar
$busybox tar xf /given.tar -C /new/job && $busybox rm /given.tar
exec $busybox switch_root /new /job/init
"""
_INIT = """\
#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/busybox HOME=/root
/bin/busybox mkdir /busybox
/bin/busybox --install -s /busybox
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /dev/shm /run/castoff-vm /root
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
hostname castoff-vm
ip link set lo up
cd /job
CASTOFF_VM_REPORTS=/dev/ttyAMA0 ./job </dev/null >/dev/ttyAMA0 2>&1
busybox poweroff -f
"""


def missing_tools() -> tuple[str, ...]:
    """Name the programs that this machine lacks (Debian's qemu-system-arm, mmdebstrap)."""
    return tuple(tool for tool in ("qemu-system-aarch64", "mmdebstrap") if not shutil.which(tool))


def tree_tar() -> Path:
    """Path of the tree of unpacked packages, made when it is not there."""
    target = image.CACHE / f"tree-{ARCHITECTURE}-{SUITE}.tar"
    if target.exists():
        return target
    with image.workspace() as work:
        tree = work / "tree"
        options = work / "apt.conf"
        options.write_text("\n".join(image.apt_options()) + "\n")
        image.polite(
            *("mmdebstrap", "--variant=extract", "--mode=root", "--skip=check/qemu"),
            *(f"--architectures={ARCHITECTURE}", f"--include={','.join(PACKAGES)}"),
            *(f"--aptopt={options}", SUITE, tree),
            *image.Mirror.configured().sources(SUITE),
        )
        for name in _SURPLUS:
            shutil.rmtree(tree / name, ignore_errors=True)
        for name in ("job", "proc", "sys", "dev", "run", "tmp", "root", "etc"):
            (tree / name).mkdir(exist_ok=True)
        (tree / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        (tree / "etc/group").write_text("root:x:0:\n")
        partial = work / "tree.tar"
        image.polite("tar", "-c", "-C", tree, "-f", partial, ".")
        partial.rename(target)
    return target


def initramfs(target: Path, job: Path) -> None:
    """Write what the kernel unpacks: busybox, the tree and what the job needs."""
    tree = tree_tar()
    given = target.with_name("given.tar")
    init = target.with_name("init")
    init.write_text(_INIT)
    init.chmod(0o755)
    pack(given, job, {"init": init})
    busybox = subprocess.run(
        ["tar", "-x", "-O", "-f", tree, "--wildcards", "./*bin/busybox"],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    members = (
        *(cpio.Member(name, None) for name in ("bin", "dev")),
        cpio.Member("bin/busybox", busybox, executable=True),
        cpio.Member("init", _FIRST.encode(), executable=True),
        cpio.Member("tree.tar", tree.read_bytes()),
        cpio.Member("given.tar", given.read_bytes()),
    )
    target.write_bytes(gzip.compress(cpio.archive(members), compresslevel=1))


@contextmanager
def boot(job: Path, console: Path) -> Iterator[Guest]:
    """Start a guest that runs ``job``; it is killed on the way out if it still runs."""
    with tempfile.TemporaryDirectory(prefix="castoff-arm64-") as directory:
        unpacked = Path(directory) / "initramfs.gz"
        initramfs(unpacked, job)
        command = [
            *("qemu-system-aarch64", "-machine", "virt", "-cpu", PROCESSOR),
            *("-accel", "tcg", *CLOCK, "-m", str(MEMORY_MIB)),
            *("-nodefaults", "-no-reboot", "-display", "none"),
            *(
                "-kernel",
                str(image.kernel(SUITE, ARCHITECTURE).image),
                "-initrd",
                str(unpacked),
                "-append",
                _APPEND,
            ),
            *("-chardev", f"stdio,id=reports,signal=off,logfile={console}"),
            *("-serial", "chardev:reports"),
        ]
        with running(command, console, Path(directory)) as guest:
            yield guest


if __name__ == "__main__":
    tree_tar()
    sys.stdout.write(f"{ARCHITECTURE} {image.kernel(SUITE, ARCHITECTURE).release}\n")
