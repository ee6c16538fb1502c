"""A check of the host is one line, and what belongs to it stands below."""

from __future__ import annotations

from sensor.cli.finding import Health, HostCheck


def test_long_texts_are_wrapped_below_where_they_begin() -> None:
    finding = HostCheck("audit", Health.NOTE, "word " * 40, "do this", ("one " * 30, "two"))
    lines = finding.lines(80, colour=False)
    assert lines[0].startswith("note  audit        word")
    assert all(len(line) <= 80 for line in lines)
    assert all(line.startswith(" " * 19) for line in lines[1:])
    assert sum("- " in line for line in lines) == 2
    assert lines[-1].strip() == "fix: do this"
    assert len(finding.lines(None, colour=False)) == 4


def test_what_another_user_named_is_shown_escaped() -> None:
    finding = HostCheck("engines", Health.OK, "x", details=("docker at /run/\x1b[2J\nx",))
    assert all(line.isprintable() for line in finding.lines(80, colour=False))
