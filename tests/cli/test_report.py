"""``castoff report``: the files that it writes, and its exit code."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner, Result

from sensor.cli.main import castoff
from sensor.evidence.export import FILE, ExportRequest, export
from tests.evidence.logs import make_log, rename, rewrite
from tests.report.week import lines


def report(*arguments: str | Path) -> Result:
    runner = CliRunner(mix_stderr=False)
    return runner.invoke(castoff, ["report", *map(str, arguments)])


def test_the_node_s_own_log_gives_a_page_and_its_population(tmp_path: Path) -> None:
    make_log(tmp_path / "state", 30)
    page, data = tmp_path / "report.html", tmp_path / "starts.ndjson"
    done = report("--log", tmp_path / "state", "-o", page, "--data", data, "--title", "Node <7>")
    assert done.exit_code == 0, done.stderr
    text = page.read_text()
    assert "<h1>Node &lt;7&gt;</h1>" in text
    assert "The chain of every source is whole." in text
    starts = len(data.read_bytes().splitlines())
    assert starts == 12
    assert f"<b>{starts}</b><span>container starts on 1 host" in text
    assert page.stat().st_mode & 0o777 == 0o600
    assert done.stdout == f"{page}: 12 starts on 1 host; every chain is whole\n"


def test_a_broken_chain_gives_a_page_that_says_so_and_fails(tmp_path: Path) -> None:
    rewrite(make_log(tmp_path / "state", 30), 8, rename)
    page = tmp_path / "report.html"
    done = report("--log", tmp_path / "state", "-o", page)
    assert done.exit_code == 1
    assert "the digest is not that of this event" in done.stderr
    assert done.stdout.endswith("; the evidence is NOT WHOLE\n")
    assert "The evidence is not whole." in page.read_text()


def test_one_damaged_host_of_three_is_named_on_the_first_page(tmp_path: Path) -> None:
    for name in ("node-a", "node-b", "node-c"):
        export(ExportRequest(make_log(tmp_path / "logs" / name, 20), tmp_path / "out" / name))
    damaged = tmp_path / "out" / "node-b" / FILE
    damaged.write_bytes(damaged.read_bytes()[:3000])
    page = tmp_path / "report.html"
    done = report("--from", tmp_path / "out", "-o", page)
    assert done.exit_code == 1
    assert "node-b" in done.stderr
    assert "node-a" not in done.stderr
    text = page.read_text()
    first = text[: text.index("<nav")]
    assert "The evidence is not whole." in first
    assert "node-b" in re.sub("<wbr>", "", first)
    assert "node-a" not in first
    assert text.count('<span class="mark yes">whole</span>') == 2


def test_a_collector_s_events_give_a_page_on_standard_output(tmp_path: Path) -> None:
    file = tmp_path / "week.ndjson"
    file.write_bytes(b"".join(lines(20)))
    done = report("--from", file, "-o", "-", "--since", "2025-11-24", "--until", "2025-12-01")
    assert done.exit_code == 0, done.stderr
    assert "</html>" in done.stdout
    assert "container starts on 3 hosts" in done.stdout


def test_an_empty_log_says_that_there_are_no_events(tmp_path: Path) -> None:
    make_log(tmp_path / "state", 0)
    page = tmp_path / "report.html"
    assert report("--log", tmp_path / "state", "-o", page).exit_code == 0
    assert "There are no events in this period." in page.read_text()


def test_rules_that_suppress_are_shown_whether_or_not_they_did(tmp_path: Path) -> None:
    make_log(tmp_path / "state", 3)
    (tmp_path / "castoff.toml").write_text("")
    until = datetime.now(UTC).date() + timedelta(days=30)
    (tmp_path / "policy.toml").write_text(
        f'[suppress.lab]\nfinding = "direct-runtime"\naccount = "lab"\nuntil = {until}T12:00:00Z\n'
        'reason = "the lab runs <runc> by hand"\n'
    )
    page = tmp_path / "report.html"
    config = tmp_path / "castoff.toml"
    done = report("--log", tmp_path / "state", "--config", config, "-o", page)
    assert done.exit_code == 0, done.stderr
    text = page.read_text()
    assert "the lab runs &lt;runc&gt; by hand" in text
    assert f"{until} 12:00:00" in text
