"""Print those paths of standard input that belong to a package: of_package.py PACKAGE.

Paths begin at the root of the source tree. ``sensor/optional_packages.py`` decides.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sensor.optional_packages import BASE, PACKAGES, package_of


def belongs(path: str, package: str) -> bool:
    """Whether a file of the source tree is in a package; all other files are in the base."""
    below = path.partition("sensor/")[2] if path.startswith("sensor/") else None
    return package == (BASE if below is None else package_of(below))


def main(package: str) -> None:
    """Copy lines. Raises SystemExit for a package that does not exist."""
    if package not in {BASE, *(one.name for one in PACKAGES)}:
        raise SystemExit(f"of_package.py: there is no package {package!r}")
    for line in sys.stdin:
        if belongs(line.rstrip("\n"), package):
            sys.stdout.write(line)


if __name__ == "__main__":
    main(sys.argv[1])
