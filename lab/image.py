"""The image of all containers here: a static busybox with a name for each of its applets."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from lab.engines import Lab

IMAGE = "castoff.test/box:1"
COMMAND = ["sleep", "3600"]
"""What the image runs when nothing else is said; long, so that it serves as a pod's pause too."""

CHANGES = [f"CMD {json.dumps(COMMAND)}", "ENV PATH=/bin:/sbin:/usr/bin:/usr/sbin"]
"""What ``import --change`` adds to the bare file system."""

NOT_A_PROGRAM = "/bin/not-a-program"
"""Executable by its mode only: the runtime finds it, and the kernel refuses it at the exec."""


def busybox() -> Path | None:
    """Return the static busybox of this machine."""
    found = shutil.which("busybox")
    return Path(found) if found else None


class BoxImage:
    """A root file system and its tar, made once a run."""

    def __init__(self, lab: Lab) -> None:
        self.rootfs = lab.sub("image", "rootfs")
        self.archive = lab.directory / "image" / "rootfs.tar"
        self._lay_out()
        with tarfile.open(self.archive, "w") as archive:
            archive.add(self.rootfs, arcname=".")

    def _lay_out(self) -> None:
        binary = busybox()
        assert binary is not None, "busybox-static is not installed"
        for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "usr", "lib", "lib64"):
            (self.rootfs / name).mkdir(exist_ok=True)
        shutil.copy2(binary, self.rootfs / "bin" / "busybox")
        applets = subprocess.run(
            [binary, "--list"], capture_output=True, text=True, check=True
        ).stdout.split()
        for applet in applets:
            if applet != "busybox":
                (self.rootfs / "bin" / applet).symlink_to("busybox")
        (self.rootfs / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
        (self.rootfs / "etc" / "group").write_text("root:x:0:\n")
        broken = self.rootfs / NOT_A_PROGRAM.lstrip("/")
        broken.write_bytes(b"\x7fNOT-ELF\0\0\0")
        broken.chmod(0o755)
