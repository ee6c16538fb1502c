"""What the sensor reports of itself and its node: lost probes, a stalled agent, the clock, files.

Each absence is a ``gap`` that says from when to when something may be missing. What an operator has
to act on is a ``sensor`` event as well, with an action of its own. So is a write to an engine's
configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.events import Gap, SensorNote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.correlate.events import EventFactory, Output
    from sensor.model.agent_records import (
        AgentStalled,
        ClockStepped,
        Notice,
        OutputLoss,
        ProbesLost,
        ProbesRestored,
        StoreLoss,
    )
    from sensor.model.kernel_records import KernelLoss
    from sensor.model.witness_records import (
        AuditLoss,
        AuditRulesChanged,
        EngineConfigWritten,
        EngineLoss,
    )

PROGRAMS_NAMED = 16
"""Programs that a reason lists."""

_NS_PER_SECOND = 1_000_000_000


class SensorHealth:
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

    def on_lost(self, lost: ProbesLost) -> None:
        """Report at once: an intruder who switches the probes off may end the agent next."""
        self._note("probes_lost", lost.time)
        names = ", ".join(lost.programs[:PROGRAMS_NAMED])
        reason = f"{lost.reason}: {names}" if names else lost.reason
        self._emit(self._factory.gap(Gap("kernel", reason, lost.since, lost.time)))

    def on_loss(self, loss: KernelLoss) -> None:
        """Report what the probes could not hand over, or what was not understood of it."""
        ring = f"kernel.{loss.ring}"
        losses = (
            (ring, f"ring buffer full: {loss.kind} records dropped", loss.dropped),
            (ring, f"rate limit: {loss.kind} records held back", loss.limited),
            ("kernel", "records of the probes were not understood", loss.malformed),
        )
        for source, reason, lost in losses:
            if lost:
                gap = Gap(source, reason, loss.since, loss.time, lost)
                self._emit(self._factory.gap(gap))

    def on_audit_loss(self, loss: AuditLoss) -> None:
        """Report audit records that did not arrive."""
        self._gap("audit", loss.reason, loss, loss.lost)

    def on_engine_loss(self, loss: EngineLoss) -> None:
        """Report events of an engine that did not arrive, or were not read."""
        reason = (
            f"events of {loss.source} not received: {loss.missed} missed, {loss.dropped} unread"
        )
        self._gap(loss.source, reason, loss, loss.missed + loss.dropped)

    def on_store_loss(self, loss: StoreLoss) -> None:
        """Report events that the log could not keep."""
        self._gap("store", loss.reason, loss, loss.lost)

    def on_output_loss(self, loss: OutputLoss) -> None:
        """Report events that a reader did not take in time."""
        self._gap(f"output.{loss.output}", "the reader is too slow", loss, loss.lost)

    def _gap(
        self,
        source: str,
        reason: str,
        loss: AuditLoss | EngineLoss | StoreLoss | OutputLoss,
        lost: int | None,
    ) -> None:
        self._emit(self._factory.gap(Gap(source, reason, loss.since, loss.time, lost)))

    def on_restored(self, restored: ProbesRestored) -> None:
        """Report until when the probes may have been blind."""
        self._note("probes_restored", restored.time)
        reason = "probes were attached again: what happened meanwhile may be missing"
        self._emit(self._factory.gap(Gap("kernel", reason, restored.since, restored.time)))

    def on_stalled(self, stalled: AgentStalled) -> None:
        """Report that nothing was read for a while; the probes went on recording."""
        self._note("stalled", stalled.time)
        seconds = (stalled.time - stalled.since) / _NS_PER_SECOND
        reason = f"the agent did not run for {seconds:.0f} s: stopped by a signal, or starved"
        self._emit(self._factory.gap(Gap("agent", reason, stalled.since, stalled.time)))

    def on_audit_rules(self, changed: AuditRulesChanged) -> None:
        """Report that the kernel does not record what Castoff asked it to, or does again."""
        if not changed.lost:
            self._note("audit_rules_restored", changed.time)
            reason = "audit rules are loaded again: what audit records of meanwhile is missing"
            self._emit(self._factory.gap(Gap("audit", reason, changed.since, changed.time)))
            return
        detail, login = changed.what, changed.loginuid
        by = None if login is None else self._account_names().get(login) or str(login)
        note = SensorNote("audit_rules_lost", detail=detail, by=by)
        self._emit(self._factory.sensor(changed.time, note))
        self._emit(self._factory.gap(Gap("audit", detail, changed.since, changed.time)))

    def on_engine_config(self, write: EngineConfigWritten) -> None:
        """Report a write with its program, and the login or account behind it."""
        caller = write.caller
        who = caller.loginuid if caller.loginuid is not None else caller.uid
        by = None if who is None else self._account_names().get(who) or str(who)
        detail = f"{write.path} by {caller.exe or 'an unknown program'}"
        self._emit(
            self._factory.sensor(
                write.time, SensorNote("engine_config_written", detail=detail, by=by)
            )
        )

    def on_stepped(self, stepped: ClockStepped) -> None:
        """Report that times before and after do not compare."""
        self._note("clock_stepped", stepped.time)
        seconds = stepped.step / _NS_PER_SECOND
        reason = f"the wall clock was set by {seconds:+.3f} s"
        self._emit(self._factory.gap(Gap("clock", reason, stepped.time, stepped.time)))

    def on_notice(self, notice: Notice) -> None:
        """Report what another part of the agent did or refused."""
        note = SensorNote(notice.action, detail=notice.detail, by=notice.by, log=notice.log)
        self._emit(self._factory.sensor(notice.time, note))

    def _note(self, action: str, time: int) -> None:
        self._emit(self._factory.sensor(time, SensorNote(action)))
