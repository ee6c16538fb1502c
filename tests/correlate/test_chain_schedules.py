"""The authors of CronJobs, and of Jobs that wait to be resumed."""

from __future__ import annotations

import pytest

from sensor.model.control_plane import ChainConfidence
from tests.correlate.audit_log import (
    CONTROLLER,
    Log,
)

NOW = 1_900_000_000_000_000_000


def cron(log: Log, time: float, user: str, generation: int, verb: str = "create") -> None:
    answer = {
        "kind": "CronJob",
        "metadata": {"name": "report", "uid": "C", "generation": generation},
        "spec": {"schedule": "* * * * *"},
    }
    log.call(time, user, verb, "cronjobs", name="report", answer=answer, body=answer)


def ticked(log: Log, time: float, generation: int | None) -> None:
    """A Job of the CronJob with its pod, and what the controller says that it acted on."""
    name = f"report-{int(time)}"
    log.job(time, CONTROLLER.format("cronjob"), name, of="report")
    log.job_pod(time + 0.05, f"{name}-aaaaa", name)
    if generation is not None:
        body = {"kind": "CronJob", "metadata": {"name": "report", "generation": generation}}
        user = CONTROLLER.format("cronjob")
        log.call(
            time + 0.1, user, "update", "cronjobs/status", name="report", body=body, answer=body
        )


@pytest.mark.parametrize(
    ("acted", "wanted"),
    [(1, ChainConfidence.EXACT), (None, ChainConfidence.INFERRED)],
    ids=["that version", "no report"],
)
def test_the_author_of_a_cron_job_is_proven_by_the_version_that_ran(
    acted: int | None, wanted: ChainConfidence
) -> None:
    log = Log()
    cron(log, 0, "alice", 1)
    ticked(log, 60, acted)
    answer = log.answers()["report-60-aaaaa"]
    assert (answer.actor, answer.confidence) == ("alice", wanted)


def test_a_later_version_of_a_cron_job_has_an_author_of_its_own() -> None:
    log = Log()
    cron(log, 0, "alice", 1)
    cron(log, 30, "bob", 2, "patch")
    ticked(log, 60, 3)
    assert log.answers() == {}


def test_a_write_of_a_cron_job_after_its_job_did_not_make_it() -> None:
    log = Log()
    cron(log, 0, "alice", 1)
    ticked(log, 60, None)
    cron(log, 60.5, "bob", 2, "patch")
    assert log.answers()["report-60-aaaaa"].actor == "alice"


def test_a_write_that_changed_nothing_of_a_cron_job_is_not_proven() -> None:
    log = Log()
    cron(log, 30, "bob", 1, "patch")
    ticked(log, 60, 1)
    assert log.answers()["report-60-aaaaa"].confidence is ChainConfidence.INFERRED


def test_the_pod_that_a_suspended_job_makes_was_not_asked_for_by_its_creator() -> None:
    """The record that resumed it is missing."""
    log = Log()
    log.job(0, "alice", "report", suspend=True)
    log.job_pod(60.1, "report-aaaaa", "report")
    assert log.answers() == {}
