"""Rules of Castoff that leave the kernel are reported, those that are loaded anew are not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sensor.model.witness_records import AuditRulesChanged
from sensor.sources.audit.assembly import AuditEvent, Ending
from sensor.sources.audit.record import AuditRecord
from sensor.sources.audit.rule_watch import SETTLED, RuleWatch
from tests.sources.audit.audit_text import record, syscall

NOW = 1_000_000_000_000
LATER = NOW + SETTLED


def change(text: str) -> AuditRecord:
    return record("CONFIG_CHANGE", text)


def removed(key: str = "castoff_client", auid: int = 1000) -> AuditRecord:
    return change(f'auid={auid} ses=3 subj=unconfined op=remove_rule key="{key}" list=4 res=1')


def added(key: str = "castoff_client") -> AuditRecord:
    return change(f'auid=1000 ses=3 subj=unconfined op=add_rule key="{key}" list=4 res=1')


def switched(on: int) -> AuditRecord:
    return change(f"op=set audit_enabled={on} old={1 - on} auid=1000 ses=3 res=1")


def event(*records: AuditRecord) -> AuditEvent:
    return AuditEvent(records[0].stamp, records, Ending.EOE, cut=False)


def after(*records: AuditRecord, until: int = LATER) -> tuple[RuleWatch, AuditRulesChanged | None]:
    watch = RuleWatch()
    for one in records:
        watch.push(event(one), NOW)
    return watch, watch.take(until)


def test_rules_that_were_removed_are_reported_with_keys_and_login() -> None:
    watch, found = after(removed(), removed("castoff_api"), removed())
    assert found == AuditRulesChanged(
        LATER, NOW, 3, enabled=True, keys=("castoff_api", "castoff_client"), loginuid=1000
    )
    assert watch.take(LATER + 1) is None, "once"
    assert watch.deadline() is None


def test_the_program_is_named_where_its_system_call_came_with_it() -> None:
    watch = RuleWatch()
    watch.push(event(removed(), syscall(44, exe='"/usr/sbin/auditctl"')), NOW)
    found = watch.take(LATER)
    assert found is not None
    assert found.exe == "/usr/sbin/auditctl"


def test_a_process_without_a_login_has_none() -> None:
    _, found = after(removed(auid=0xFFFF_FFFF))
    assert found is not None
    assert (found.loginuid, found.exe) == (None, None)


@pytest.mark.parametrize(
    "records",
    [
        [removed(), removed("castoff_api"), added("castoff_api"), added()],
        [switched(0), switched(1)],
        [added()],
        [change('auid=1 ses=1 op=remove_rule key="ssh" list=4 res=1')],
        [change('auid=1 ses=1op=remove_rule path="/run/x" key="castoff_api" list=4 res=1')],
        [record("USER_CMD", 'op=remove_rule key="castoff_client"')],
    ],
    ids=["reload", "off and on", "added", "another's", "directory went", "user's record"],
)
def test_what_is_no_loss_is_not_reported(records: Sequence[AuditRecord]) -> None:
    watch, found = after(*records)
    assert found is None
    assert watch.take(LATER * 2) is None


def test_a_reload_has_its_time() -> None:
    watch, found = after(removed(), until=LATER - 1)
    assert found is None
    assert watch.deadline() == LATER
    watch.push(event(added()), LATER - 1)
    assert watch.take(LATER) is None


def test_audit_that_is_switched_off_is_a_loss() -> None:
    _, found = after(switched(0))
    assert found is not None
    assert (found.missing, found.enabled, found.lost) == (0, False, True)


def test_rules_that_come_back_later_are_reported_too() -> None:
    watch, found = after(removed())
    assert found is not None
    watch.push(event(added()), LATER + 5)
    back = watch.take(LATER + 6)
    assert back == AuditRulesChanged(LATER + 6, NOW, 0, enabled=True)
    assert not back.lost
    watch.push(event(removed()), LATER * 3)
    assert watch.take(LATER * 3 + SETTLED) is not None, "and a new loss is a new one"


def test_many_keys_are_bounded() -> None:
    names = [f"castoff_{chr(97 + one % 26)}{chr(97 + one // 26)}" for one in range(600)]
    _, found = after(*(removed(name) for name in names))
    assert found is not None
    assert len(found.keys) == 64
