"""Units, timers and cron jobs that run a client."""

from __future__ import annotations

from pathlib import Path

from sensor.access import jobs
from sensor.model.access import Way
from tests.access.fake import node_of, put, users_of


def ways(root: Path, **files: str) -> list[Way]:
    node = node_of(root)
    for name, text in files.items():
        put(root, name, text)
    return list(jobs.ways(node, users_of(node)))


def test_a_unit_that_runs_a_client_is_found_with_its_timer_and_user(tmp_path: Path) -> None:
    units = "etc/systemd/system/"
    found = ways(
        tmp_path,
        **{
            units + "backup.service": "[Service]\nUser=bob\nExecStart=-/usr/bin/docker run x\n",
            units + "backup.timer": "[Timer]\nOnCalendar=daily\n",
            units + "web.service": "[Service]\nExecStartPre=/bin/true\nExecStart=/bin/web\n",
            units + "docker.service": "[Service]\nExecStart=/usr/bin/docker x\n",
            "usr/lib/systemd/system/backup.service": "[Service]\nExecStart=/usr/bin/podman x\n",
        },
    )
    (way,) = found
    assert (way.who, way.unit, way.grave) == ("bob", "backup.service", False)
    assert way.evidence == "/etc/systemd/system/backup.service runs docker, with a timer"


def test_a_masked_unit_runs_nothing_and_a_link_is_followed(tmp_path: Path) -> None:
    target = put(tmp_path, "opt/job.service", "[Service]\nExecStart=/bin/sh -c 'podman start x'\n")
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    (units / "masked.service").symlink_to("/dev/null")
    (units / "loop.service").symlink_to("loop.service")
    (units / "job.service").symlink_to(target)
    assert [way.unit for way in ways(tmp_path)] == ["job.service"]


def test_a_quadlet_is_a_unit(tmp_path: Path) -> None:
    (way,) = ways(tmp_path, **{"etc/containers/systemd/web.container": "[Container]\nImage=x\n"})
    assert way.unit == "web.service"


def test_cron_jobs_of_the_system_and_of_users_are_found(tmp_path: Path) -> None:
    found = ways(
        tmp_path,
        **{
            "etc/crontab": "# docker\nSHELL=/bin/sh\n0 3 * * * root docker start x\n",
            "etc/cron.d/job": "@daily carol /usr/bin/nerdctl start x\n",
            "etc/cron.daily/clean": "#!/bin/sh\n# podman\n/usr/bin/podman system prune\n",
            "etc/cron.daily/other": "#!/bin/sh\ntrue # docker\n",
            "var/spool/cron/crontabs/alice": "*/5 * * * * FOO=1 docker compose up\n",
            "var/spool/cron/crontabs/stranger": "* * * * * docker start x\n",
        },
    )
    assert {(way.who, way.evidence.rpartition(" ")[2]) for way in found} >= {
        ("root", "docker"), ("carol", "nerdctl"), ("root", "podman"), ("alice", "docker"),
    }  # fmt: skip
    assert "stranger" not in {way.who for way in found}


def test_a_crontab_that_is_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    secret = put(tmp_path, "secret", "* * * * * docker start x\n")
    crontabs = tmp_path / "var/spool/cron/crontabs"
    crontabs.mkdir(parents=True)
    (crontabs / "alice").symlink_to(secret)
    __import__("os").mkfifo(crontabs / "bob")
    assert ways(tmp_path) == []
