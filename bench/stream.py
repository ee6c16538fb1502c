"""The memory of ``castoff normalize`` over a long file: ``python -m bench.stream [GIB [QUIET]]``.

The recorded scenario is piped in again and again, each time an hour later and with ids, uids and
namespaces of its own, so that every table fills up to its limit. Its records that concern no
container (reads, leases, statuses) follow each time ``QUIET`` times more, each with an id of its
own, as they are most of a live cluster's log. Resident memory is read at each GiB.
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from bench.command import parser, reporting
from bench.rows import Row
from sensor.linux.process import usage_of
from sensor.sources.controlplane import kubernetes_audit

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "python -m bench.stream"
ROOT = Path(__file__).parents[1]
LOG = ROOT / "tests/corpora/controlplane/kubernetes/scenario/audit.log"
GIB = 1 << 30
MIB = 1 << 20
TARGET_GIB = 10
QUIET = 8
"""Of a live cluster's records nine of ten are skipped."""
SETTLED_GIB = 6
"""By then every table is full but that of nodes: where nine of ten are skipped, the records that
count fill those of pods and workloads in 5 GiB."""
GROWTH_LIMIT = 8
"""MiB from there to the end."""
_OWN = (b'"auditID":"', b'"uid":"', b'"namespace":"')
_ID = b'"auditID":"'
_RECORDED = b"2026-11-29T02:"
"""All times of the log are within this hour."""
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
"""Hours of a long stream end before today: a time to come counts as now."""


def pieces(quiet: int = QUIET) -> Iterator[bytes]:
    """Yield the log again and again, each time of other objects, and what is skipped more often."""
    data = LOG.read_bytes()
    lines = data.splitlines(keepends=True)
    skipped = b"".join(line for line in lines if kubernetes_audit.skim(line) is not None)
    for number in count():
        yield other(data, number)
        later = skipped.replace(_RECORDED, _hour(number))
        for again in range(quiet):
            yield later.replace(_ID, _ID + b"%07d-%03d-" % (number, again))


def other(data: bytes, number: int) -> bytes:
    """Return records of other objects, ``number`` hours later."""
    data = data.replace(_RECORDED, _hour(number))
    for key in _OWN:
        data = data.replace(key, key + b"%07d-" % number)
    return data


def _hour(number: int) -> bytes:
    return (_BEGIN + timedelta(hours=number)).strftime("%Y-%m-%dT%H:").encode()


def measured(total: int, quiet: int) -> list[float]:
    """Pipe so many GiB in and return the memory at each."""
    command = [sys.executable, "-m", "sensor", "normalize", "kubernetes"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        if process.stdin is None:
            raise RuntimeError("no pipe")
        sent = 0
        found: list[float] = []
        for piece in pieces(quiet):
            process.stdin.write(piece)
            sent += len(piece)
            if sent >= (len(found) + 1) * GIB:
                usage = usage_of(process.pid)
                if usage is None:
                    raise RuntimeError("it has ended")
                found.append(usage.resident / MIB)
                print(f"{len(found):3} GiB  {found[-1]:8.1f} MiB", flush=True)
            if len(found) >= total:
                break
        process.stdin.close()
        process.wait()
    return found


def _skipped(quiet: int) -> str:
    """Return how many of the records are skipped."""
    lines = LOG.read_bytes().splitlines(keepends=True)
    some = sum(kubernetes_audit.skim(line) is not None for line in lines)
    return f"{100 * some * (1 + quiet) // (len(lines) + some * quiet)} % of the records skipped"


def main() -> None:
    """Print the memory and the machine."""
    made = parser(COMMAND, __doc__)
    made.add_argument("gib", metavar="GIB", type=int, nargs="?", default=TARGET_GIB)
    made.add_argument("quiet", metavar="QUIET", type=int, nargs="?", default=QUIET)
    arguments = made.parse_args()
    total = arguments.gib
    with reporting(arguments.json) as rows:
        began = time.monotonic()
        found = measured(total, arguments.quiet)
        spent = time.monotonic() - began
        settled = found[min(SETTLED_GIB, len(found)) - 1]
        grown = found[-1] - settled
        rows += [
            Row(
                f"resident at {total} GiB, {_skipped(arguments.quiet)}",
                f"{found[-1]:.0f} MiB",
                None,
                None,
                COMMAND,
            ),
            Row(
                f"growth from {SETTLED_GIB} to {total} GiB",
                f"{grown:.1f} MiB",
                f"{GROWTH_LIMIT} MiB",
                grown < GROWTH_LIMIT,
                COMMAND,
            ),
            Row("read", f"{total * 1024 / spent:.0f} MiB/s", None, None, COMMAND),
        ]


if __name__ == "__main__":
    main()
