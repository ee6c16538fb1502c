"""What was reported as durable outlasts the process, each entry once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sensor.store.reader import LogReader, Query
from tests.store.entries import BOOT, made, numbers, opened

KILLS = 15
REREAD = 50
"""Entries that the next process appends again, as the rings are read again after a kill."""


def test_what_is_durable_outlasts_fifteen_kills(tmp_path: Path) -> None:
    acknowledged, begin = -1, 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.store.killed", tmp_path, str(begin)],
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            for _ in range(3):
                acknowledged = int(child.stdout.readline())
            child.kill()
            for line in child.stdout.read().splitlines():
                acknowledged = int(line)
        begin = max(0, acknowledged - REREAD)
    with opened(tmp_path) as store:
        restored = store.restored(0, BOOT)
        cursor, found, sequences = None, [], []
        more = True
        while more:
            page = LogReader(store.path).read(Query(after=cursor, rows=1000))
            found += numbers(tuple(one.entry for one in page.entries))
            sequences += [one.sequence for one in page.entries]
            cursor, more = page.cursor, page.more
        assert found[: acknowledged + 1] == list(range(acknowledged + 1))
        assert len(set(found)) == len(found)
        assert sequences == sorted(set(sequences))
        assert restored is not None
        assert acknowledged <= restored.seen <= found[-1]
        assert store.append([made(1 << 40)])[0] > sequences[-1]
