"""More of the same kinds on a made-up node: intrusions and ordinary changes with other means.

The first list is what an intruder might do instead, the second what operators and schedulers do
without one. Each is named, so that a test can judge each alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench import life_events as made
from bench.life_calendar import HOUR, LEARNING, MINUTE, SECOND
from bench.life_events import IN_POD, PLAIN, Spec
from bench.life_intruder import CALLED, PLACED, USED
from bench.life_world import HEX
from sensor.model.container import Mount, Orchestrator
from sensor.model.events import Start
from sensor.model.vocabulary import ContainerId, Engine, StartKind, Trigger

if TYPE_CHECKING:
    from bench.life_world import World
    from sensor.model.events import Initiator

ALPINE = "docker.io/library/alpine:3"
OWN_HOURS = (1.5, 5.0, 10.0, 16.0, 23.0)
BY_TIMER = Start(StartKind.FIRST, Trigger.SERVICE_MANAGER)


class Variants:
    """Adds intrusions and ordinary changes by name, on days of their own."""

    @classmethod
    def plants(cls) -> tuple[str, ...]:
        """Return the names of all intrusions of this class."""
        return cls._named("_plant_")

    @classmethod
    def habits(cls) -> tuple[str, ...]:
        """Return the names of all ordinary changes of this class."""
        return cls._named("_habit_")

    @classmethod
    def _named(cls, prefix: str) -> tuple[str, ...]:
        own = sorted(vars(cls))
        return tuple(name.removeprefix(prefix) for name in own if name.startswith(prefix))

    def __init__(self, world: World) -> None:
        self._world = world
        self._day = 0
        self._name: str | None = None

    def add(self, name: str) -> None:
        """Add one by its name."""
        self._day = self._world.random.randrange(LEARNING + 5, self._world.calendar.days - 9)
        planted = hasattr(self, f"_plant_{name}")
        self._name = name if planted else None
        getattr(self, f"_{'plant' if planted else 'habit'}_{name}")()

    def _start(
        self,
        spec: Spec,
        by: Initiator | None,
        start: Start = USED,
        *,
        hour: float | None = None,
        day: int | None = None,
        change: str | None = None,
    ) -> None:
        some = self._world.random.choice(OWN_HOURS)
        at = self._day if day is None else day
        wall = self._world.calendar.at(at, some if hour is None else hour, 0.3)
        self._world.add(wall, spec, by, start, planted=self._name, change=change)

    def _pod(self, owner: str, image: str, namespace: str, container: str = "main") -> Spec:
        world = self._world
        name = f"{owner}-{world.revision(image)}-{world.word(5)}"
        pod = Orchestrator("kubernetes", namespace, name, world.word(12), container)
        return world.in_pod(pod, image)

    def _known(self, number: int) -> Spec:
        return self._world.now(self._world.services[number])

    # ----------------------------------------------------------------- intrusions

    def _plant_miner_by_image_change(self) -> None:
        namespace, owner, _ = self._world.deployments[1]
        spec = self._pod(owner, "docker.io/library/ubuntu:24.04", namespace)
        self._start(replace(spec, command=("/tmp/xmrig", "-o", "pool")), None, PLACED)

    def _plant_debug_pod(self) -> None:
        pod = Orchestrator("kubernetes", "default", "node-debugger-n1-x7k2v", "u" * 12, "debugger")
        spec = self._world.in_pod(pod, "docker.io/library/busybox:1")
        host = replace(
            IN_POD, host_namespaces=("pid", "network"), mounts=(Mount("/", "/host", writable=True),)
        )
        self._start(replace(spec, command=("sh",), security=host), None, PLACED)

    def _plant_nsenter(self) -> None:
        host = replace(made.privileged(), host_namespaces=("pid",))
        spec = Spec(None, ALPINE, ("nsenter", "-t", "1", "-m", "sh"), security=host, restart="no")
        self._start(spec, made.person("bob", uid=1001), hour=15)

    def _plant_reads_the_root(self) -> None:
        reading = replace(PLAIN, mounts=(Mount("/", "/host", writable=False),))
        spec = replace(self._known(6), security=reading)
        self._start(spec, made.person("deploy", uid=1100), hour=11)

    def _plant_reads_secrets_of_a_node(self) -> None:
        namespace, owner, image = self._world.deployments[2]
        reading = replace(IN_POD, mounts=(Mount("/etc/kubernetes", "/k", writable=False),))
        self._start(replace(self._pod(owner, image, namespace), security=reading), None, PLACED)

    def _plant_child_of_a_web_server(self) -> None:
        spec = Spec("cache-warmer", self._known(0).image, ("/app/server",), restart="no")
        self._start(spec, made.account("www-data", 33, "/usr/sbin/nginx"), CALLED)

    def _plant_mounted_socket_used(self) -> None:
        watch = self._world.live.get("watchtower")
        by = made.inside(watch or ContainerId("e" * 64))
        self._start(Spec(None, ALPINE, ("sh",)), by, Start(StartKind.FIRST, Trigger.CONTAINER))

    def _plant_mounts_the_socket(self) -> None:
        security = made.mounting("/var/run/docker.sock")
        spec = Spec("portal", ALPINE, ("sleep",), security=security)
        self._start(spec, made.person("carol", uid=1002), hour=14)

    def _plant_service_account_at_night(self) -> None:
        by = made.account("svc-report", 995, "/usr/bin/python3")
        self._start(Spec("export", ALPINE, ("sh", "-c", "x"), restart="no"), by, CALLED, hour=3)

    def _plant_looks_like_our_registry(self) -> None:
        spec = self._known(7)
        image = spec.image.replace("registry.example.com", "registry.examp1e.com")
        self._start(replace(spec, image=image), made.person("deploy", uid=1100), hour=11)

    def _plant_interpreter(self) -> None:
        spec = replace(self._known(8), command=("/usr/bin/python3.11", "-c", "x"))
        self._start(spec, made.person("deploy", uid=1100), hour=11)

    def _plant_capability(self) -> None:
        spec = replace(self._known(1), security=made.capable("SYS_ADMIN"))
        self._start(spec, made.person("alice", uid=1000), hour=11)

    def _plant_manifest_on_the_node(self) -> None:
        pod = Orchestrator("kubernetes", "default", "update-n1", "ab" * 16, "update")
        self._start(self._world.in_pod(pod, ALPINE), None, PLACED)

    def _plant_checkpoint(self) -> None:
        start = Start(StartKind.RESTORE, Trigger.USER_COMMAND)
        self._start(self._known(3), made.person("bob", uid=1001), start, hour=14)

    def _plant_joins_a_pod(self) -> None:
        namespace, owner, image = self._world.deployments[0]
        spec = self._pod(owner, image, namespace, "debugger-abcde")
        assert spec.pod is not None
        late = replace(spec.pod, late=True)
        self._start(replace(spec, pod=late, image=ALPINE, command=("sh",)), None, PLACED)

    def _plant_among_the_kubelets(self) -> None:
        spec = Spec("x", ALPINE, ("sh",), runtime=Engine.CONTAINERD, namespace="k8s.io")
        self._start(spec, made.person("alice", uid=1000), hour=11)

    def _plant_one_small_step_a_day(self) -> None:
        for number in range(6):
            spec = Spec(f"step-{'abcdef'[number]}x", self._known(0).image, restart="no")
            by = made.person("carol", uid=1002)
            self._start(spec, by, hour=14, day=self._day + number)

    def _plant_built_here(self) -> None:
        spec = Spec("tool", "localhost/tool:latest", ("/tool",), runtime=Engine.PODMAN)
        self._start(spec, made.person("bob", uid=1001), hour=14)

    def _plant_flood_of_a_timer(self) -> None:
        wall = self._world.calendar.at(self._day, 4)
        for number in range(70):
            name = f"shard-{chr(97 + number % 26)}{chr(97 + number // 26)}x"
            spec = Spec(name, "docker.io/library/busybox:1", ("yes",), restart="no")
            at = wall + number * 2 * SECOND
            by = made.service("scrub.service")
            self._world.add(at, spec, by, BY_TIMER, planted=self._name)

    def _plant_agent_for_all_nodes(self) -> None:
        pod = Orchestrator("kubernetes", "kube-system", "node-agent-x7k2v", "u" * 12, "agent")
        spec = self._world.in_pod(pod, "docker.io/evil/agent:1", made.privileged(IN_POD))
        self._start(spec, None, PLACED)

    def _plant_transient_unit(self) -> None:
        by = made.service("run-u8123.service")
        self._start(Spec("once", ALPINE, ("sh",), restart="no"), by, BY_TIMER)

    def _plant_shell_in_a_change(self) -> None:
        spec = replace(self._known(4), command=("/bin/bash", "-c", "x"))
        by = made.person("deploy", uid=1100)
        self._start(spec, by, hour=11, change=f"CHG-shell-{self._day}")

    def _plant_stranger_in_a_change(self) -> None:
        by = made.service("php-fpm.service", "www-data")
        self._start(self._known(5), by, hour=11, change=f"CHG-who-{self._day}")

    # ----------------------------------------------------------------- ordinary changes

    def _habit_ci_names(self) -> None:
        world = self._world
        for day in range(1, world.calendar.days):
            for _ in range(6):
                hexes = world.word(32, HEX)
                name = world.random.choice(
                    (
                        f"{hexes}_golang_{world.word(6, '0123456789')}",
                        f"job-{hexes[:12]}-build",
                        f"testcontainers-ryuk-{hexes[:8]}-{hexes[8:12]}-4{hexes[12:15]}-a{hexes[15:18]}-{hexes[:12]}",
                    )
                )
                image = f"docker.io/library/{world.random.choice(('golang', 'rust', 'node'))}:1"
                spec = Spec(name, image, ("sh", "-c", "build"), restart="no")
                wall = world.calendar.at(day, 13, 6)
                world.run(wall, spec, made.service("actions-runner.service"))

    def _habit_nightly_by_cron(self) -> None:
        world = self._world
        image = "registry.example.com/ops/dump:1"
        for day in range(world.calendar.days):
            spec = Spec("dump", image, ("dump",), restart="no")
            world.run(world.calendar.at(day, 2.5, 0.02), spec, made.service("cron.service"))

    def _habit_reboots(self) -> None:
        world = self._world
        for number in range(3):
            wall = world.calendar.at(self._day, 8 + number * 2)
            for spec in (*world.services, *world.named):
                start = Start(StartKind.RESTART, Trigger.ENGINE_BOOT)
                ready = wall + world.random.randint(5, 60) * SECOND
                world.add(ready, world.now(spec), None, start, again=True)
            for namespace, name, image in world.deployments:
                world.pod(wall + world.random.randint(30, 200) * SECOND, namespace, name, image)
            for name, image, security in world.daemons:
                world.daemon(wall + world.random.randint(20, 90) * SECOND, name, image, security)

    def _habit_backup_at_a_new_hour(self) -> None:
        world = self._world
        image = "registry.example.com/ops/copy:1"
        for day in range(world.calendar.days):
            hour = 3.0 if day < self._day else 22.5
            spec = Spec(f"copy-{20261000 + day}", image, ("copy",), restart=None)
            world.run(world.calendar.at(day, hour, 0.1), spec, made.service("copy.service"))

    def _habit_new_person_on_call(self) -> None:
        by = made.person("dave", uid=1200)
        change = f"CHG-call-{self._day}"
        self._start(self._known(3), by, hour=2, change=change)
        for day in range(1, 8):
            restart = Start(StartKind.REACTIVATION, Trigger.USER_COMMAND, dormant_seconds=20.0)
            self._start(self._known(day % 5), by, restart, hour=14, day=self._day + day)

    def _habit_daemon_upgrade(self) -> None:
        world = self._world
        name, image, security = world.daemons[1]
        newer = f"{image.rpartition(':')[0]}:2"
        world.daemon(world.calendar.at(self._day, 14), name, newer, security)
        world.daemon(world.calendar.at(self._day, 15), name, newer, security)

    def _habit_new_deployments(self) -> None:
        for number, name in enumerate(("tempo", "mimir", "alloy")):
            image = f"registry.example.com/shop/{name}:1"
            for hour in (10, 10.1, 22):
                wall = self._world.calendar.at(self._day + number, hour)
                self._world.pod(wall, "ops", name, image)

    def _habit_everything_recreated(self) -> None:
        wall = self._world.calendar.at(self._day, 12)
        for number, spec in enumerate(self._world.services):
            at = wall + number * 5 * SECOND
            event = self._world.add(at, self._world.now(spec), made.person("alice", uid=1000), USED)
            self._world.remember(spec, event)

    def _habit_autoscaling_at_night(self) -> None:
        world = self._world
        namespace, name, image = world.deployments[0]
        for number in range(40):
            wall = world.calendar.at(self._day, 2) + number * MINUTE
            world.pod(wall, namespace, name, image)

    def _habit_crash_storm(self) -> None:
        world = self._world
        wall = world.calendar.at(self._day, 13)
        for spec in world.services:
            for number in range(3):
                start = Start(StartKind.RESTART, Trigger.RESTART_POLICY)
                at = wall + number * 30 * SECOND
                world.add(at, world.now(spec), None, start, again=True)

    def _habit_hot_fix_at_night(self) -> None:
        by = made.person("deploy", uid=1100)
        for number in range(3):
            change = f"CHG-night-{number}"
            self._start(self._known(number), by, hour=2.5, day=self._day + number, change=change)

    def _habit_sidecar_everywhere(self) -> None:
        world = self._world
        for namespace, owner, _ in world.deployments:
            spec = self._pod(owner, "docker.io/mesh/proxy:1", namespace, "proxy")
            wall = world.calendar.at(self._day, 11) + world.random.randint(0, 2) * HOUR
            world.add(wall, spec, None, PLACED)
