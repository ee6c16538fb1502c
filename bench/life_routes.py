"""The same kinds once more on a made-up node, by routes that neither of the other months takes.

As in :mod:`bench.life_variants` each is named and judged alone: what an intruder does, and what
operators, schedulers and pipelines do without one.
"""

from __future__ import annotations

from dataclasses import replace

from bench import life_events as made
from bench.life_calendar import MINUTE, SECOND
from bench.life_events import IN_POD, PLAIN, Spec
from bench.life_intruder import CALLED, PLACED, USED
from bench.life_variants import ALPINE, BY_TIMER, Variants
from bench.life_world import HEX
from sensor.model.container import Mount, Orchestrator
from sensor.model.events import PreviousRun, Start
from sensor.model.vocabulary import ContainerId, Engine, StartKind, Trigger

REPORT = "registry.example.com/ops/report:1"
HELPER = "registry.gitlab.com/gitlab-org/runner-helper:1"


class Routes(Variants):
    """Adds intrusions and ordinary changes by name, on days of their own."""

    # ----------------------------------------------------------------- intrusions

    def _plant_disk_as_a_device(self) -> None:
        security = replace(PLAIN, devices=("/dev/sda",))
        spec = Spec("diag", ALPINE, ("cat",), security=security, restart="no")
        self._start(spec, made.person("alice", uid=1000), hour=14)

    def _plant_job_in_the_pids_of_the_host(self) -> None:
        world = self._world
        name = f"runner-abcdefgh-project-12-concurrent-0-{world.word(16, HEX)}-build-2"
        host = replace(PLAIN, host_namespaces=("pid",))
        spec = Spec(name, "docker.io/library/golang:1", ("sh", "-c", "x"), security=host)
        self._start(spec, made.service("gitlab-runner.service"), BY_TIMER, hour=14)

    def _plant_line_in_a_crontab(self) -> None:
        spec = Spec("mirror", self._known(0).image, ("/app/server",), restart="no")
        self._start(spec, made.service("cron.service"), BY_TIMER, hour=4)

    def _plant_one_more_of_a_set(self) -> None:
        pod = Orchestrator("kubernetes", "ops", "loki-db-7", "u" * 12, "main")
        self._start(self._world.in_pod(pod, "docker.io/evil/loki:1"), None, PLACED)

    def _plant_among_docker_s(self) -> None:
        spec = Spec("y", self._known(1).image, runtime=Engine.CONTAINERD, namespace="moby")
        self._start(spec, made.person("bob", uid=1001), hour=11)

    def _plant_labels_of_a_service(self) -> None:
        known = self._known(0)
        spec = replace(known, image="docker.io/library/alpine:3", command=("sh", "-c", "x"))
        self._start(replace(spec, name="shop-web-9"), made.person("bob", uid=1001), hour=14)

    def _plant_woken_over_the_socket(self) -> None:
        start = Start(StartKind.REACTIVATION, Trigger.API_CLIENT, dormant_seconds=45 * 86_400.0)
        self._start(self._known(2), made.account("panel", 990, "/usr/bin/panel"), start, hour=3)

    def _plant_root_without_a_login(self) -> None:
        by = made.account("root", 0, "/usr/bin/ncat")
        self._start(Spec("tunnel", ALPINE, ("sleep",), restart="no"), by, USED)

    def _plant_tracing_exporter(self) -> None:
        name, image, security = self._world.daemons[2]
        more = replace(security, capabilities=("CAP_SYS_PTRACE",))
        pod = Orchestrator("kubernetes", "kube-system", f"{name}-x7k2v", "u" * 12, name)
        self._start(self._world.in_pod(pod, image, more), None, PLACED)

    def _plant_job_that_calls_the_engine(self) -> None:
        world = self._world
        name = f"runner-abcdefgh-project-13-concurrent-0-{world.word(16, HEX)}-build-2"
        job = Spec(name, "docker.io/library/golang:1", ("sh", "-c", "build"), restart="no")
        wall = world.calendar.at(self._day, 13)
        runner = made.service("gitlab-runner.service")
        event = world.add(wall, job, runner, BY_TIMER)
        assert event.container is not None
        by = made.inside(event.container.id or ContainerId("d" * 64))
        self._start(Spec(None, ALPINE, ("sh",)), by, CALLED, hour=14)

    def _plant_shell_in_a_cron_job(self) -> None:
        pod = Orchestrator("kubernetes", "ops", "report-29000007-x7k2v", "u" * 12, "report")
        spec = replace(self._world.in_pod(pod, REPORT), command=("/bin/sh", "-c", "x"))
        self._start(spec, None, PLACED, hour=14)

    def _plant_state_of_the_kubelet(self) -> None:
        namespace, owner, image = self._world.deployments[3]
        mounts = (Mount("/var/lib/kubelet/pods", "/p", writable=True),)
        spec = replace(self._pod(owner, image, namespace), security=replace(IN_POD, mounts=mounts))
        self._start(spec, None, PLACED)

    def _plant_like_a_part_of_the_system(self) -> None:
        spec = self._pod("coredns", "docker.io/coredns-io/coredns:1", "kube-system", "coredns")
        self._start(spec, None, PLACED)

    def _plant_burst_of_the_runner(self) -> None:
        world = self._world
        wall = world.calendar.at(self._day, 4)
        for number in range(150):
            name = f"runner-abcdefgh-project-14-concurrent-{number}-{world.word(16, HEX)}-build-2"
            spec = Spec(name, "docker.io/library/golang:1", ("sh", "-c", "build"), restart="no")
            by = made.service("gitlab-runner.service")
            world.add(wall + number * SECOND, spec, by, BY_TIMER, planted=self._name)

    # ----------------------------------------------------------------- ordinary changes

    def _habit_drain_at_night(self) -> None:
        world = self._world
        wall = world.calendar.at(self._day, 2.5)
        for namespace, name, image in world.deployments:
            for number in range(3):
                world.pod(wall + number * 40 * SECOND, namespace, name, image)
        for name, image, security in world.daemons:
            world.daemon(wall + 300 * SECOND, name, image, security)

    def _habit_helpers_of_a_new_runner(self) -> None:
        world = self._world
        for day in range(self._day, world.calendar.days):
            for _ in range(5):
                token = world.word(8, "abcdefgh23456789")
                name = f"runner-{token}-project-21-concurrent-1-{world.word(16, HEX)}-predefined-0"
                spec = Spec(name, HELPER, ("gitlab-runner-build",), restart="no")
                wall = world.calendar.at(day, 13, 5)
                world.run(wall, spec, made.service("gitlab-runner.service"))

    def _habit_more_of_a_service(self) -> None:
        known = self._known(1)
        for number in (2, 3, 4):
            name = f"{(known.name or '').rpartition('-')[0]}-{number}"
            self._start(replace(known, name=name), made.person("deploy", uid=1100), hour=11)

    def _habit_blue_and_green(self) -> None:
        namespace, owner, image = self._world.deployments[0]
        for number in range(4):
            colour = ("blue", "green")[number % 2]
            wall = self._world.calendar.at(self._day + number, 11)
            self._world.pod(wall, namespace, f"{owner}-{colour}", image)

    def _habit_tests_of_a_person(self) -> None:
        world = self._world
        wall = world.calendar.at(self._day, 14)
        for number in range(12):
            name = f"testcontainers-ryuk-{world.word(8, HEX)}-{world.word(12, HEX)}"
            spec = Spec(name, "docker.io/library/debian:12", ("sh",), restart="no")
            world.run(wall + number * 10 * SECOND, spec, made.person("bob", uid=1001))

    def _habit_out_of_memory_at_night(self) -> None:
        world = self._world
        namespace, owner, image = world.deployments[1]
        event = world.pod(world.calendar.at(self._day, 1), namespace, owner, image)
        container, pod = event.container, event.orchestrator
        assert container is not None
        assert container.id is not None
        assert pod is not None
        for attempt in range(1, 5):
            last = PreviousRun(container.id, exit_code=137, oom_killed=True)
            start = Start(StartKind.RESTART, Trigger.ORCHESTRATOR, attempt=attempt, previous=last)
            wall = event.time + world.maker.offset + attempt * 3 * MINUTE
            world.add(wall, world.in_pod(pod, image), None, start)

    def _habit_twice_a_month(self) -> None:
        world = self._world
        spec = Spec("invoice", "registry.example.com/ops/invoice:1", ("invoice",), restart="no")
        for day in (1, 15, 29):
            world.run(world.calendar.at(day, 5), spec, made.service("invoice.service"))

    def _habit_absent_for_three_weeks(self) -> None:
        by = made.person("frida", uid=1300)
        for day in (1, 2, 3, 27, 28):
            start = Start(StartKind.REACTIVATION, Trigger.USER_COMMAND, dormant_seconds=20.0)
            self._start(self._known(day % 3), by, start, hour=14, day=day)

    def _habit_services_moved_to_podman(self) -> None:
        for number in (6, 7):
            spec = replace(self._known(number), runtime=Engine.PODMAN, namespace=None)
            self._start(spec, made.person("deploy", uid=1100), hour=11)
