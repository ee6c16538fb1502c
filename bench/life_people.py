"""What people do on a made-up node by day: CI jobs, debugging, deploys, new services."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench import life_events as made
from bench.life_events import Spec
from bench.life_world import HEX
from sensor.model.events import Start
from sensor.model.vocabulary import StartKind, Trigger

if TYPE_CHECKING:
    from bench.life_world import World

LANGUAGES = (
    *("golang", "rust", "node", "python", "maven"),
    *("gradle", "ruby", "php", "alpine", "debian"),
)
TOOLS = ("docker.io/library/busybox:1", "docker.io/library/alpine:3", "docker.io/library/debian:12")
PEOPLE = ("alice", "bob", "carol")
SURNAMES = ("bell", "curie", "darwin", "euler", "fermi", "gauss", "hopper", "joule")
MOODS = ("happy", "brave", "clever", "eager", "focused", "kind", "lucid", "quirky")
FRESH = Start(StartKind.FIRST, Trigger.USER_COMMAND)

DOCKER_JOBS = 0.1
"""Share of CI jobs that run Docker inside, privileged."""
TRIES = 0.5
"""Share of a person's starts that are a container of their own; the rest restart a service."""
QUIET = 0.4
"""Share of workdays without a deploy."""
RECORDED = 0.5
"""Share of deploys with a recorded change."""
ROLLED = 0.2
"""Share of the deployments that a deploy rolls."""


class People:
    """The starts that people ask for, or that their pipelines make for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at = world.calendar.at

    # ----------------------------------------------------------------- each day

    def jobs(self, day: int) -> None:
        """Add a day of a CI runner; a new language comes with each week."""
        world, choose = self._world, self._world.random
        jobs = choose.randint(4, 25) if world.calendar.is_workday(day) else choose.randint(0, 3)
        known = min(len(LANGUAGES), 4 + day // 6)
        for _ in range(jobs):
            language = LANGUAGES[choose.randrange(known)]
            project = choose.randint(10, 40)
            token = world.word(8, "abcdefgh23456789")
            digest = world.word(16, HEX)
            spec = Spec(
                f"runner-{token}-project-{project}-concurrent-0-{digest}-build-2",
                f"docker.io/library/{language}:1",
                ("sh", "-c", "build"),
                restart="no",
            )
            if world.chance(DOCKER_JOBS):
                spec = replace(
                    spec,
                    image="docker.io/library/docker:dind",
                    command=("dockerd-entrypoint.sh",),
                    security=made.privileged(),
                )
            world.run(self._at(day, 13, 5), spec, made.service("gitlab-runner.service"))

    def work(self, day: int) -> None:
        """Add what each person tries and restarts on a workday."""
        world, choose = self._world, self._world.random
        if not world.calendar.is_workday(day):
            return
        for login in PEOPLE:
            uid = 1000 + PEOPLE.index(login)
            for _ in range(choose.choice((0, 0, 1, 1, 2, 4))):
                wall = self._at(day, 13, 4)
                if world.chance(TRIES):
                    known = [spec.image for spec in world.services]
                    image = choose.choice((*TOOLS, *known))
                    name = f"{choose.choice(MOODS)}_{choose.choice(SURNAMES)}"
                    spec = Spec(name, image, ("sh",), restart="no")
                    world.run(wall, spec, made.person(login, uid=uid))
                else:
                    self._restart(wall, choose.choice(world.services), login, uid)

    def deploys(self, day: int) -> None:
        """Add two services and some deployments with new tags, on most workdays."""
        world = self._world
        if not world.calendar.is_workday(day) or world.chance(QUIET):
            return
        for spec in world.random.sample(world.services, 2):
            name = spec.image.rpartition("/")[2].partition(":")[0]
            world.tags[name] += 1
            fresh = replace(spec, image=world.image(name))
            change = f"CHG-{day}-{name}" if world.chance(RECORDED) else None
            by = made.person("deploy", uid=1100)
            event = world.add(self._at(day, 10.5, 1), fresh, by, FRESH, change=change)
            world.remember(spec, event)
        for number, (namespace, name, image) in enumerate(world.deployments):
            if world.chance(ROLLED):
                world.tags[name] = world.tags.get(name, 1) + 1
                rolled = f"{image.rpartition(':')[0]}:{world.tags[name]}"
                world.deployments[number] = namespace, name, rolled
                world.pod(self._at(day, 11, 1), namespace, name, rolled)

    def _restart(self, wall: int, spec: Spec, login: str, uid: int) -> None:
        kind = self._world.random.choice((StartKind.RESTART, StartKind.REACTIVATION))
        dormant = 30.0 if kind is StartKind.REACTIVATION else None
        start = Start(kind, Trigger.USER_COMMAND, dormant_seconds=dormant)
        by = made.person(login, uid=uid)
        self._world.add(wall, self._world.now(spec), by, start, again=True)

    # ----------------------------------------------------------------- now and then

    def novelties(self) -> None:
        """Add new services and hot fixes with a change, and new deployments without one."""
        world, choose, days = self._world, self._world.random, self._world.calendar.days
        by = made.person("deploy", uid=1100)
        for number, day in enumerate(choose.sample(range(9, days), 3)):
            name = f"ledger{number}"
            world.tags[name] = 1
            spec = world.compose(name, "shop")
            world.add(self._at(day, 11, 1), spec, by, FRESH, change=f"CHG-new-{name}")
        for number, day in enumerate(choose.sample(range(9, days), 3)):
            image = f"registry.example.com/shop/placed{number}:1"
            world.pod(self._at(day, 12, 8), "shop", f"placed{number}", image)
        for day in choose.sample(range(8, days), 2):
            spec = choose.choice(world.services)
            wall = self._at(day, 23, 1)
            world.add(wall, world.now(spec), by, FRESH, change=f"CHG-hot-{day}")
