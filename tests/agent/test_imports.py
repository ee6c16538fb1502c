"""What only some agents need is not in the memory of all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RARE = (
    "sensor.sources.controlplane.inputs",
    "sensor.agent.explaining",
    "sensor.agent.notify",
    "urllib.request",
    "email",
    "sensor.outputs.engine.engine",
    "sensor.sources.capture",
)
"""Modules that an agent imports when its configuration asks for what they do."""


def test_an_agent_imports_only_what_it_needs() -> None:
    modules = "sys, sensor.agent.agent, sensor.agent.opening, sensor.cli.run"
    code = f"import {modules}; print([one for one in {RARE!r} if one in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
