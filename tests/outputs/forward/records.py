"""Records of golden events."""

from __future__ import annotations

from sensor.outputs.forward import record
from sensor.outputs.forward.chunk import Encoding

PLAIN = Encoding("castoff.event", 0, record.native)
