"""Starts by explanation, person and workload."""

from __future__ import annotations

from tests.report.test_tally import start, tally_of
from tests.report.week import Week


def test_starts_are_counted_by_their_explanation() -> None:
    explained, unknown, refused, older = (start(number) for number in range(4))
    explained["verdict"] = {"expected": True, "explanation": "change", "change": "CHG1,CHG2"}
    unknown["verdict"] = {"expected": None}
    refused["verdict"] = {"expected": False, "reasons": ["a rule forbids it"]}
    older["verdict"] = None
    events = [one | {"id": str(number)} for number, one in
              enumerate((explained, unknown, refused, older))]  # fmt: skip
    tally = tally_of(events)
    assert tally.starts.explanations == {
        "change": 1, "no explanation on file": 1, "not expected": 1, "no verdict": 1,
    }  # fmt: skip
    assert tally.history.changes.rows["CHG1"].starts == 1
    assert tally.history.changes.rows["CHG2"].starts == 1
    assert tally.starts.unexpected.rows[0].reasons == ("a rule forbids it",)


def test_a_crash_loop_is_five_restarts_in_ten_minutes() -> None:
    tally = tally_of(list(Week(1).events()))
    (loop,) = tally.starts.crash_loops()
    assert (loop.workload, loop.host, loop.worst) == ("compose/billing/mail", "node-a", 9)


def test_people_are_logins_and_not_accounts() -> None:
    nobody = start()
    nobody["initiator"]["user"] = {"uid": 0, "name": "root", "auid": None, "auid_name": None}
    assert tally_of([nobody]).starts.people.rows == {}
    nobody["initiator"]["user"] |= {"auid": 1234}
    assert list(tally_of([nobody]).starts.people.rows) == ["login uid 1234"]
