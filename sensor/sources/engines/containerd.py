"""containerd's gRPC API: ``Events.Subscribe``, and the tasks that run, namespace by namespace.

Facts (API of containerd 1.6, files below ``api/`` of its repository; tried against 1.6):

- ``services/events/v1/events.proto``: SubscribeRequest {repeated string filters = 1}, filters are
  alternatives; Envelope {timestamp = 1, namespace = 2, topic = 3, event = 4 (Any)}. Events of all
  namespaces come, whatever namespace the call names. Old events cannot be asked for, and no
  answer comes before the first event;
- ``events/task.proto``: container_id is field 1 everywhere; TaskExit {id = 2, exit_status = 4},
  TaskDelete {id = 5}. An ``id`` other than the container's is that of a ``docker exec``;
- ``events/container.proto``: ContainerCreate {id = 1, image = 2};
- ``services/namespaces/v1/namespace.proto``: List {namespaces = 1}, Namespace {name = 1};
- ``services/tasks/v1/tasks.proto``: List {tasks = 1}; ``types/task/task.proto``: Process
  {container_id = 1, id = 2, status = 4}; the list sets ``id`` alone, to the container's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor import clock
from sensor.bounded import Bounded
from sensor.model.vocabulary import ContainerId, Witness
from sensor.model.witness_records import EngineEvent
from sensor.sources.engines import wire
from sensor.sources.engines.grpc import Channel, GrpcCall
from sensor.sources.engines.session import TEXT_MAX, EngineLost, ListRefused, StreamCounts
from sensor.sources.engines.wire import WireError

if TYPE_CHECKING:
    from sensor.sources.engines.wire import Message

NAMESPACES_MAX = 64
"""Namespaces whose tasks are listed."""

_SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
_VERSION = "/containerd.services.version.v1.Version/Version"
_NAMESPACES = "/containerd.services.namespaces.v1.Namespaces/List"
_TASKS = "/containerd.services.tasks.v1.Tasks/List"

_CREATION = "/containers/create"
_ACTIONS = {
    "/tasks/create": "create",
    "/tasks/start": "start",
    "/tasks/exit": "die",
    "/tasks/delete": "destroy",
    "/tasks/paused": "pause",
    "/tasks/resumed": "unpause",
}
_EXEC_ID_FIELD = {"/tasks/exit": 2, "/tasks/delete": 5}
_EXIT_STATUS = 4
_UP = frozenset({2, 4, 5})
"""containerd.v1.types.Status: RUNNING, PAUSED, PAUSING."""

DOCKERS_NAMESPACE = "moby"
"""Where dockerd keeps its containers unless configured otherwise (moby, daemon/config). While
Docker's stream is followed, this one leaves them out: it has no names and images."""

Images = Bounded[tuple[str, str], str]
"""Image references by namespace and container id, oldest first."""


def subscription(without: str | None = None) -> bytes:
    """Encode the SubscribeRequest for the topics of interest, in all namespaces but one.

    Filters are alternatives, each a conjunction (containerd, filters/filter.go).
    """
    topics = (*_ACTIONS, _CREATION)
    also = f",namespace!={without}" if without is not None else ""
    return b"".join(wire.encode_text(1, f'topic=="{topic}"{also}') for topic in topics)


def decode_event(data: bytes, time: int, images: Images) -> EngineEvent | None:
    """Read one Envelope; None when it is not about a container's life.

    A container's creation only goes into ``images``.

    :raises WireError: it is not an Envelope, or has no container's id.
    """
    envelope = wire.decode(data)
    namespace, topic = envelope.text(2), envelope.text(3)
    event = wire.decode(wire.decode(envelope.raw(4)).raw(2))
    identity = event.text(1)
    if not 0 < len(identity) <= TEXT_MAX:
        raise WireError("no container id")
    if topic == _CREATION:
        _remember(images, (namespace, identity), event.text(2))
        return None
    action = _ACTIONS.get(topic)
    if action is None or _is_exec(topic, event, identity):
        return None
    return EngineEvent(
        time=time,
        engine_wall=wire.timestamp(envelope.raw(1)),
        witness=Witness.CONTAINERD,
        action=action,
        id=ContainerId(identity),
        name=None,
        image=images.get((namespace, identity)),
        exit_code=event.number(_EXIT_STATUS) if action == "die" else None,
        namespace=namespace or None,
    )


def _is_exec(topic: str, event: Message, identity: str) -> bool:
    field = _EXEC_ID_FIELD.get(topic)
    return field is not None and event.text(field) not in ("", identity)


def _remember(images: Images, key: tuple[str, str], image: str) -> None:
    if 0 < len(image) <= TEXT_MAX:
        images.put(key, image)


def decode_namespaces(data: bytes) -> tuple[str, ...]:
    """Read a ListNamespacesResponse.

    :raises WireError: it is another message.
    """
    found = wire.decode(data).strings.get(1, [])
    return tuple(wire.decode(entry).text(1) for entry in found[:NAMESPACES_MAX])


def decode_tasks(data: bytes, namespace: str, time: int, images: Images) -> list[EngineEvent]:
    """Read a ListTasksResponse: tasks that run or are paused, with the action ``running``.

    :raises WireError: it is another message.
    """
    found: list[EngineEvent] = []
    for entry in wire.decode(data).strings.get(1, []):
        process = wire.decode(entry)
        identity = process.text(2) or process.text(1)
        if process.number(4) in _UP and 0 < len(identity) <= TEXT_MAX:
            found.append(
                EngineEvent(
                    time=time,
                    engine_wall=None,
                    witness=Witness.CONTAINERD,
                    action="running",
                    id=ContainerId(identity),
                    name=None,
                    image=images.get((namespace, identity)),
                    namespace=namespace,
                )
            )
    return found


class ContainerdSession:
    """One subscription to containerd's events (a ``Session``). ``images`` outlives it.

    ``without`` is a namespace that is left to another witness.
    """

    def __init__(self, counts: StreamCounts, images: Images, without: str | None = None) -> None:
        self._counts = counts
        self._without = without
        self._images = images
        self._channel: Channel | None = None
        self._stream: GrpcCall | None = None
        self._seen = (0, 0)

    async def open(self, path: str, _since_wall: int, /) -> None:
        """Subscribe, and have the engine answer something else; it keeps no events of before."""
        self._channel = await Channel.open(path)
        self._stream = self._channel.call(_SUBSCRIBE, subscription(self._without))
        await self._channel.ask(_VERSION)

    async def running(self) -> tuple[EngineEvent, ...]:
        """List the tasks of all namespaces; see ``Session``."""
        if self._channel is None:
            return ()
        found: list[EngineEvent] = []
        try:
            for namespace in decode_namespaces(await self._channel.ask(_NAMESPACES)):
                if namespace == self._without:
                    continue
                answer = await self._channel.ask(_TASKS, namespace=namespace)
                found += decode_tasks(answer, namespace, clock.boottime(), self._images)
        except (EngineLost, WireError) as error:
            raise ListRefused(str(error)) from error
        finally:
            self._channel.paced = True
        return tuple(found)

    async def receive(self) -> tuple[EngineEvent, ...]:
        """Wait for events; see ``Session``."""
        if self._stream is None:
            raise EngineLost("not subscribed")
        messages = await self._stream.messages()
        oversized, dropped = self._stream.oversized, self._stream.dropped
        self._counts.oversized += oversized - self._seen[0]
        self._counts.dropped += dropped - self._seen[1]
        self._seen = (oversized, dropped)
        if not messages:
            raise EngineLost("the engine ended the stream")
        time = clock.boottime()
        found: list[EngineEvent] = []
        for data in messages:
            try:
                event = decode_event(data, time, self._images)
            except WireError:
                self._counts.malformed += 1
                continue
            if event is None:
                self._counts.ignored += 1
            else:
                found.append(event)
        return tuple(found)

    async def ping(self) -> None:
        """Ask for the version; see ``Session``."""
        if self._channel is not None:
            await self._channel.ask(_VERSION)

    def close(self) -> None:
        """Hang up; see ``Session``."""
        if self._channel is not None:
            self._channel.close()
