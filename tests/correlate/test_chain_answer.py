"""An answer is as sure as its weakest step."""

from __future__ import annotations

import json

from sensor.correlate.chain_answer import Walk
from sensor.model.control_plane import ChainConfidence, ControlRecord, Effect
from tests.correlate.audit_log import records, started


def deployed() -> ControlRecord:
    return records(json.dumps(started().lines[0]).encode())[0]


def test_uids_at_every_step_are_exact() -> None:
    record = deployed()
    answer = Walk((), exact=True).past(record, exact=True).answer((record,))
    assert answer.confidence is ChainConfidence.EXACT
    assert [step.workload for step in answer.chain] == ["Deployment/web", "Deployment/web"]


def test_one_step_by_name_makes_the_answer_inferred() -> None:
    record = deployed()
    by_name = Walk((), exact=True).past(record, exact=False)
    assert by_name.answer((record,)).confidence is ChainConfidence.INFERRED
    named = Walk((), exact=True).answer((record,), Effect.REPLACEMENT, named=True)
    assert (named.confidence, named.effect) == (ChainConfidence.INFERRED, Effect.REPLACEMENT)


def test_two_records_name_no_actor_but_all_candidates() -> None:
    log = started()
    log.lines[1]["user"]["username"] = "bob"
    both = records(b"\n".join(json.dumps(line).encode() for line in log.lines[:2]))
    answer = Walk((), exact=True).answer(both)
    assert (answer.actor, answer.candidates) == (None, ("alice", "bob"))
    assert answer.confidence is ChainConfidence.AMBIGUOUS
