"""The world of a made-up node: its services, pods and images, and how a start is added to it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench import life_events as made
from bench.life_calendar import SECOND
from bench.life_events import IN_POD, Maker, Spec
from sensor.model.container import Orchestrator, Security
from sensor.model.events import Event, Initiator, Start
from sensor.model.vocabulary import ContainerId, Engine, StartKind, Trigger

if TYPE_CHECKING:
    from bench.life_calendar import Calendar

SAFE = "bcdfghjklmnpqrstvwxz2456789"
HEX = "0123456789abcdef"
COMPOSED = ("web", "api", "db", "cache", "queue", "mail", "search", "proxy", "auth")
DEPLOYED = (
    ("shop", ("front", "cart", "pay", "stock")),
    ("ops", ("grafana", "loki", "alert")),
)


@dataclass(frozen=True, slots=True)
class Happening:
    """An event in its place. ``planted`` names the intrusion that it belongs to."""

    wall: int
    event: Event
    planted: str | None = None
    hidden: bool = False
    """Its engine never speaks of it."""
    change: str | None = None
    """A change that is recorded right before, for this workload."""


class World:
    """What runs on one node, and all that happened on it so far."""

    def __init__(self, choose: random.Random, calendar: Calendar, maker: Maker) -> None:
        self.random = choose
        self.calendar = calendar
        self.maker = maker
        self.found: list[Happening] = []
        self.tags: dict[str, int] = {}
        self.live: dict[str, ContainerId] = {}
        self.services = [self.compose(name, choose.choice(("shop", "base"))) for name in COMPOSED]
        self.services[2] = replace(self.services[2], security=made.mounting("/srv/db"))
        self.named = [
            Spec("registry-mirror", "docker.io/library/registry:2", ("registry", "serve")),
            Spec("watchtower", "ghcr.io/acme/watch:1", security=made.mounting("/run/docker.sock")),
            Spec("vpn", "ghcr.io/acme/vpn:3", security=made.capable("NET_ADMIN")),
        ]
        self.deployments = [
            (namespace, name, self.image(name)) for namespace, names in DEPLOYED for name in names
        ]
        self.daemons = [
            ("kube-proxy", "registry.k8s.io/kube-proxy:v1.34", made.privileged(IN_POD)),
            ("cni", "quay.io/cni/agent:1", made.privileged(IN_POD)),
            ("node-exporter", "quay.io/prometheus/node-exporter:1", made.mounting("/proc", IN_POD)),
            ("csi-node", "registry.k8s.io/sig-storage/csi:2", made.privileged(IN_POD)),
        ]

    # ----------------------------------------------------------------- choices and names

    def chance(self, share: float) -> bool:
        """Return true in this share of all cases."""
        return self.random.random() < share

    def word(self, length: int, letters: str = SAFE) -> str:
        """Return letters as names are generated of."""
        return "".join(self.random.choice(letters) for _ in range(length))

    def image(self, name: str) -> str:
        """Return the image of an application at its present tag."""
        return f"registry.example.com/shop/{name}:{self.tags.setdefault(name, 1)}"

    def now(self, spec: Spec) -> Spec:
        """Return a container with the present tag of its image."""
        name = spec.image.rpartition("/")[2].partition(":")[0]
        return replace(spec, image=self.image(name)) if name in self.tags else spec

    def compose(self, name: str, project: str) -> Spec:
        """Return a service of Docker Compose."""
        labels = (
            ("com.docker.compose.project", project),
            ("com.docker.compose.service", name),
        )
        return Spec(f"{project}-{name}-1", self.image(name), labels=labels)

    def in_pod(self, pod: Orchestrator, image: str, security: Security = IN_POD) -> Spec:
        """Return the container of a pod."""
        return Spec(
            pod.container,
            image,
            ("/bin/run",),
            security=security,
            restart=None,
            pod=pod,
            runtime=Engine.CONTAINERD,
            namespace="k8s.io",
        )

    def revision(self, image: str) -> str:
        """Return the hash of the ReplicaSet that an image belongs to."""
        return random.Random(image).choice(("7d4b9c6f5d", "5c8d7f9b44", "6f7b8c9d55"))

    # ----------------------------------------------------------------- adding

    def add(
        self,
        wall: int,
        spec: Spec,
        by: Initiator | None,
        start: Start,
        *,
        again: bool = False,
        planted: str | None = None,
        hidden: bool = False,
        change: str | None = None,
    ) -> Event:
        """Add a start; returns it. ``again``: of the container that runs under this name."""
        container = self.live.get(spec.name or "") if again else None
        event = self.maker.start(wall, spec, by, start, container)
        self.found.append(Happening(wall, event, planted, hidden, change))
        return event

    def remember(self, spec: Spec, event: Event) -> None:
        """Note which container runs under a name."""
        if event.container is not None and event.container.id is not None and spec.name:
            self.live[spec.name] = event.container.id

    def run(self, wall: int, spec: Spec, by: Initiator) -> None:
        """Add a container that ends by itself after some minutes."""
        trigger = Trigger.SERVICE_MANAGER if by.unit is not None else Trigger.USER_COMMAND
        event = self.add(wall, spec, by, Start(StartKind.FIRST, trigger))
        end = wall + self.random.randint(5, 400) * SECOND
        self.found.append(Happening(end, self.maker.stop(event, end)))

    def place(self, wall: int, spec: Spec) -> Event:
        """Add the first start of a container of a pod."""
        return self.add(wall, spec, None, Start(StartKind.FIRST, Trigger.ORCHESTRATOR))

    def pod(self, wall: int, namespace: str, name: str, image: str) -> Event:
        """Add a pod of a deployment."""
        pod = Orchestrator(
            "kubernetes",
            namespace,
            f"{name}-{self.revision(image)}-{self.word(5)}",
            f"{self.word(8)}-{self.word(4)}",
            "main",
        )
        return self.place(wall, self.in_pod(pod, image))

    def daemon(self, wall: int, name: str, image: str, security: Security) -> None:
        """Add a pod of a DaemonSet."""
        pod = Orchestrator(
            "kubernetes", "kube-system", f"{name}-{self.word(5)}", self.word(12), name
        )
        self.place(wall, self.in_pod(pod, image, security))
