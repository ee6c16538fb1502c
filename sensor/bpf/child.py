"""Ask a short-lived child to build a probe set: a module that reads JSON and answers with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sensor.bpf.probe_set import Built

_TAIL = 2000
"""Characters of what a child said last."""


class NoAnswer(Exception):
    """A child ended without an answer."""


def ask(module: str, request: dict[str, Any], timeout: float) -> Built:
    """Return a child's answer. Raises :class:`NoAnswer`, or TimeoutExpired of subprocess."""
    package = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [sys.executable, "-P", "-m", module],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        cwd=package,
        env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(package)},
    )
    lines = result.stdout.strip().splitlines()
    try:
        values = json.loads(lines[-1])
        values["missing"] = tuple(values["missing"])
        if values.get("problem") and (first := _first_error(result.stderr)):
            values["problem"] += f": {first}"
        return Built(**values)
    except (IndexError, ValueError, TypeError, KeyError) as error:
        tail = result.stderr.strip()[-_TAIL:]
        raise NoAnswer(f"process ended with {result.returncode}: {tail}") from error


def _first_error(messages: str) -> str | None:
    """Return the compiler's first error, which names the part and the line."""
    found = (line for line in messages.splitlines() if ": error: " in line)
    return next(found, None)
