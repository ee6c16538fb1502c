"""Print the software bill of materials of Debian packages, as CycloneDX 1.5: sbom.py PACKAGE...

Castoff ships none of its dependencies: they are packages of the distribution. So the components are
what the packages depend on, with the least version that they ask for, and their files with
digests. The first package is the one that the others belong to.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import uuid
from pathlib import Path
from typing import Any

LICENSES = {"probes": "GPL-2.0-only OR Apache-2.0"}
_NAMESPACE = uuid.UUID("6f0e2a5e-9d2c-5a6b-8f55-0d4f7a1b9c11")


def field(package: Path, name: str) -> str:
    """Return a field of the package's control file."""
    command = ["/usr/bin/dpkg-deb", "--field", str(package), name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def dependencies(packages: list[Path]) -> list[dict[str, Any]]:
    """Return what they depend on or suggest, the first of each alternative, but for themselves.

    Required is what the first one depends on.
    """
    own = {field(package, "Package") for package in packages}
    components: dict[str, dict[str, Any]] = {}
    for kind in ("Depends", "Recommends", "Suggests"):
        for package in packages:
            scope = "required" if kind == "Depends" and package is packages[0] else "optional"
            for part in filter(None, re.split(r",\s*", field(package, kind))):
                found = re.match(r"([a-z0-9.+-]+)(?::any)?(?:\s+\(>= ([^)]+)\))?", part)
                if found is None or found[1] in own:
                    continue
                one = _component(found[1], scope, found[2])
                components.setdefault(found[1], one)
    return list(components.values())


def _component(name: str, scope: str, version: str | None) -> dict[str, Any]:
    purl = f"pkg:deb/debian/{name}"
    one = {"type": "library", "bom-ref": purl, "name": name, "scope": scope, "purl": purl}
    return one if version is None else {**one, "version": f">= {version}"}


def files(package: Path) -> list[dict[str, Any]]:
    """Return the package's files with their digests."""
    command = ["/usr/bin/dpkg-deb", "--fsys-tarfile", str(package)]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    components = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in sorted(archive.getmembers(), key=lambda one: one.name):
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            name = member.name.removeprefix(".")
            digest = hashlib.sha256(content.read()).hexdigest()
            one = {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": digest}]}
            if name.startswith("/usr/share/castoff/probes/"):
                one["licenses"] = [{"expression": LICENSES["probes"]}]
            components.append(one)
    return components


def main(packages: list[Path]) -> None:
    """Print the document; the same packages always give the same one."""
    digest = hashlib.sha256(b"".join(one.read_bytes() for one in packages)).hexdigest()
    version = field(packages[0], "Version")
    ref = f"pkg:deb/castoff/castoff@{version}?arch=all"
    needed = dependencies(packages)
    moment = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "0")))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", moment),
            "component": {
                "type": "application",
                "bom-ref": ref,
                "name": "castoff",
                "version": version,
                "purl": ref,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": [*needed, *(file for package in packages for file in files(package))],
        "dependencies": [{"ref": ref, "dependsOn": [str(one["bom-ref"]) for one in needed]}],
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
