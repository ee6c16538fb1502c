"""Who wrote an engine's configuration: the next container may be started by other rules.

audit reports each write to a file that the rules of key ``castoff_config`` watch, with the login of
its author. Each becomes a ``sensor`` event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.events import SensorNote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.correlate.events import EventFactory, Output
    from sensor.model.witness_records import EngineConfigWritten

WRITTEN = "engine_config_written"


class EngineConfigs:
    """Makes the events; keeps nothing."""

    def __init__(
        self,
        factory: EventFactory,
        emit: Callable[[Output], None],
        account_names: Callable[[], Mapping[int, str]],
    ) -> None:
        self._factory = factory
        self._emit = emit
        self._account_names = account_names

    def on_written(self, write: EngineConfigWritten) -> None:
        """Report a write with its program, and the login or account behind it."""
        caller = write.caller
        who = caller.loginuid if caller.loginuid is not None else caller.uid
        by = None if who is None else self._account_names().get(who) or str(who)
        detail = f"{write.path} by {caller.exe or 'an unknown program'}"
        self._emit(self._factory.sensor(write.time, SensorNote(WRITTEN, detail=detail, by=by)))
