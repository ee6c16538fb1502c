"""Changes that tests begin with."""

from __future__ import annotations

from sensor.judge.change_text import Adder

ROOT = Adder("root", 0)
