"""Files of baselines: exports of nodes, and the layer of a fleet that a node takes over.

The first line is a header, each other line a row. A fleet's file lies beside the policy, belongs to
root and is read at the start and by SIGHUP, under the same conditions as a policy.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sensor.agent import policy_files
from sensor.errors import ConfigError
from sensor.judge import baseline_text
from sensor.judge.baseline_text import EXPORT, FLEET, ROWS_MAX, TextRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_MAX = 64 << 20
"""Bytes of one file."""
NAME = "fleet.jsonl"
"""The fleet's file beside the policy."""
LINE_MAX = 16 * 1024


def read_export(path: Path) -> tuple[dict[str, Any], list[TextRow]]:
    """Read an export. Raises ConfigError."""
    header, lines = _open(path, EXPORT)
    if not isinstance(header.get("host"), str) or type(header.get("sequence")) is not int:
        raise _wrong(path, "a header without host and sequence")
    return header, [_row(path, line) for line in lines]


def merge(paths: tuple[Path, ...]) -> Iterator[str]:
    """Merge exports to a fleet's file, line by line. Raises ConfigError."""
    rows = baseline_text.merged(read_export(path) for path in paths)
    yield json.dumps({"format": FLEET, "exports": len(paths), "rows": len(rows)})
    for row in rows:
        yield json.dumps(row, separators=(",", ":"))


def read_fleet(data: bytes, path: Path) -> tuple[dict[tuple[str, str, str], int], str]:
    """Return hosts by profile, feature and value, and where they come from. Raises ConfigError."""
    header, lines = _parsed(data, path, FLEET)
    hosts: dict[tuple[str, str, str], int] = {}
    for line in lines:
        row = _row(path, line)
        count = line.get("hosts")
        if type(count) is not int or count < 1:
            raise _wrong(path, "a row without its number of hosts")
        hosts[row.key] = count
    exports = header.get("exports")
    if type(exports) is not int:
        raise _wrong(path, "a header without its number of exports")
    digest = hashlib.sha256(data).hexdigest()
    return hosts, f"{path.name}, {exports} exports, sha256 {digest[:16]}"


def load_fleet(directory: Path) -> tuple[dict[tuple[str, str, str], int], str] | None:
    """Read the fleet's file beside the policy; None where there is not one. Raises ConfigError."""
    path = directory / NAME
    data = policy_files.trusted_bytes(directory, NAME, FILE_MAX)
    return None if data is None else read_fleet(data, path)


def _open(path: Path, wanted: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "Check the path.") from error
    return _parsed(data, path, wanted)


def _parsed(data: bytes, path: Path, wanted: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if len(data) > FILE_MAX:
        raise _wrong(path, f"more than {FILE_MAX} bytes")
    if data.count(b"\n") > ROWS_MAX + 1:
        raise _wrong(path, f"more than {ROWS_MAX} rows")
    found: list[dict[str, Any]] = []
    # By newlines alone, of which there are not too many: bytes.splitlines knows other ends.
    for line in data.removesuffix(b"\n").split(b"\n") if data else ():
        if len(line) > LINE_MAX:
            raise _wrong(path, f"a line of more than {LINE_MAX} bytes")
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _wrong(path, f"line {len(found) + 1} is not JSON") from error
        if not isinstance(value, dict):
            raise _wrong(path, f"line {len(found) + 1} is not an object")
        found.append(value)
    if not found or found[0].get("format") != wanted:
        raise _wrong(path, f"it does not begin with a header of format {wanted}")
    return found[0], found[1:]


def _row(path: Path, line: dict[str, Any]) -> TextRow:
    try:
        return baseline_text.row_of(line)
    except ValueError as error:
        raise _wrong(path, str(error)) from error


def _wrong(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"{path}: {reason}", "Write it with castoff baseline export, or castoff baseline merge."
    )
