"""What a made-up node does by itself: timers, pods that come and go, crashes, reboots."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench import life_events as made
from bench.life_calendar import SECOND
from bench.life_events import IN_POD, Spec
from bench.life_world import HEX
from sensor.model.container import Orchestrator
from sensor.model.events import PreviousRun, Start
from sensor.model.vocabulary import StartKind, Trigger

if TYPE_CHECKING:
    from bench.life_world import World
    from sensor.model.events import Event

UNHEALTHY = 0.2
"""Share of pods whose liveness probe fails once."""


class Workloads:
    """The starts that no person asks for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at = world.calendar.at

    def first_day(self) -> None:
        """Start everything that stays."""
        world = self._world
        for number, spec in enumerate((*world.services, *world.named)):
            wall = self._at(0, 9 + number * 0.1)
            start = Start(StartKind.FIRST, Trigger.USER_COMMAND)
            world.remember(spec, world.add(wall, spec, made.person("deploy", uid=1100), start))
        for number, name in enumerate(("etcd", "apiserver", "scheduler")):
            pod = Orchestrator("kubernetes", "kube-system", f"{name}-node", "e" * 32, name)
            spec = world.in_pod(pod, f"registry.k8s.io/{name}:v1.34", IN_POD)
            world.place(self._at(0, 8 + number * 0.01), spec)
        for name, image, security in world.daemons:
            world.daemon(self._at(0, 8.2, 0.1), name, image, security)
        for namespace, name, image in world.deployments:
            world.pod(self._at(0, 8.5, 0.2), namespace, name, image)

    # ----------------------------------------------------------------- each day

    def timers(self, day: int) -> None:
        """Add a day of systemd's timers and of a CronJob."""
        world = self._world
        quarter = Spec(None, "registry.example.com/ops/sync:1", ("sync",), restart=None)
        for number in range(96):
            wall = self._at(day, number / 4, 0.01)
            spec = replace(quarter, name=f"sync-{world.word(12, HEX)}")
            world.run(wall, spec, made.service("sync.service"))
        for number in range(24):
            pod = Orchestrator(
                "kubernetes",
                "ops",
                f"report-{29_000_000 + day * 1440 + number * 60}-{world.word(5)}",
                world.word(12),
                "report",
            )
            image = "registry.example.com/ops/report:1"
            world.place(self._at(day, number, 0.02), world.in_pod(pod, image))
        backup = Spec(
            f"backup-{20261000 + day}",
            "registry.example.com/ops/backup:1",
            ("backup",),
            security=made.mounting("/srv/db"),
            restart=None,
        )
        world.run(self._at(day, 3, 0.2), backup, made.service("backup.service"))
        if world.calendar.is_sunday(day):
            weekly = replace(backup, name="scrub", image="registry.example.com/ops/scrub:1")
            world.run(self._at(day, 4, 0.3), weekly, made.service("scrub.service"))

    def restarts(self, day: int) -> None:
        """Add what an engine starts again after a crash."""
        choose = self._world.random
        for _ in range(choose.choice((0, 0, 1, 1, 2, 3))):
            spec = choose.choice(self._world.services)
            self._crash(self._at(day, 12, 12), spec)

    def pods(self, day: int) -> None:
        """Add the pods that autoscaling places, some of them unhealthy."""
        world = self._world
        for _ in range(world.random.randint(2, 20)):
            namespace, name, image = world.random.choice(world.deployments)
            event = world.pod(self._at(day, 12, 11), namespace, name, image)
            if world.chance(UNHEALTHY):
                self._liveness(event)

    def _crash(self, wall: int, spec: Spec) -> None:
        start = Start(StartKind.RESTART, Trigger.RESTART_POLICY)
        self._world.add(wall, self._world.now(spec), None, start, again=True)

    def _liveness(self, event: Event) -> None:
        container, pod = event.container, event.orchestrator
        if container is None or container.id is None or pod is None or container.image is None:
            return
        world = self._world
        wall = event.time + world.maker.offset + world.random.randint(60, 9000) * SECOND
        previous = PreviousRun(container.id, signal=9)
        spec = world.in_pod(pod, container.image.name or "")
        start = Start(StartKind.RESTART, Trigger.ORCHESTRATOR, attempt=1, previous=previous)
        world.add(wall, spec, None, start)

    # ----------------------------------------------------------------- now and then

    def crash_loops(self) -> None:
        """Let two services crash again and again for some minutes."""
        choose, days = self._world.random, self._world.calendar.days
        for _ in range(2):
            spec, wall = (
                choose.choice(self._world.services),
                self._at(choose.randrange(days), 12, 12),
            )
            for number in range(choose.randint(5, 9)):
                self._crash(wall + number * 70 * SECOND, spec)

    def boots(self) -> None:
        """Add an upgrade of the engine, and a reboot."""
        world, choose = self._world, self._world.random
        for number in range(2):
            wall = self._at(choose.randrange(2, world.calendar.days), 6, 5)
            for spec in (*world.services, *world.named):
                ready = wall + choose.randint(20, 90) * SECOND
                start = Start(StartKind.RESTART, Trigger.ENGINE_BOOT)
                world.add(ready, world.now(spec), None, start, again=True)
            if number:
                for name, image, security in world.daemons:
                    world.daemon(wall + choose.randint(60, 200) * SECOND, name, image, security)

    def evictions(self) -> None:
        """Add pods that are placed anew at night, and DaemonSets that roll each week."""
        world, choose, days = self._world, self._world.random, self._world.calendar.days
        for day in choose.sample(range(1, days), 4):
            wall = self._at(day, 3, 2)
            for namespace, name, image in choose.sample(world.deployments, 5):
                world.pod(wall + choose.randint(0, 60) * SECOND, namespace, name, image)
        for day in range(6, days, 7):
            for name, image, security in world.daemons:
                world.daemon(self._at(day, 14, 2), name, image, security)
