"""A small probe set as it is kept."""

from __future__ import annotations

from sensor.bpf.kept_programs import KeptMap, KeptPrograms, MapType
from tests.bpf.test_instructions import EXIT, load_64

KEY = "0123456789abcdef" * 4

KEPT = KeptPrograms(
    key=KEY,
    maps=(
        KeptMap("lifecycle", MapType.RINGBUF, 0, 0, 4096, 0),
        KeptMap("inits", MapType.HASH, 4, 32, 64, 1),
    ),
    code={"on_exec": load_64(1, 1) + EXIT, "on_exit": EXIT},
    missing=("on_sent",),
)
