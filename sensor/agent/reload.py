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
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.errors import CastoffError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")

KEYS = {
    "capture": "the capture's file",
    "cgroup_patterns": "identity.cgroup_patterns",
    "heartbeat_seconds": "agent.heartbeat_seconds",
    "host_root": "identity.host_root",
    "kubernetes_audit": "sources.kubernetes_audit",
    "log_level": "agent.log_level",
    "node_name": "agent.node_name",
    "notify": "[notify]",
    "pin_root": "the place of the pins",
    "policy_dir": "the directory of the policy",
    "realtime": "agent.realtime",
    "requests": "sources.requests",
    "run_dir": "agent.run_dir",
    "shipping": "[outputs] and [delivery]",
    "socket": "socket.path",
    "socket_group": "socket.group",
    "state_dir": "agent.state_dir",
    "store_max_age_days": "store.max_age_days",
    "store_max_mib": "store.max_mib",
    "store_sync": "store.sync",
    "witnesses": "[sources]",
}
"""Fields of the agent's settings, as a person finds them in the configuration."""

log = logging.getLogger("castoff")


class Reloader(Generic[_Settings]):
    """Holds the settings in force. ``apply`` has a function for each field that may change."""

    def __init__(
        self,
        settings: _Settings,
        reread: Callable[[], _Settings],
        apply: Mapping[str, Callable[[_Settings], None]],
    ) -> None:
        self.settings = settings
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
                log.error(  # noqa: TRY400 - where it was raised does not help the operator
                    "the configuration stays as it was: %s. %s", error.problem, error.fix
                )
            else:
                self.take(wanted)
            if not self._again:
                return
            self._again = False

    def take(self, wanted: _Settings) -> None:
        """Apply what can be applied of ``wanted``, and say what cannot."""
        differing = [
            one.name
            for one in fields(wanted)
            if getattr(wanted, one.name) != getattr(self.settings, one.name)
        ]
        applied = {name: getattr(wanted, name) for name in differing if name in self._apply}
        self.settings = replace(self.settings, **applied)
        for apply in dict.fromkeys(self._apply[name] for name in applied):
            apply(self.settings)
        log.info("the configuration was read again: %s", _listed(applied) or "nothing to change")
        if waiting := [name for name in differing if name not in applied]:
            log.warning("takes effect with the next start of the agent: %s", _listed(waiting))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(KEYS.get(name, name) for name in names)
