"""A unit is a fact, and a cron is known by its name: what a person may call so is inferred."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.service_managers import trigger_of, unit_of
from sensor.model.process import CgroupPaths, ProcessFacts
from sensor.model.vocabulary import Confidence, Trigger
from tests.correlate.observations import SESSION, ancestor, facts

BACKUP = CgroupPaths(None, "/system.slice/backup.service")
CRON = CgroupPaths(None, "/system.slice/cron.service")
NOWHERE = CgroupPaths(None, None)
MANAGER, PERSON = Trigger.SERVICE_MANAGER, Trigger.USER_COMMAND


def process(above: str, cgroup: CgroupPaths = NOWHERE, exe: str | None = None) -> ProcessFacts:
    """A process with a login below a program of that comm."""
    ancestors = (ancestor("sh", 41), ancestor(above, 40, exe=exe))
    return replace(facts(3, 0, cgroup=cgroup), loginuid=1000, ancestors=ancestors)


@pytest.mark.parametrize("name", ["cron", "crond", "atd", "anacron"])
def test_a_job_is_inferred_where_only_a_name_shows_a_cron(name: str) -> None:
    assert trigger_of(process(name)) == (MANAGER, Confidence.INFERRED)


def test_a_job_in_the_unit_of_a_cron_is_exact() -> None:
    assert trigger_of(process("cron", CRON)) == (MANAGER, Confidence.EXACT)


def test_what_has_a_terminal_is_not_a_job_whatever_it_is_below() -> None:
    typed = replace(process("crond", SESSION), tty="pts/1")
    assert trigger_of(typed) == (PERSON, Confidence.EXACT)


def test_a_process_that_calls_itself_cron_and_has_another_file_is_not_a_cron() -> None:
    assert trigger_of(process("cron", exe="bash")) == (PERSON, Confidence.EXACT)


def test_cron_renames_the_process_of_a_job() -> None:
    assert trigger_of(process("CRON", exe="cron"))[0] is MANAGER
    assert trigger_of(process("CRON", exe=""))[0] is MANAGER


def test_a_service_without_a_login_is_its_units() -> None:
    service = replace(process("systemd", BACKUP), loginuid=None)
    assert trigger_of(service) == (MANAGER, Confidence.EXACT)
    assert unit_of(service.cgroup) == "backup.service"
    assert unit_of(None) is None


@pytest.mark.parametrize(
    ("above", "exe", "login", "reads"),
    [
        ("crond", "busybox", 1000, MANAGER),
        ("crond", "busybox", None, MANAGER),
        ("sh", "busybox", None, PERSON),
        ("runsv", "busybox", None, MANAGER),
        ("runsv", "runsv", None, MANAGER),
        ("s6-supervise", None, None, MANAGER),
        ("supervise-daemo", "supervise-daemon", None, MANAGER),
        ("runsv", "runsv", 1000, PERSON),
        ("runsv", "bash", None, PERSON),
    ],
)
def test_a_host_without_systemd_has_supervisors_of_its_own(
    above: str, exe: str | None, login: int | None, reads: Trigger
) -> None:
    found, sure = trigger_of(replace(process(above, exe=exe), loginuid=login))
    assert found is reads
    assert reads is PERSON or sure is Confidence.INFERRED


OWN = "/user.slice/user-1000.slice/user@1000.service/app.slice/"


@pytest.mark.parametrize(
    ("unit", "tty", "reads"),
    [
        ("web.service", None, (MANAGER, Confidence.INFERRED)),
        ("web.service", "pts/1", (PERSON, Confidence.EXACT)),
        ("app-org.kde.konsole@1.service", None, (PERSON, Confidence.EXACT)),
        ("vte-spawn-1.scope", None, (PERSON, Confidence.EXACT)),
    ],
)
def test_a_service_of_a_persons_own_manager_is_inferred(
    unit: str, tty: str | None, reads: tuple[Trigger, Confidence]
) -> None:
    """A rootless quadlet and a user's timer have the login of their user."""
    place = CgroupPaths(None, OWN + unit)
    assert trigger_of(replace(process("systemd", place), tty=tty)) == reads
