"""Name what the numbers were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """The processor, how many of it, memory, kernel and the day; no host name."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    date: str
    load: float
    """Load average of the minute before the bench: what else went on."""

    def __str__(self) -> str:
        """One line for a person."""
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.kernel},"
            f" {self.date} (load before: {self.load:.1f})"
        )


def machine() -> Machine:
    """Look at this machine."""
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    version = ".".join(platform.release().partition("-")[0].split(".")[:3])
    return Machine(
        processor=processor,
        cores=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30),
        kernel=f"Linux {version}",
        date=datetime.now(tz=UTC).date().isoformat(),
        load=os.getloadavg()[0],
    )
