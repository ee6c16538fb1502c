"""SIGHUP: read the configuration again, and apply what can be applied without a new start.

Rules:

1. A configuration that is wrong changes nothing: the old one stays, and the log says what is wrong.
2. What cannot change while the agent runs is named in the log, and keeps its value until the next
   start: where things are kept, what containers are known by, how the store writes, the outputs.
3. Nothing that is being read is interrupted: the kernel's records wait in their rings anyway.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from sensor.agent.config import WEBHOOK
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sensor.agent.config import Config

NAMES = {
    "capture": "the capture's file",
    "directory": "the directory of the policy",
    "outputs": "[outputs]",
    "pin_root": "the place of the pins",
}
"""What is in no section, as a person finds it."""

ELSEWHERE = ("webhook", "kafka", "push")
"""Sections of ``castoff normalize``, which the agent does not read; ``push`` with all below it. An
agent that takes audit records itself reads ``webhook``."""

log = logging.getLogger("castoff")


class Reloader:
    """Holds the configuration in force. ``apply`` has a function for each key that may change."""

    def __init__(
        self,
        config: Config,
        reread: Callable[[], Config],
        apply: Mapping[str, Callable[[Config], None]],
    ) -> None:
        self.config = config
        self._reread = reread
        self._apply = apply
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def request(self) -> None:
        """Reload soon; a request during a reload is answered by another one after it."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._again = False
        self._task = asyncio.get_running_loop().create_task(self._reload())

    async def _reload(self) -> None:
        while True:
            try:
                wanted = await asyncio.to_thread(self._reread)
            except CastoffError as error:
                log.error("the configuration stays as it was: %s. %s", error.problem, error.fix)
            else:
                self.take(wanted)
            if not self._again:
                return
            self._again = False

    def take(self, wanted: Config) -> None:
        """Apply what can be applied of ``wanted``, and say what cannot."""
        before, after = values_of(self.config), values_of(wanted)
        differing = [key for key in after if after[key] != before[key]]
        applied = [key for key in differing if key in self._apply]
        for key in applied:
            self.config = with_value(self.config, key, after[key])
        for apply in dict.fromkeys(self._apply[key] for key in applied):
            apply(self.config)
        log.info("the configuration was read again: %s", _listed(applied) or "nothing to change")
        if waiting := [key for key in differing if key not in applied]:
            log.warning("takes effect with the next start of the agent: %s", _listed(waiting))


def values_of(config: Config) -> dict[str, object]:
    """Return the value of each key that the agent reads: ``section.key``, or a name of NAMES."""
    found: dict[str, object] = {name: getattr(config, name) for name in NAMES}
    for name in config.sections():
        ours = name == WEBHOOK == config.sources.kubernetes_audit
        if ours or not name.startswith(ELSEWHERE):
            section = getattr(config, name)
            for one in fields(section):
                found[f"{name}.{one.name}"] = getattr(section, one.name)
    return found


def with_value(config: Config, key: str, value: object) -> Config:
    """Return the configuration with another value of a key ``section.key``."""
    name, _, field = key.partition(".")
    section = replace(getattr(config, name), **{field: value})
    return replace(config, **{name: section})


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(NAMES.get(key, key) for key in keys)
