"""The table for people: one line an event, cut to the terminal, safe to show.

Pure: the caller says how wide the terminal is, whether it may be coloured, and writes the lines.
Nothing reads this output but eyes; programs take JSON lines (:mod:`sensor.schema.document`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.cli.wording import cause, counted, span
from sensor.dataclass import dataclass
from sensor.model.alert import AlertState
from sensor.model.vocabulary import Confidence, EventType, StartKind
from sensor.schema.text import columns, fit, fit_middle, visible
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.model.alert import Alert
    from sensor.model.container import Orchestrator
    from sensor.model.control_plane import Request
    from sensor.model.events import Event, Start, Stop, Verdict

SHORT_ID = 12
HEX_ID = 64
"""Characters of a container id that people are shown, as engines do."""
TIME_WIDTH, TIME_WIDTH_NARROW = 12, 8
EVENT_WIDTH = 12
RUNTIME_WIDTH = 10
NARROW = 110
"""Below so many columns the milliseconds and the runtime give their room to name and cause."""
IMAGELESS = 100
"""Below so many columns the image does, too: the first words of a cause are never cut."""
NAME_SHARE, IMAGE_SHARE = 0.20, 0.22
"""Parts of the room beside the fixed columns; the cause takes what is left and is cut last."""
NAME_MIN, IMAGE_MIN = 10, 12
POD_MORE = 5
"""Columns that a pod's name takes beyond those, where the cause leaves them: a random part has five
letters, by which the pods of a Deployment are distinguished."""
WIDTH_UNLIMITED = 160
"""The layout where there is no terminal; there, the last column is not cut."""
SEPARATOR = "  "

_COLOURS = {
    EventType.START: "32",
    EventType.START_FAILED: "31",
    EventType.STOP: "2",
    EventType.PAUSE: "2",
    EventType.UNPAUSE: "2",
    EventType.START_REQUESTED: "34",
    EventType.START_REPORTED: "2",
    EventType.STOP_REQUESTED: "2",
    EventType.START_EXPLAINED: "34",
    EventType.ALERT: "1;31",
    EventType.GAP: "1;33",
    EventType.SENSOR: "36",
}
_NAMES = {
    EventType.START_REQUESTED: "requested",
    EventType.START_REPORTED: "reported",
    EventType.STOP_REQUESTED: "stop asked",
    EventType.START_EXPLAINED: "explained",
}
"""Names that fit the column."""
UNEXPECTED, UNEXPLAINED = "! ", "* "
"""Marks before the cause of a start: not expected, and without an explanation."""
_CONFIDENCE_MARKS = {Confidence.INFERRED: "~", Confidence.AMBIGUOUS: "?"}


def colour_wanted(environment: Mapping[str, str], *, terminal: bool) -> bool:
    """Return whether to colour: on a terminal that can, unless NO_COLOR is set and not empty."""
    return terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


@dataclass(frozen=True, slots=True)
class Table:
    """How the lines look.

    ``width`` is the terminal's in columns, or None where there is no terminal. Lines end without
    a newline.
    """

    width: int | None = None
    colour: bool = False

    def header(self) -> str:
        """Return the line with the columns' names."""
        time = "TIME" if self._narrow else "TIME (UTC)"
        line = self._row(time, "EVENT", "CONTAINER", "NAME", "IMAGE", "RUNTIME", lambda _: "CAUSE")
        return f"\x1b[1m{line}\x1b[0m" if self.colour else line

    def line(self, event: Event) -> str:
        """Return the event's line."""
        container = event.container
        if container is None:
            return self._coloured(event, self._sentence(event))
        image = container.image
        line = self._row(
            _clock(event.time + event.realtime_offset),
            _event(event),
            (container.id or "unknown")[:SHORT_ID],
            _name(event),
            (image.name or image.id or "-") if image else "-",
            container.runtime or container.oci_runtime or "-",
            lambda room: _cause(event, room),
            in_pod=event.orchestrator is not None,
        )
        return self._coloured(event, line)

    def _coloured(self, event: Event, line: str) -> str:
        return f"\x1b[{_COLOURS[event.type]}m{line}\x1b[0m" if self.colour else line

    def _sentence(self, event: Event) -> str:
        """Return the line of an event about no container: its text takes all columns."""
        time = _clock(event.time + event.realtime_offset)[: self._time_width]
        head = (fit(time, self._time_width), fit(_event(event), EVENT_WIDTH))
        line = SEPARATOR.join((*head, visible(_cause(event))))
        return (line if self.width is None else fit(line, self.width)).rstrip()

    @property
    def _time_width(self) -> int:
        return TIME_WIDTH_NARROW if self._narrow else TIME_WIDTH

    @property
    def _narrow(self) -> bool:
        return self.width is not None and self.width < NARROW

    def _row(
        self,
        time: str,
        what: str,
        short_id: str,
        name: str,
        image: str,
        runtime: str,
        why: Callable[[int | None], str],
        *,
        in_pod: bool = False,
    ) -> str:
        """Return a line; ``why`` gives its last column for so many columns that are left."""
        name, image, runtime = visible(name), visible(image), visible(runtime)
        fixed = [fit(time[: self._time_width], self._time_width), fit(what, EVENT_WIDTH)]
        fixed.append(fit(visible(short_id), SHORT_ID))
        if not self._narrow:
            fixed.append(fit(runtime, RUNTIME_WIDTH))
        taken = sum(map(columns, fixed)) + len(SEPARATOR) * (len(fixed) + 2)
        room = (self.width or WIDTH_UNLIMITED) - taken
        share = max(NAME_MIN, int(room * NAME_SHARE))
        imageless = self.width is not None and self.width < IMAGELESS
        images = 0 if imageless else max(IMAGE_MIN, int(room * IMAGE_SHARE))
        if in_pod and columns(visible(why(None))) <= room - share - images - POD_MORE:
            share += POD_MORE
        shown = [fit_middle(name, share) if in_pod else fit(name, share)]
        if not imageless:
            shown.append(fit(image, images))
        before = SEPARATOR.join([*fixed, *shown, ""])
        left = None if self.width is None else max(0, self.width - columns(before))
        line = before + visible(why(left))
        return (line if self.width is None else fit(line, self.width)).rstrip()


def _clock(wall: int) -> str:
    """Return HH:MM:SS.mmm of a wall time in ns."""
    text = rfc3339(wall)
    return "-" if text is None else text[11:23]


def _event(event: Event) -> str:
    if event.type is EventType.START and event.start is not None:
        return "start" if event.start.kind is StartKind.FIRST else event.start.kind
    return _NAMES.get(event.type) or event.type.removeprefix("container.")


def _cause(event: Event, room: int | None = None) -> str:
    if event.gap is not None:
        lost = "" if event.gap.lost is None else f", {event.gap.lost} lost"
        return f"{event.gap.source}: {event.gap.reason}{lost}"
    if event.sensor is not None:
        count, detail = event.sensor.containers, event.sensor.detail
        running = "" if count is None else f", {counted(count, 'container')} running"
        action = event.sensor.action + running
        return action if detail is None else f"{action}: {detail}"
    if event.stop is not None:
        ending = _ending(event.stop)
        return ending if event.start is None else f"{_started(event, event.start, None)}: {ending}"
    if event.alert is not None:
        return _alerted(event.alert, event.verdict)
    if event.start is not None:
        mark = _judged(event)
        return mark + _started(event, event.start, None if room is None else room - len(mark))
    return _explained(event.orchestrator) if event.request is None else _asked(event.request)


def _alerted(alert: Alert, verdict: Verdict | None) -> str:
    state = "" if alert.state is AlertState.NEW else f", {alert.state}"
    reasons = "" if verdict is None else "; ".join(verdict.reasons)
    return f"{alert.severity} {alert.finding}{state}: {reasons}"


def _started(event: Event, start: Start, room: int | None) -> str:
    mark = _CONFIDENCE_MARKS.get(event.confidence.trigger, "")
    return mark + cause(start, event.initiator, None if room is None else room - len(mark))


def _judged(event: Event) -> str:
    """Return the mark of a start that was not expected, or that nothing explains."""
    if event.verdict is None or event.verdict.expected:
        return ""
    if event.verdict.expected is False:
        return UNEXPECTED
    return "" if event.container is not None and event.container.sandbox else UNEXPLAINED


def _asked(request: Request) -> str:
    workload = request.workload
    path = (
        None
        if workload is None
        else (workload.namespace, workload.name or workload.definition or workload.task)
    )
    about = "" if path is None else "/".join(part for part in path if part)
    who = request.source if request.actor is None else request.actor.name
    outcome = "" if request.outcome is None else f", {request.outcome}"
    return f"{who}: {request.action} {about}".rstrip() + f" ({request.effect}{outcome})"


def _explained(orchestrator: Orchestrator | None) -> str:
    if orchestrator is None or orchestrator.requested_by is None:
        return ""
    requested = orchestrator.requested_by
    path = (orchestrator.namespace, orchestrator.pod or orchestrator.task_arn)
    who = requested.actor or " or ".join(requested.candidates) or "unknown"
    mark = {"inferred": "~", "ambiguous": "?"}.get(requested.confidence, "")
    about = "/".join(part for part in path if part)
    return f"{about} requested by {mark}{who} ({requested.effect})"


def _ending(stop: Stop) -> str:
    if stop.signal is not None:
        how = f"killed by signal {stop.signal}" + (", out of memory" if stop.oom_killed else "")
    elif stop.exit_code is not None:
        how = f"exit code {stop.exit_code}"
    else:
        how = ""
    after = "" if stop.duration_seconds is None else f"after {span(stop.duration_seconds)}"
    reason = stop.message or stop.reason or ""
    return ", ".join(part for part in (reason, " ".join(filter(None, (how, after)))) if part)


def _name(event: Event) -> str:
    """Return the container's name, with its pod's where it has one: pods share container names."""
    name = event.container.name if event.container is not None else None
    pod = event.orchestrator
    if pod is None or pod.pod is None or name == pod.pod:
        return own_name(name, None if event.container is None else event.container.id)
    return f"{pod.pod}/{pod.container or name or '-'}"


def own_name(name: str | None, id_: str | None) -> str:
    """Return a name; without one, an id that a person made up and that is cut elsewhere."""
    made_up = id_ is not None and SHORT_ID < len(id_) < HEX_ID
    return name or (id_ if made_up and id_ is not None else "-")
