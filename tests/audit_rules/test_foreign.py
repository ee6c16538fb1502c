"""Rules of others are compared by their meaning."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.audit_rules.auditctl import sort_lines
from sensor.audit_rules.foreign import core


@given(st.text(max_size=80))
def test_any_line_is_read_or_refused(line: str) -> None:
    sort_lines([line, "-" + line])
    core(line)


def test_rules_of_others_are_compared_however_they_are_written() -> None:
    assert core("-w /etc/passwd -p wa -k id") == core(
        "-a exit,always -F path=/etc/passwd -F perm=aw -F key=id"
    )
    assert core("-a always,exit -S a,b -F auid!=unset") == core(
        "-a always,exit -S b -S a -F auid!=-1"
    )
    assert core("-w /etc/passwd -p wa -k id") != core("-w /etc/group -p wa -k id")
