"""Build what a guest boots from: a root image, and a kernel with its modules and initramfs.

    python -m tests.vm.image [SUITE...]      build everything that test_kernels.py boots

The root image knows no kernel: the initramfs of each one mounts its modules over it, so one image
serves them all. Everything is kept in CACHE, named by a digest of what it was made from, and made
once. Packages come from the mirror that this machine's own apt is configured for.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.vm import cpio

CACHE = Path(os.environ.get("CASTOFF_VM_CACHE", "/var/tmp/castoff-vm"))
"""Where images lie; some 3 GiB."""

TOOLS = ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "depmod", "dpkg-deb", "apt-get")
"""What building and booting need: Debian's qemu-system-x86, mmdebstrap, e2fsprogs, kmod."""

GUEST_PACKAGES = (
    *("systemd-sysv", "udev", "kmod", "dbus", "procps", "iproute2", "iptables", "uidmap", "curl"),
    *("python3-audit", "python3-aiohttp", "auditd", "bpftool", "strace"),
    *("runc", "crun", "podman", "conmon", "docker.io", "containerd", "tini"),
    *("busybox-static", "bubblewrap", "systemd-container", "rpm", "needrestart", "lxc"),
    *("rootlesskit", "slirp4netns", "dbus-user-session"),
)
"""What a guest has beyond what the product needs, which the Makefile's RUN_PACKAGES lists."""

_MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
_ROOT_SIZE = "6G"
_MODULES_SIZE = "512M"
_UNIT_NAME = "castoff-vm.service"
UNIT = """\
[Unit]
Description=What this guest was booted for
After=multi-user.target docker.service
Wants=docker.service

[Service]
Type=oneshot
RuntimeDirectory=castoff-vm
WorkingDirectory=/run/castoff-vm
ExecStart=/bin/tar xf /dev/vdc
ExecStart=/run/castoff-vm/job
ExecStopPost=/bin/systemctl poweroff --no-block
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity

[Install]
WantedBy=graphical.target
"""
_BOOT_MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "crc32c_intel", "ext4")
_INITRAMFS_INIT = Path(__file__).with_name("initramfs-init.sh")


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where Debian is, as this machine's apt knows it; ``security`` is None where it has none."""

    main: str
    security: str | None

    @classmethod
    def configured(cls) -> Mirror:
        """Ask apt. Raises LookupError when no Debian archive is configured."""
        listing = _output(
            *("apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)"),
            "Created-By: Packages",
        )
        found = dict(reversed([line.split("|", 1) for line in listing.splitlines()]))
        if "Debian" not in found:
            raise LookupError("apt is configured for no Debian archive (or needs apt-get update)")
        return cls(found["Debian"], found.get("Debian-Security"))

    def sources(self, suite: str) -> tuple[str, ...]:
        """Return the lines of a sources.list for ``suite``."""
        lines = [f"deb {self.main} {suite} main"]
        if self.security is not None and suite != "sid":
            lines.append(f"deb {self.security} {suite}-security main")
        return tuple(lines)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A bootable kernel: ``modules`` is a disk image, ``release`` what uname -r says."""

    release: str
    image: Path
    initramfs: Path
    modules: Path


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def polite(*command: str | Path, cwd: Path | None = None) -> None:
    """Run politely; what it says is shown only when it fails."""
    done = subprocess.run(
        ["nice", "-n", "10", *map(str, command)],
        check=False,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:])
        raise RuntimeError(f"{command[0]} ended with {done.returncode}")


def missing_tools() -> tuple[str, ...]:
    """Name the programs of TOOLS that this machine lacks."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return tuple(tool for tool in TOOLS if shutil.which(tool, path=path) is None)


@contextmanager
def workspace() -> Iterator[Path]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=CACHE) as directory:
        yield Path(directory)


def apt_options() -> tuple[str, ...]:
    """Proxies and the like that this machine's apt needs."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    lines = _output("apt-config", "dump", "Acquire").splitlines()
    return tuple(line for line in lines if line.startswith(wanted))


def _disk(target: Path, size: str, content: Path) -> None:
    """Make an ext4 image of a directory; ``target`` appears when it is whole."""
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    polite("mke2fs", "-q", "-t", "ext4", "-d", content, partial, size)
    partial.rename(target)


# ------------------------------------------------------------------------------------- root image


def root_image(suite: str = "bookworm") -> Path:
    """Path of the root image of a Debian suite, made when it is not there."""
    packages = (*run_packages(), *GUEST_PACKAGES)
    recipe = "\n".join((suite, *packages, *_EXCLUDED, _ROOT_SIZE, UNIT))
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    image = CACHE / f"root-{suite}-{digest}.img"
    if image.exists():
        return image
    build_root(image, suite, packages, UNIT)
    for older in CACHE.glob(f"root-{suite}-*.img"):
        if older != image:
            older.unlink()
    return image


def build_root(
    image: Path, suite: str, packages: tuple[str, ...], unit: str, architecture: str = "amd64"
) -> None:
    """Make a root image; another architecture's needs an emulator that the kernel knows of."""
    with workspace() as work:
        tree = work / "root"
        options = work / "apt.conf"
        options.write_text("\n".join(apt_options()) + "\n")
        polite(
            *("mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(packages)}"),
            *(f"--architectures={architecture}", f"--aptopt={options}"),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDED),
            *(suite, tree),
            *Mirror.configured().sources(suite),
        )
        _furnish(tree, unit)
        _disk(image, _ROOT_SIZE, tree)


def run_packages() -> tuple[str, ...]:
    found = re.search(r"^RUN_PACKAGES := ((?:.*\\\n)*.*)$", _MAKEFILE.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"no RUN_PACKAGES in {_MAKEFILE}")
    return tuple(found.group(1).replace("\\", " ").split())


def _furnish(tree: Path, unit: str) -> None:
    """Make the tree a guest: no questions, no network to wait for, one unit to run."""
    (tree / "etc" / "hostname").write_text("castoff-vm\n")
    (tree / "etc" / "fstab").write_text("")
    (tree / "usr" / "lib" / "modules").mkdir(parents=True, exist_ok=True)
    (tree / "etc" / "systemd" / "system" / _UNIT_NAME).write_text(unit)
    for name in ("etc/apt/sources.list", "etc/apt/apt.conf.d/99mmdebstrap"):
        (tree / name).unlink(missing_ok=True)
    run = ("chroot", tree, "systemctl")
    units = (_UNIT_NAME, "docker.service", "containerd.service", "auditd.service")
    polite(*run, "enable", *(one for one in units if _has_unit(tree, one)))
    polite(
        *run, "mask", "systemd-networkd-wait-online.service", "apt-daily.timer", "e2scrub_all.timer"
    )


def _has_unit(tree: Path, unit: str) -> bool:
    return any(
        (tree / place / unit).exists() for place in ("etc/systemd/system", "lib/systemd/system")
    )


# ----------------------------------------------------------------------------------------- kernel


def kernel(suite: str, architecture: str = "amd64") -> Kernel:
    """Return the kernel that a Debian suite ships for virtual machines; fetched once."""
    home = CACHE / f"kernel-{suite if architecture == 'amd64' else f'{architecture}-{suite}'}"
    if not home.exists():
        with workspace() as work:
            built = _build_kernel(suite, work, architecture)
            built.rename(home)
    release = (home / "release").read_text().strip()
    return Kernel(release, home / "vmlinuz", home / "initramfs.gz", home / "modules.img")


def _build_kernel(suite: str, work: Path, architecture: str) -> Path:
    packages = work / "packages"
    tree = work / "tree"
    home = work / "kernel"
    for directory in (packages, tree, home):
        directory.mkdir()
    _download(suite, work / "apt", packages, architecture)
    for package in sorted(packages.glob("*.deb")):
        polite("dpkg-deb", "-x", package, tree)
    # Since 7.0 the kernel itself lies beside its modules.
    image = next(p for root in ("boot", "usr/lib/modules") for p in (tree / root).rglob("vmlinuz*"))
    shutil.copy(image, home / "vmlinuz")
    # Merged since trixie: the modules lie below /usr.
    roots = [path for path in (tree / "lib/modules", tree / "usr/lib/modules") if path.is_dir()]
    modules = next(path for root in roots for path in root.iterdir() if (path / "kernel").is_dir())
    base = work / "depmod"
    (base / "lib").mkdir(parents=True)
    modules.parent.rename(base / "lib" / "modules")
    modules = base / "lib" / "modules" / modules.name
    polite("depmod", "-b", base, modules.name)
    busybox = next(tree.rglob("bin/busybox")).read_bytes()
    (home / "initramfs.gz").write_bytes(
        gzip.compress(_initramfs(modules, busybox), compresslevel=1)
    )
    _disk(home / "modules.img", _MODULES_SIZE, modules.parent)
    (home / "release").write_text(f"{modules.name}\n")
    return home


def _download(suite: str, state: Path, target: Path, architecture: str) -> None:
    """Fetch linux-image-cloud-ARCHITECTURE and a busybox, with an apt of our own."""
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "status").touch()
    sources = state / "sources.list"
    sources.write_text("\n".join(Mirror.configured().sources(suite)) + "\n")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": state / "lists",
        "Dir::State::Status": state / "status",
        "Dir::Cache": state,
        "APT::Sandbox::User": "root",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
    }
    options = tuple(f"-o{key}={value}" for key, value in settings.items())
    polite("apt-get", *options, "update")
    depends = (
        *("apt-cache", *options, "depends", "--recurse", "--important", "--no-recommends"),
        f"linux-image-cloud-{architecture}",
    )
    names = {line.strip() for line in _output(*depends).splitlines() if not line.startswith(" ")}
    part = re.compile(rf"linux-(image|modules|binary)-\d.*-{architecture}")
    wanted = sorted(name for name in names if part.fullmatch(name))
    polite("apt-get", *options, "download", "busybox-static", *wanted, cwd=target)


def _initramfs(modules: Path, busybox: bytes) -> bytes:
    """Busybox, the modules of the disks and of ext4 in loading order, and the script."""
    order = _loading_order(modules)
    members = [
        *(cpio.Member(name, None) for name in ("bin", "modules", "dev", "proc")),
        cpio.Member("bin/busybox", busybox, executable=True),
        cpio.Member("init", _INITRAMFS_INIT.read_bytes(), executable=True),
        cpio.Member("modules/order", "".join(f"{_plain(path)}\n" for path in order).encode()),
    ]
    members += [cpio.Member(f"modules/{_plain(path)}", _module(path)) for path in order]
    return cpio.archive(tuple(members))


def _plain(path: Path) -> str:
    return path.name.removesuffix(".xz")


def _module(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _loading_order(modules: Path) -> list[Path]:
    """Files of _BOOT_MODULES with what they need first; one that is built in has no file."""
    depends: dict[str, tuple[str, list[str]]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, needs = line.partition(":")
        depends[_name(file)] = (file, [_name(need) for need in needs.split()])
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in depends and name not in order:
            file, needs = depends[name]
            # modules.dep lists the nearest need first.
            for need in reversed(needs):
                add(need)
            order[name] = modules / file

    for name in _BOOT_MODULES:
        add(name)
    return list(order.values())


def _name(file: str) -> str:
    return Path(file).name.split(".")[0].replace("-", "_")


if __name__ == "__main__":
    root_image()
    for chosen in sys.argv[1:] or ("bullseye", "bookworm", "trixie", "sid"):
        sys.stdout.write(f"{chosen} {kernel(chosen).release}\n")
        sys.stdout.flush()
