"""Print the software bill of materials of a Debian package, as CycloneDX 1.5: sbom.py PACKAGE.

Castoff ships none of its dependencies: they are packages of the distribution. So the components are
what the package depends on, with the least version that it asks for, and its files with digests.
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


def dependencies(package: Path) -> list[dict[str, Any]]:
    """Return the packages that it depends on or suggests, the first of each alternative."""
    components = []
    for kind, scope in (("Depends", "required"), ("Suggests", "optional")):
        for part in filter(None, re.split(r",\s*", field(package, kind))):
            found = re.match(r"([a-z0-9.+-]+)(?::any)?(?:\s+\(>= ([^)]+)\))?", part)
            if found is None:
                continue
            name, version = found.groups()
            purl = f"pkg:deb/debian/{name}"
            one = {"type": "library", "bom-ref": purl, "name": name, "scope": scope, "purl": purl}
            if version is not None:
                one["version"] = f">= {version}"
            components.append(one)
    return components


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


def main(package: Path) -> None:
    """Print the document; the same package always gives the same one."""
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    version = field(package, "Version")
    ref = f"pkg:deb/castoff/castoff@{version}?arch=all"
    needed = dependencies(package)
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
                "hashes": [{"alg": "SHA-256", "content": digest}],
            },
        },
        "components": needed + files(package),
        "dependencies": [{"ref": ref, "dependsOn": [str(one["bom-ref"]) for one in needed]}],
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
