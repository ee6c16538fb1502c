"""What a person reads of a start: its cause in words, and lengths of time.

Pure: values of an event go in, texts come out. What others chose in them is made visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.vocabulary import StartCause, StartKind, Trigger
from sensor.schema.text import columns, fit, visible

if TYPE_CHECKING:
    from sensor.model.events import Initiator, InitiatorProcess, Start

PHRASES = {
    Trigger.USER_COMMAND: "a command",
    Trigger.API_CLIENT: "an API client",
    Trigger.CONTAINER: "a process in a container",
    Trigger.RESTART_POLICY: "the restart policy",
    Trigger.ENGINE_BOOT: "the start of the engine",
    Trigger.ORCHESTRATOR: "the orchestrator",
    Trigger.SERVICE_MANAGER: "the service manager",
    Trigger.DIRECT_RUNTIME: "a runtime run by hand",
    Trigger.UNKNOWN: "an unknown cause",
}
_AFTER = {
    StartCause.CRASH: "a crash",
    StartCause.OOM: "an out-of-memory kill",
    StartCause.KILLED_BY_ORCHESTRATOR: "a stop by kubelet",
    StartCause.SANDBOX_DIED: "its sandbox ended",
    StartCause.ENGINE_BOOT: "a boot",
}
"""What a restart came after. Its trigger may say the same: the start of the engine."""
_SPANS = (
    (1, 0.001, "{:.0f} ms"),
    (60, 1, "{:.1f} s"),
    (3600, 60, "{:.0f} min"),
    (86400, 3600, "{:.0f} h"),
)
LEAST_TIME = len("2026-01-31T12:00:00")
COMMAND_MIN = 16
"""Columns of a command that are never given to what stands behind it."""
_STOPPED = frozenset({StartKind.RESTART, StartKind.REACTIVATION})


def span(seconds: float) -> str:
    """Return a length of time as people say it: 3 ms, 2.5 s, 4 min, 6 h, 12 d."""
    for limit, size, form in _SPANS:
        if seconds < limit:
            return form.format(seconds / size)
    return f"{seconds / 86400:.0f} d"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 event``, ``3 events``."""
    plural = noun.removesuffix("y") + "ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def moment(time: str) -> str:
    """Return a time of RFC 3339 as people read it: to the second."""
    return f"{time[:10]} {time[11:19]} UTC" if len(time) > LEAST_TIME else time


def start_phrase(start: Start) -> str:
    """Return what kind of start it was and why: ``restart by the restart policy, down for 1 s``."""
    kind = "first start" if start.kind is StartKind.FIRST else f"{start.kind}".replace("_", " ")
    return f"{kind} by {PHRASES[start.trigger]}{after(start)}{down(start)}"


def after(start: Start) -> str:
    """Return what made a restart necessary: ``, after a crash``, or nothing."""
    reason = None if start.cause is None else _AFTER.get(start.cause)
    if reason is None or start.trigger is Trigger.ENGINE_BOOT:
        return ""
    return f", after {reason}"


def down(start: Start) -> str:
    """Return for how long the container had been stopped: ``, down for 1 s``, or nothing."""
    if start.dormant_seconds is None or start.kind not in _STOPPED:
        return ""
    return f", down for {span(start.dormant_seconds)}"


def cause(start: Start, initiator: Initiator | None, room: int | None = None) -> str:
    """Return the cause for a table: the command first, then who, then what else is known.

    Where ``room`` columns do not hold that, the arguments of a long command make room for who.
    """
    process = None if initiator is None else initiator.process
    command = "" if process is None else visible(_command(start.trigger, process))
    if start.trigger is Trigger.UNKNOWN:
        head, command = "unknown", ""
    elif start.trigger is Trigger.USER_COMMAND and command:
        head = ""
    else:
        head = PHRASES[start.trigger].removeprefix("a ").removeprefix("an ").removeprefix("the ")
        head += ": " if command else ""
    again = f", attempt {start.attempt}" if start.attempt else ""
    rest = after(start) + down(start) + again
    of_node = start.trigger is Trigger.ORCHESTRATOR
    people = [
        visible(_by(initiator, of_node=of_node)),
        visible(_by(initiator, alone=True, of_node=of_node)),
    ]
    if room is not None and columns(head + command + people[0] + rest) > room:
        for who in people:
            kept = room - columns(head + who)
            if columns(command) <= kept:
                break
            if kept >= COMMAND_MIN:
                # What stands behind it has no room.
                return head + fit(command, kept) + who
    return head + command + people[0] + rest


def _command(trigger: Trigger, process: InitiatorProcess) -> str:
    if trigger is Trigger.ORCHESTRATOR:
        # Its command line has a hundred options, and is the same for every pod.
        name = process.exe or (process.argv[0] if process.argv else "")
        return name.rpartition("/")[2]
    program, *arguments = process.argv or (process.exe or "",)
    return " ".join((program.rpartition("/")[2] or program, *arguments))


def _by(initiator: Initiator | None, *, alone: bool = False, of_node: bool = False) -> str:
    """Return who: the login, and the account where that is another one; or the login ``alone``."""
    if initiator is None or initiator.user is None:
        return ""
    user = initiator.user
    if of_node and user.auid is None and user.uid == 0:
        # A kubelet is root always.
        return ""
    login = user.auid_name or (None if user.auid is None else f"uid {user.auid}")
    account = user.name or (None if user.uid is None else f"uid {user.uid}")
    if not (login or account):
        return ""
    other = login and account and login != account and not alone
    also = f" as {account}" if other else ""
    return f" by {login or account}{also}"
