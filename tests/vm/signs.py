"""What a guest reports while a step takes long."""

from __future__ import annotations

import threading
import time

from tests.vm.guest import Port

SIGN_SECONDS = 60.0


class Signs:
    """Signs of life between two steps: under emulation one may take longer than the host waits."""

    def __init__(self) -> None:
        self._port = Port()
        self._lock = threading.Lock()
        threading.Thread(target=self._repeat, daemon=True).start()

    def _repeat(self) -> None:
        began = time.monotonic()
        while True:
            time.sleep(SIGN_SECONDS)
            self.say("alive", seconds=round(time.monotonic() - began))

    def say(self, what: str, **fields: object) -> None:
        with self._lock:
            self._port.say(what, **fields)
