"""From the first execve of a container's init to its line having been read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.agent import wall
from bench.burst import PARALLEL
from bench.numbers import percentile
from bench.rows import Row

if TYPE_CHECKING:
    from bench.burst import Burst

P50_MS = 0.7
P99_MS = 8.0
NS_PER_MS = 1e6


def rows(burst: Burst, command: str) -> list[Row]:
    """Take the kernel's time of each start from the time at which its line was read."""
    starts = burst.of("start")
    waits = [(line.read - wall(line.event["time"])) / NS_PER_MS for line in starts]
    inside = [(line.read - wall(line.event["observed"])) / NS_PER_MS for line in starts]
    p50, p99, most = (percentile(waits, share) for share in (0.5, 0.99, 1.0))
    values = {
        "p50_ms": p50,
        "p99_ms": p99,
        "max_ms": most,
        "observed_to_read_p50_ms": percentile(inside, 0.5),
        "observed_to_read_p99_ms": percentile(inside, 0.99),
    }
    return [
        Row(
            f"init's execve to line read, {PARALLEL} at a time",
            f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {most:.2f} ms",
            f"p50 {P50_MS} ms, p99 {P99_MS:.0f} ms",
            p50 <= P50_MS and p99 <= P99_MS,
            command,
            values,
        )
    ]
