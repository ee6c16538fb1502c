"""The page in a real browser: whole, inert, readable by everyone, and alone in the world."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lab.requirements import cannot
from sensor.errors import StateUnusable
from sensor.evidence.verdict import Discrepancy
from sensor.model.access import Access, Way, WayKind
from sensor.report.controls import CONTROLS
from sensor.report.event_view import Document
from sensor.report.page import TITLES, Sheet, render
from sensor.report.sources import ChainState
from sensor.report.tally import Tally
from tests.report import life
from tests.report.week import BEGIN, DAY, HOSTILE, Week

BROWSER = Path(__file__).with_name("browser.js")
MODULES = Path(__file__).parents[1] / "npm" / "node_modules"
ACCESS = Access(
    host="node-1",
    now=BEGIN,
    ways=(
        Way(
            WayKind.ROOT, "root", "uid 0, shell /bin/bash", grave=True, login="root", last_use=BEGIN
        ),
        Way(WayKind.GROUP, "alice", "group docker", grave=True, login="alice"),
        Way(WayKind.LISTENER, "everyone who reaches the address", "0.0.0.0:2375, asks for nothing"),
    ),
    unread=("/etc/sudoers: Permission denied",),
    covers=BEGIN - 40 * DAY,
)


def tally_of(events: list[Document], since: int = BEGIN) -> Tally:
    tally = Tally(since, since + 7 * DAY, since + 8 * DAY)
    for event in events:
        tally.add(event)
    tally.finish()
    return tally


def page_of(events: list[Document], *chains: ChainState, since: int = BEGIN) -> str:
    tally = tally_of(events, since)
    return render(Sheet("A week", tally, list(chains), query="castoff report", access=ACCESS))


@cache
def week() -> str:
    whole = ChainState("node-1", "0f1e2d3c4b5a6978", 900, 1, 900, "ab" * 32, checked=900)
    return page_of(life.documents(), whole, since=life.BEGIN)


def seen(directory: Path, text: str) -> dict[str, Any]:
    """Return what Chromium makes of a page, at two widths and in two themes."""
    for command in ("chromium", "node"):
        if shutil.which(command) is None:
            cannot(f"{command} is missing")
    if not (MODULES / "playwright-core").exists():
        cannot("playwright-core is missing: npm ci in tests/npm")
    path = directory / "report.html"
    path.write_text(text)
    done = subprocess.run(
        ["node", BROWSER, path], check=True, stdout=subprocess.PIPE, timeout=180, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("which", ["week", "empty"])
def test_a_browser_shows_it_whole_and_in_peace(which: str, tmp_path: Path) -> None:
    found = seen(tmp_path, week() if which == "week" else page_of([]))
    assert found["console"] == []
    assert found["dialogs"] == []
    assert set(found["requests"]) == {(tmp_path / "report.html").as_uri()}
    assert len(found["runs"]) == 4
    for run in found["runs"]:
        assert run["title"] == "A week"
        assert run["sections"] == list(TITLES)
        assert (run["scripts"], run["images"], run["overflow"]) == (0, 0, 0)
    judged = [run for run in found["runs"] if "violations" in run]
    assert len(judged) == 2
    for run in judged:
        assert [one for one in run["violations"] if one["impact"] in {"serious", "critical"}] == []
        assert run["passes"] > 20
    if which == "week":
        # The hostile name is there, as text.
        assert '"><script>document.title="owned"</script>' in found["runs"][0]["text"]
        assert "{{7*7}}" in found["runs"][0]["text"]


def test_it_is_one_file_without_a_script_or_an_address() -> None:
    text = week()
    assert "<script" not in text
    assert not re.search(r"\bon\w+\s*=", re.sub(r">[^<]*<", "><", text))
    assert not re.search(r"(?:src|href)=[\"'](?!#)", text)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_no_control_character_and_no_bidi_mark_gets_into_it() -> None:
    text = week()
    assert HOSTILE not in text
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "\\u202e" in text


def test_the_same_events_give_the_same_page() -> None:
    assert week.__wrapped__() == week()


def test_a_made_up_week_of_three_nodes_is_shown_whole() -> None:
    text = week()
    for node in ("node-1", "node-21", "node-41"):
        assert node in text
    for word in ("baseline", "policy", "change", "health check", "restart policy"):
        assert f'<th scope="row">{word}</th>' in text
    for finding in ("engine-socket", "forbidden", "sensor-tampering", "direct-runtime"):
        assert f"<strong>{finding}</strong>" in text
    assert "no agent ran, and the probes were gone" in text
    assert "acknowledged by dora" in text
    assert "suppressed by dora" in text
    assert "unknown, node-" not in text


def test_a_broken_chain_is_the_first_thing_that_it_says() -> None:
    broken = ChainState("node-b", "0f1e2d3c4b5a6978", 10, 1, 10, "ab" * 32, checked=10)
    broken.findings.add(Discrepancy("node-b", "the digest is wrong", 7, 7))
    whole = ChainState("node-a", "1f1e2d3c4b5a6978", 10, 1, 10, "ab" * 32, checked=10)
    text = page_of(list(Week(5).events()), whole, broken)
    first = text[: text.index("<nav")]
    assert "The evidence is not whole." in first
    assert "node-b" in first
    assert "number 7: the digest is wrong" in text


def test_without_digests_it_promises_nothing() -> None:
    text = page_of(list(Week(5).events()), ChainState("lines", "", 5))
    assert "Nothing proves that these events are whole." in text


def test_a_clock_that_is_ahead_is_named() -> None:
    events = list(Week(5).events())
    tally = Tally(None, None, BEGIN + DAY)
    for event in events:
        tally.add(event)
    text = render(Sheet("A week", tally, []))
    assert "The clock of node-a is ahead" in text


def test_a_host_that_stops_before_the_others_is_named_with_its_last_time() -> None:
    events = list(Week(5).events())
    late = [one for one in events if one["host"]["name"] != "node-c" or one["time"] < "2025-11-28"]
    text = page_of(late)
    first = text[: text.index("<nav")]
    assert "Not every host reports to the end:</strong> node-c until 2025-11-27 23:00:00." in first
    assert "node-a until" not in first
    assert "Not every host" not in page_of(events)


def test_all_controls_name_sections_that_exist() -> None:
    used = {section for control in CONTROLS for section in control.sections}
    assert used <= set(TITLES)


@pytest.mark.parametrize("missing", ["jinja2", "pygal.style"])
def test_a_missing_package_is_named_with_its_fix(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(StateUnusable) as raised:
        page_of(list(Week(5).events()))
    assert raised.value.fix == "Install them: apt-get install python3-jinja2 python3-pygal"


class Cells(HTMLParser):
    """Collects the labels of each row of stacked tables, beside their headers."""

    def __init__(self) -> None:
        super().__init__()
        self.headers: list[str] = []
        self.rows: list[tuple[list[str], list[str | None]]] = []
        self._cells: list[str | None] | None = None
        self._in_header = self._stacked = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "table":
            self._stacked = "stack" in (values.get("class") or "").split()
            self.headers = []
        elif self._stacked and tag in {"td", "th"}:
            self._in_header = values.get("scope") == "col"
            if self._in_header:
                self.headers.append("")
            elif self._cells is not None:
                self._cells.append(values.get("data-l"))
        elif tag == "tr":
            self._cells = []

    def handle_endtag(self, tag: str) -> None:
        self._in_header = self._in_header and tag != "th"
        if tag == "tr" and self._cells and self._stacked:
            self.rows.append((self.headers, self._cells))

    def handle_data(self, data: str) -> None:
        if self._in_header:
            self.headers[-1] += data


def test_each_cell_of_a_card_is_labelled_as_its_column_is() -> None:
    cells = Cells()
    cells.feed(week())
    assert len(cells.rows) > 100
    for headers, labels in cells.rows:
        assert len(labels) == len(headers)
        named = {label: header for label, header in zip(labels, headers, strict=True) if label}
        assert all(label == header for label, header in named.items())
        # A card begins with what it is about, which needs no label.
        assert len(named) >= len(headers) - 2
