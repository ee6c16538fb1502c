r"""The format ``cef``: ArcSight Common Event Format 0, one line an event, for older SIEMs.

    CEF:0|Castoff|castoff|VERSION|TYPE|NAME|SEVERITY|key=value key=value …

Rules (Micro Focus Security ArcSight CEF Implementation Standard, version 25): in the header ``\``
and ``|`` are escaped with a backslash, in a value ``\`` and ``=``, and line breaks are ``\n`` and
``\r``. Values are cut at the lengths of its dictionary. What does not print (escape sequences,
bidi marks) becomes ``\\xNN`` text, its backslash escaped, before anything else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor import __version__
from sensor.outputs.delivery import Format
from sensor.outputs.formats import terms
from sensor.outputs.formats.reading import NS_PER_MS, Block, EventReading, read, wall_of
from sensor.outputs.formats.terms import Severity
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.outputs.delivery import Record

_SEVERITIES = {
    Severity.INFORMATIONAL: 1,
    Severity.LOW: 3,
    Severity.MEDIUM: 5,
    Severity.HIGH: 8,
    Severity.CRITICAL: 10,
}
"""0-3 low, 4-6 medium, 7-8 high, 9-10 very high."""

NAME_LIMIT = 512
"""Characters of the header's name."""
CUSTOM_LIMIT = 4000
"""Of a custom string."""
LIMITS = {
    "CastoffAlertClass": 63,
    "CastoffAlertGroup": 63,
    "CastoffAlertId": 63,
    "CastoffAlertState": 63,
    "CastoffChange": 1023,
    "CastoffDigest": 64,
    "CastoffExplanation": 63,
    "CastoffFinding": 63,
    "CastoffFindings": 1023,
    "CastoffStart": 63,
    "CastoffLog": 63,
    "CastoffWorkload": 1023,
    "act": 63,
    "cat": 1023,
    "deviceExternalId": 255,
    "deviceFacility": 1023,
    "dproc": 1023,
    "duser": 1023,
    "dvchost": 100,
    "externalId": 40,
    "flexString1": 1023,
    "flexString2": 1023,
    "msg": 1023,
    "outcome": 63,
    "reason": 1023,
    "requestClientApplication": 1023,
    "requestMethod": 1023,
    "sproc": 1023,
    "suid": 1023,
    "suser": 1023,
}
"""Characters of each value, by the dictionary."""

_BREAKS = re.compile(r"\r\n|[\r\n]")


def encode(record: Record) -> bytes:
    """Return the event as a line, newline and all. Raises LineDamaged."""
    event = read(record)
    action = terms.action(event)
    header = "|".join(
        (
            "CEF:0",
            "Castoff",
            "castoff",
            _header(__version__),
            _header(event.type.value),
            _header(action.replace("-", " ").capitalize())[:NAME_LIMIT],
            str(_SEVERITIES[terms.severity(event)]),
        )
    )
    extension = " ".join(
        f"{key}={_value(str(value), LIMITS.get(key, CUSTOM_LIMIT))}"
        for key, value in _extension(event, action)
        if value is not None and value != ""
    )
    return f"{header}|{extension}\n".encode()


def _extension(event: EventReading, action: str) -> Iterator[tuple[str, object]]:
    root, container, host = event.root, event.container, event.host
    outcome = terms.outcome(event)
    yield "rt", event.wall // NS_PER_MS
    yield "externalId", event.id
    yield "cat", event.type.value
    yield "act", action
    yield "outcome", None if outcome is None else outcome.value
    yield "dvchost", host.text("name")
    yield "deviceExternalId", host.text("machine_id")
    yield "msg", terms.message(event)
    request = root.block("request")
    yield from _request(request) if request else _initiator(root.block("initiator"))
    yield "dpid", container.number("pid")
    yield "dproc", terms.command_line(container.texts("command"))
    yield from _ending(root)
    yield from _subject(event)
    yield from _custom("flexString1", "runtime", container.text("runtime"))
    yield from _custom("flexString2", "confidence", root.block("confidence").text("initiator"))
    yield from _verdict(root.block("verdict"))
    yield from _alert(root.block("alert"))
    yield "CastoffLog", root.block("log").text("id")
    yield "CastoffSequence", root.block("log").number("sequence")
    head = root.block("sensor").block("log")
    yield "CastoffHead", head.number("sequence")
    yield "CastoffDigest", head.text("digest")
    yield "CastoffOldest", head.number("oldest")


def _subject(event: EventReading) -> Iterator[tuple[str, object]]:
    """What was started, or asked to start: container, image, pod, and what became of it."""
    root, container, request = event.root, event.container, event.root.block("request")
    orchestrator = root.block("orchestrator")
    pod = [part for key in ("namespace", "pod") if (part := orchestrator.text(key)) is not None]
    workload = request.block("workload")
    if request:
        names = (workload.text("namespace"), workload.text("name") or workload.text("task"))
        pod = [part for part in names if part is not None]
    containers = request.blocks("containers")
    one = containers[0] if len(containers) == 1 else container.block("image")
    image = container.block("image")
    yield from _custom(
        "cs1", "containerId", container.text("id") or (one.text("id") if request else None)
    )
    yield from _custom(
        "cs2", "containerName", container.text("name") or (one.text("name") if request else None)
    )
    yield from _custom(
        "cs3", "image", one.text("image") if request else image.text("name") or image.text("id")
    )
    yield from _custom("cs4", "startKind", root.block("start").text("kind"))
    yield from _custom("cs4", "effect", request.text("effect"))
    yield from _custom("cs5", "trigger", root.block("start").text("trigger"))
    yield from _custom("cs6", "pod", "/".join(pod) or None)
    yield from _custom("cn1", "attempt", root.block("start").number("attempt"))
    yield from _custom("cn2", "exitCode", root.block("stop").number("exit_code"))
    yield from _custom("cn3", "lost", root.block("gap").number("lost"))


def _initiator(initiator: Block) -> Iterator[tuple[str, object]]:
    """Who asked: the person who logged in as source, the account as destination."""
    process, user = initiator.block("process"), initiator.block("user")
    auid, uid = user.number("auid"), user.number("uid")
    yield "suid", auid if auid is not None else uid
    yield "suser", user.text("auid_name") if auid is not None else user.text("name")
    yield "duid", uid
    yield "duser", user.text("name")
    yield "spid", process.number("pid")
    yield "sproc", terms.command_line(process.texts("argv")) or process.text("exe")


def _verdict(verdict: Block) -> Iterator[tuple[str, object]]:
    """Why it was expected or not; the dictionary has no keys for it and all its own are taken."""
    yield "CastoffExplanation", verdict.text("explanation")
    yield "CastoffFindings", ",".join(verdict.texts("findings")) or None
    yield "CastoffWorkload", verdict.text("workload")
    yield "CastoffChange", verdict.text("change")


def _alert(alert: Block) -> Iterator[tuple[str, object]]:
    if alert:
        yield "cnt", alert.number("count")
        yield "CastoffFinding", alert.text("finding")
        yield "CastoffAlertId", alert.text("id")
        yield "CastoffAlertState", alert.text("state")
        yield "CastoffAlertClass", alert.text("class")
        yield "CastoffAlertGroup", alert.text("group")
        yield "CastoffStart", alert.text("start")


def _request(request: Block) -> Iterator[tuple[str, object]]:
    actor, address = request.block("actor"), request.text("address")
    yield "suid", actor.text("id")
    yield "suser", actor.text("name")
    yield "duser", actor.text("impersonated")
    # CEF keeps addresses of both versions apart.
    yield "c6a2" if address is not None and ":" in address else "src", address
    if address is not None and ":" in address:
        yield "c6a2Label", "Source IPv6 Address"
    yield "requestClientApplication", request.text("user_agent")
    yield "requestMethod", request.text("action")


def _ending(root: Block) -> Iterator[tuple[str, object]]:
    stop, gap = root.block("stop"), root.block("gap")
    reasons = root.block("verdict").texts("reasons")
    signal = stop.number("signal")
    reason_text = (
        stop.text("reason")
        or gap.text("reason")
        or root.block("request").text("reason")
        or "; ".join(reasons)
        or None
    )
    yield "deviceFacility", gap.text("source") or root.block("request").text("source")
    yield "reason", reason_text or (None if signal is None else f"signal {signal}")
    for key, name in (("start", "since"), ("end", "until")):
        time = gap.text(name)
        yield key, None if time is None else wall_of(time) // NS_PER_MS


def _custom(key: str, label: str, value: object) -> Iterator[tuple[str, object]]:
    if value is not None:
        yield f"{key}Label", label
        yield key, value


def _header(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str, limit: int) -> str:
    """Return a value, cut before it is escaped: an escape is never cut in two."""
    parts = [visible(part) for part in _BREAKS.split(text)]
    shown = "\n".join(parts)[:limit]
    return shown.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n")


FORMAT = Format("cef", "text/plain; charset=utf-8", encode, None)
