"""What start-up left is handed back, and objects that stay are spared the collector."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, threading
from pathlib import Path
from sensor.linux import malloc

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

malloc.one_arena()
threads = [threading.Thread(target=lambda: [bytes(600) for _ in range(9999)]) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
held = [bytes(900) for _ in range(60_000)]
before = resident()
del held
cycle = []; cycle.append(cycle); del cycle
malloc.settle()
assert gc.get_freeze_count() > 1000
assert resident() < before - 5000, (before, resident())
"""


def test_memory_that_was_freed_goes_back_to_the_node() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)


TABLES = """
from pathlib import Path
from sensor.linux import malloc

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

if {apart}:
    malloc.large_apart()
held = []
before = resident()
for number in range(40):
    table = bytearray(2_000_000)
    table[::4096] = b"x" * len(table[::4096])
    held.append(bytes(3000))
    del table
    table = bytearray(4_000_000 + number)
    table[::4096] = b"x" * len(table[::4096])
    held.append(bytes(3000))
    del table
print(resident() - before)
"""


def test_large_tables_that_are_made_anew_leave_no_holes() -> None:
    def grown(*, apart: bool) -> int:
        program = TABLES.format(apart=apart)
        done = subprocess.run(
            [sys.executable, "-c", program], check=True, timeout=60, capture_output=True
        )
        return int(done.stdout)

    assert grown(apart=True) < 200 < grown(apart=False)


SELDOM = """
import gc
from sensor.linux import malloc

malloc.collect_seldom()
assert gc.get_freeze_count() > 1000
before = gc.get_stats()[0]["collections"]
held = [[] for _ in range(malloc.COLLECTED_AFTER // 2)]
assert gc.get_stats()[0]["collections"] == before
held += [[] for _ in range(malloc.COLLECTED_AFTER)]
assert gc.get_stats()[0]["collections"] > before
"""


def test_a_command_that_reads_much_collects_seldom_and_still_does() -> None:
    subprocess.run([sys.executable, "-c", SELDOM], check=True, timeout=60)
