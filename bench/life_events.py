"""Events of a made-up node: what the agent would report of each start."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sensor.model.container import Image, Mount, Orchestrator, Security
from sensor.model.events import (
    Certainty,
    Container,
    Event,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    Start,
    Stop,
)
from sensor.model.process import Ancestor
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    Engine,
    EventType,
)

if TYPE_CHECKING:
    from sensor.model.agent_records import HostFacts

SECOND = 1_000_000_000
PLAIN = Security(
    privileged=False,
    capabilities=(),
    host_namespaces=(),
    mounts=(),
    seccomp="filtered",
    apparmor="docker-default",
    no_new_privileges=False,
    devices=(),
)
IN_POD = replace(PLAIN, seccomp="unconfined", apparmor="cri-containerd.apparmor.d")
SURE = Certainty(Confidence.EXACT, Confidence.EXACT, Confidence.EXACT)


def privileged(base: Security = PLAIN) -> Security:
    """Return security settings of a privileged container."""
    return replace(base, privileged=True, seccomp="unconfined", apparmor="unconfined")


def mounting(source: str, base: Security = PLAIN) -> Security:
    """Return settings with a writable mount."""
    return replace(base, mounts=(Mount(source, "/host", writable=True),))


def capable(name: str, base: Security = PLAIN) -> Security:
    """Return settings with one more capability."""
    return replace(base, capabilities=(f"CAP_{name}",))


def person(login: str, account: str = "root", uid: int = 1000) -> Initiator:
    """Return a person who logged in."""
    process = InitiatorProcess(700, None, "/usr/bin/docker", ("docker",), "/home", "pts/1")
    return Initiator(process, InitiatorUser(0, account, uid, login, 7), None, None, ())


def service(unit: str, account: str = "root", exe: str = "/usr/bin/docker") -> Initiator:
    """Return a systemd service."""
    process = InitiatorProcess(701, None, exe, None, "/", None)
    uid = 0 if account == "root" else 33
    user = InitiatorUser(uid, account, None, None, None)
    return Initiator(process, user, None, None, (), unit)


def account(name: str, uid: int, program: str) -> Initiator:
    """Return an account without a login, below a program."""
    process = InitiatorProcess(702, None, "/usr/bin/curl", ("curl",), "/", None)
    above = (Ancestor(650, 1, "x", program),)
    return Initiator(
        process, InitiatorUser(uid, name, None, None, None), None, "/run/docker.sock", above
    )


def inside(container: ContainerId) -> Initiator:
    """Return a client inside of a container."""
    process = InitiatorProcess(703, None, "/usr/local/bin/docker", None, "/", None)
    return Initiator(
        process, InitiatorUser(0, "root", None, None, None), container, "/run/docker.sock", ()
    )


@dataclass(frozen=True, slots=True)
class Spec:
    """A container that may be started again and again."""

    name: str | None
    image: str
    command: tuple[str, ...] = ("/app/server",)
    labels: tuple[tuple[str, str], ...] = ()
    security: Security = PLAIN
    restart: str | None = "unless-stopped"
    pod: Orchestrator | None = None
    runtime: Engine = Engine.DOCKER
    runtime_path: str = "/usr/bin/runc"
    namespace: str | None = "moby"


@dataclass(slots=True)
class Maker:
    """Makes events with the times and ids of one node."""

    host: HostFacts
    offset: int = 0
    number: int = 0
    images: dict[str, str] = field(default_factory=dict)

    def id(self) -> ContainerId:
        """Return the id of a new container."""
        self.number += 1
        return ContainerId(hashlib.sha256(f"{self.host.name}{self.number}".encode()).hexdigest())

    def start(
        self,
        wall: int,
        spec: Spec,
        by: Initiator | None,
        start: Start,
        again: ContainerId | None = None,
    ) -> Event:
        """Return a start at a wall-clock time; ``again`` is a container that ran before."""
        container = again or self.id()
        self.number += 1
        image_id = self.images.get(spec.image) or "sha256:" + _hash(spec.image)
        return Event(
            type=EventType.START,
            id=_hash(f"{self.host.name} start {self.number}")[:32],
            time=wall - self.offset,
            observed=wall - self.offset,
            realtime_offset=self.offset,
            host=self.host,
            container=Container(
                id=container,
                name=spec.name,
                runtime=spec.runtime,
                oci_runtime="runc",
                image=Image(spec.image, image_id, None, pinned=None),
                labels=spec.labels,
                command=spec.command,
                security=spec.security,
                namespace=spec.namespace,
                restart_policy=spec.restart,
                oci_runtime_path=spec.runtime_path,
            ),
            start=start,
            initiator=by,
            orchestrator=spec.pod,
            confidence=SURE,
        )

    def stop(self, start: Event, wall: int, code: int = 0) -> Event:
        """Return the end of a start's container."""
        self.number += 1
        return replace(
            start,
            type=EventType.STOP,
            id=_hash(f"{self.host.name} stop {self.number}")[:32],
            time=wall - self.offset,
            observed=wall - self.offset,
            start=None,
            stop=Stop(exit_code=code),
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
