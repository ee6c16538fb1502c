"""The command runs without the modules that it keeps out."""

from __future__ import annotations

import subprocess
import sys

from sensor.absent import ABSENT

SCRIPT = """
import sys
from sensor.absent import ABSENT, keep_out
keep_out()
import asyncio, hashlib
import sensor.cli.main
print([sys.modules[name] for name in ABSENT], hashlib.sha256(b"").hexdigest()[:4])
"""


def test_what_is_kept_out_is_not_imported_and_hashes_work() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
    )
    assert done.stdout.split("]")[0] == str([None] * len(ABSENT)).rstrip("]")
    assert done.stdout.split()[-1] == "e3b0"


def test_a_module_that_is_there_stays() -> None:
    script = "import ssl, sys; from sensor.absent import keep_out; keep_out(); import ssl as again"
    subprocess.run([sys.executable, "-c", script], check=True)
