"""The same line as ``document.encode_line`` gives, from parts that are kept.

Most of a line is known before its event: host, image, labels, security, the initiator's process
with its ancestors. These are objects that the core hands on as they are, from the description's
arrival to the container's stop. So the text of each is kept by the object's identity, and
:meth:`LineEncoder.foresee` makes it while nothing waits for it. What an event alone has is encoded
when it comes.

``tests/schema/test_line.py`` compares with ``document.encode_line`` byte by byte.
"""

from __future__ import annotations

from collections import OrderedDict
from json.encoder import encode_basestring as quoted
from typing import TYPE_CHECKING, TypeVar

from sensor.schema import document
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.model.agent_records import HostFacts
    from sensor.model.container import Description, Image, Security
    from sensor.model.events import Certainty, Container, Event, Evidence, Initiator

_Part = TypeVar("_Part")

KEPT_MAX = 128
"""Parts that are kept: of some twenty containers; the one that was made longest ago goes first."""

PART_MAX = 4096
"""Characters of a part that is kept: labels may be long."""

_OF_CONTAINERS = "container."
_NULL = "null"


class LineEncoder:
    """Encodes events of one agent; not for several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, object, int], tuple[object, str]] = OrderedDict()
        """By identity, builder and clock offset, with the object: as it cannot go, no other has its
        identity."""

    def foresee(self, description: Description, initiator: Initiator | None, offset: int) -> None:
        """Encode what a start of this container will have."""
        self._text(description.image, _image)
        self._text(description.labels, _labels)
        self._text(description.command, _command)
        self._text(description.security, _security)
        self._text(initiator, _initiator, offset)

    def encode(self, event: Event) -> bytes:
        """Return the event as one line of JSON: printable ASCII and a newline."""
        if not event.type.startswith(_OF_CONTAINERS) or event.request is not None:
            return document.encode_line(event)
        offset, text = event.realtime_offset, self._text
        candidates = ",".join([text(one, _initiator, offset) for one in event.candidates])
        evidence = ",".join([_evidence(one, offset) for one in event.evidence])
        return document.as_line(
            f'{{"schema":"{document.SCHEMA}","type":"{event.type}","id":{quoted(event.id)},'
            f'"time":{_time(event.time + offset)},"observed":{_time(event.observed + offset)},'
            f'"host":{text(event.host, _host)},"container":{self._container(event.container)},'
            f'"start":{_block(event.start, document.start_block)},'
            f'"stop":{_block(event.stop, document.stop_block)},'
            f'"initiator":{text(event.initiator, _initiator, offset)},'
            f'"orchestrator":{_block(event.orchestrator, document.orchestrator_block)},'
            f'"request":null,"start_id":{_quoted(event.start_id)},'
            f'"verdict":{_block(event.verdict, document.verdict_block)},'
            f'"confidence":{_certainty(event.confidence)},'
            f'"candidates":[{candidates}],"evidence":[{evidence}],'
            '"gap":null,"sensor":null,"alert":null,"log":null}'
        )

    def _container(self, container: Container | None) -> str:
        if container is None:
            return _NULL
        parents = document.dumps(container.parents) if container.parents else "[]"
        restart, runtime, text = container.restart_policy, container.oci_runtime_path, self._text
        return (
            f'{{"id":{_quoted(container.id)},"name":{_quoted(container.name)},'
            f'"runtime":{_quoted(container.runtime)},'
            f'"oci_runtime":{_quoted(container.oci_runtime)},'
            f'"image":{text(container.image, _image)},'
            f'"labels":{text(container.labels, _labels)},'
            f'"created":{_time(container.created_wall)},'
            f'"pid":{_NULL if container.pid is None else container.pid},'
            f'"cgroup":{_quoted(container.cgroup)},'
            f'"command":{text(container.command, _command)},'
            f'"user":{_quoted(container.user)},"parents":{parents},'
            f'"sandbox":{"true" if container.sandbox else "false"},'
            f'"security":{text(container.security, _security)},'
            f'"namespace":{_quoted(container.namespace)},"restart_policy":{_quoted(restart)},'
            f'"oci_runtime_path":{_quoted(runtime)},"cwd":{_quoted(container.cwd)}}}'
        )

    def _text(
        self, part: _Part | None, build: Callable[[_Part, int], object], offset: int = 0
    ) -> str:
        """Return the JSON of a part, kept or made now; ``offset`` where it has times since boot."""
        if part is None:
            return _NULL
        key = id(part), build, offset
        kept = self._kept.get(key)
        if kept is not None:
            return kept[1]
        text = document.dumps(build(part, offset))
        if len(text) <= PART_MAX:
            self._kept[key] = part, text
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return text


def _host(part: HostFacts, _offset: int) -> object:
    return document.host_block(part)


def _image(part: Image, _offset: int) -> object:
    return document.image_block(part)


def _labels(part: tuple[tuple[str, str], ...], _offset: int) -> object:
    return dict(part)


def _command(part: tuple[str, ...], _offset: int) -> object:
    return part


def _security(part: Security, _offset: int) -> object:
    return document.security_block(part)


def _initiator(part: Initiator, offset: int) -> object:
    return document.initiator_block(part, offset)


def _block(block: _Part | None, build: Callable[[_Part], object]) -> str:
    return _NULL if block is None else document.dumps(build(block))


def _quoted(text: str | None) -> str:
    return _NULL if text is None else quoted(text)


def _time(wall: int | None) -> str:
    text = rfc3339(wall)
    return _NULL if text is None else f'"{text}"'


def _evidence(one: Evidence, offset: int) -> str:
    return (
        f'{{"source":"{one.source}","kind":"{one.kind}","what":{quoted(one.what)},'
        f'"time":{_time(one.time + offset)},"ref":{_quoted(one.ref)}}}'
    )


def _certainty(confidence: Certainty) -> str:
    return (
        f'{{"container":"{confidence.container}","trigger":"{confidence.trigger}",'
        f'"initiator":"{confidence.initiator}","pod":"{confidence.pod}",'
        f'"owner":"{confidence.owner}"}}'
    )
