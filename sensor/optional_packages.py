"""Which modules are in Debian packages and RPMs of their own, and the error where one is missing.

A node needs the agent alone. ``packaging/of_package.py`` distributes the files by this table, so
that a module and the message about its absence cannot disagree. A checkout has all of them.
"""

from __future__ import annotations

import importlib.util

from sensor.dataclass import dataclass
from sensor.errors import CastoffError

BASE = "castoff"


@dataclass(frozen=True, slots=True)
class OptionalPackage:
    """Files below ``sensor/`` whose paths begin with one of ``begins``, but for ``kept``."""

    name: str
    begins: tuple[str, ...]
    kept: tuple[str, ...] = ()


PACKAGES = (
    OptionalPackage(
        "castoff-outputs",
        (
            *("outputs/http/", "outputs/kafka/", "outputs/nats/", "outputs/syslog/"),
            *("outputs/formats/", "outputs/lines."),
        ),
        # `forward` and `jsonl` stay, and with them the format that they use by default. So does the
        # client by which `[notify]` sends a POST.
        (
            *("outputs/formats/__init__.py", "outputs/formats/native.py"),
            *("outputs/http/__init__.py", "outputs/http/client.py", "outputs/http/message.py"),
            *("outputs/http/connection.py", "outputs/http/unpacking.py"),
        ),
    ),
    OptionalPackage(
        "castoff-report",
        (
            *("report/", "evidence/", "access/", "cli/report.", "cli/export.", "cli/verify."),
            *("cli/access.", "cli/log_place.", "store/chain_walk.", "model/access."),
        ),
        # Every list writes times as people read them.
        ("report/__init__.py", "report/moments.py"),
    ),
    OptionalPackage(
        "castoff-controlplane",
        (
            *("sources/controlplane/", "agent/explaining.", "agent/aggregator"),
            *("agent/audit_webhook.", "agent/receivers/", "cli/normalize", "cli/audit_policy."),
            *("cli/explained_records.", "cli/readings_table.", "correlate/chain"),
            *("correlate/ecs_", "correlate/explainer.", "correlate/namespace_shares."),
            *("correlate/record_order.", "correlate/request_events.", "correlate/seen_records."),
            *("correlate/start_explanation.", "correlate/task_", "model/ecs_facts."),
        ),
        # The agent's configuration file may hold these sections, too.
        ("agent/receivers/__init__.py", "agent/receivers/settings.py"),
    ),
)


class PackageMissing(CastoffError):
    """What was asked for is in a package of its own that is not installed."""

    exit_code = 69


def package_of(path: str) -> str:
    """Return the package that holds a file; ``path`` begins below ``sensor/``."""
    for package in PACKAGES:
        if path.startswith(package.begins) and path not in package.kept:
            return package.name
    return BASE


def missing_package(error: ModuleNotFoundError) -> str | None:
    """Return the optional package that would have the module; None for any other module."""
    root, _, inside = (error.name or "").partition(".")
    if root != "sensor" or not inside:
        return None
    path = inside.replace(".", "/")
    found = {package_of(f"{path}.py"), package_of(f"{path}/__init__.py")} - {BASE}
    return min(found, default=None)


def require(module: str, what: str) -> None:
    """Raise :class:`PackageMissing` where a module is absent, without importing it."""
    if importlib.util.find_spec(module) is None:
        raise package_missing(ModuleNotFoundError(name=module), what)


def package_missing(error: ModuleNotFoundError, what: str) -> PackageMissing:
    """Return the error that names the package; any other missing module is raised again."""
    package = missing_package(error)
    if package is None:
        raise error
    return PackageMissing(
        f"{what} is in the package {package}, which is not installed.",
        f"Install it: apt-get install {package} (Fedora: dnf install {package}).",
    )
