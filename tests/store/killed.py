"""A process that appends until it is killed: ``python -m tests.store.killed DIRECTORY FIRST``.

Prints a number once its entry and all before it are durable.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from sensor.store.callbacks import Callbacks
from sensor.store.log import Store
from tests.store.entries import BOOT, made

ROOM = 1 << 20


def main() -> None:
    """Append entries one by one, each marked."""
    store = Store(Path(sys.argv[1]), None, Callbacks(durable=lambda token: _say(int(str(token)))))
    for number in itertools.count(int(sys.argv[2])):
        store.append([made(number)])
        store.note(BOOT, number, (), ())
        store.mark(number)
        if store.health().waiting_bytes > ROOM:
            store.flush(1.0)


def _say(number: int) -> None:
    os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    main()
