"""The page, by Jinja2: one file, no script, no network, inert whatever names it holds."""

from __future__ import annotations

import importlib
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import __version__
from sensor.dataclass import dataclass
from sensor.errors import StateUnusable
from sensor.report import charts
from sensor.report.alerts import SEVERITIES
from sensor.report.controls import CONTROLS
from sensor.report.moments import moment, span
from sensor.report.sources import worst
from sensor.report.starts import NO_EXPLANATION, NO_VERDICT
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from sensor.model.access import Access
    from sensor.report.data import Population
    from sensor.report.sources import ChainState
    from sensor.report.tally import Tally

HERE = Path(__file__).parent

CHAINS_SHOWN = 200
FINDINGS_SHOWN = 10

TRIGGERS = (
    "user_command",
    "orchestrator",
    "api_client",
    "restart_policy",
    "container",
    "direct_runtime",
    "service_manager",
    "engine_boot",
)

DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LEVELS = 5
GROUPED_FROM = 10_000
"""Numbers from here have a comma for each thousand; four digits read well without."""
"""Colours of the heat map beside the one for nothing."""

TITLES: Mapping[str, str] = {
    "summary": "Summary",
    "scope": "Scope",
    "chains": "Is the evidence whole?",
    "coverage": "Coverage",
    "explanations": "Starts by explanation",
    "unexplained": "Starts without an explanation",
    "alerts": "Alerts",
    "suppressions": "Suppressions",
    "changes": "Approved changes",
    "people": "People, and what they started",
    "access": "Who can start containers, and who did",
    "reactivations": "Reactivations",
    "loops": "Crash loops",
    "hours": "Hours",
    "gaps": "Gaps",
    "history": "History of sensor and policy",
    "controls": "Which section serves which control",
    "method": "How this was made",
}


@dataclass(frozen=True, slots=True)
class SuppressedRule:
    """A rule of the policy that suppresses a finding, if any fits. ``until`` is wall time in ns."""

    name: str
    finding: str
    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that the page shows."""

    title: str
    tally: Tally
    chains: list[ChainState]
    population: Population | None = None
    access: Access | None = None
    query: str = ""
    """The command that made it."""
    policy: str | None = None
    """SHA-256 of this node's policy."""
    suppressions: tuple[SuppressedRule, ...] = ()
    """Rules of this node's policy that suppress findings."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell of the heat map."""

    count: int
    level: int


@dataclass(frozen=True, slots=True)
class _Summary:
    """Numbers of the first page."""

    starts: int
    hosts: int
    unexplained: int
    unexpected: int
    open_alerts: int
    alerts: int
    coverage: float | None
    chain: str
    findings: int
    worst: list[str] = field(default_factory=list)


def render(sheet: Sheet) -> str:
    """Return the page. Raises :class:`StateUnusable` where Jinja2 or pygal are missing."""
    render = _renderer()
    markup = importlib.import_module("markupsafe").Markup
    tally = sheet.tally
    return str(
        render(
            sheet=sheet,
            tally=tally,
            titles=TITLES,
            css=markup((HERE / "page.css").read_text(encoding="utf-8")),
            summary=_summary(sheet),
            starts_chart=_markup(
                markup,
                charts.by_day(
                    tally.starts.days, TRIGGERS, charts.PALETTE, "Starts a day by trigger"
                ),
            ),
            alerts_chart=_markup(
                markup,
                charts.by_day(
                    tally.alerts.days,
                    SEVERITIES,
                    charts.SEVERITIES,
                    "New alerts a day by severity",
                ),
            ),
            people_hours=_heat(tally.starts.hours),
            all_hours=_heat(tally.starts.all_hours),
            day_names=DAY_NAMES,
            controls=CONTROLS,
            chains=sheet.chains[:CHAINS_SHOWN],
            findings_shown=FINDINGS_SHOWN,
            days_max=charts.DAYS_MAX,
            version=__version__,
            severities=SEVERITIES,
            no_explanation=NO_EXPLANATION,
            no_verdict=NO_VERDICT,
        )
    )


def _renderer() -> Callable[..., str]:
    """Return what fills in the page's template; it escapes each value of the events."""
    jinja2 = _jinja2()
    markup = importlib.import_module("markupsafe").Markup
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown(markup),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": moment,
        "span": span,
        "count": _grouped,
        "percent": _percent,
        "words": _words,
        "path": _path(markup),
    }
    render: Callable[..., str] = environment.get_template("page.html").render
    return render


def _shown(markup: type[str]) -> Callable[[object], object]:
    """Return what makes each value of the page safe: no control and no bidi mark passes."""

    def finalize(value: object) -> object:
        if value is None:
            return "-"
        if isinstance(value, str) and not isinstance(value, markup):
            return visible(value)
        return value

    return finalize


def _markup(markup: type[str], text: str | None) -> str | None:
    return None if text is None else markup(text)


def _words(value: str) -> str:
    """Return a word of the schema as people write it."""
    return value.replace("_", " ")


def _path(markup: type[str]) -> Callable[[str | None], object]:
    """Return what lets a long path or image name break behind its slashes."""

    def breakable(value: str | None) -> object:
        if value is None:
            return None
        # Markup escapes what it joins.
        return markup("/<wbr>").join(visible(value).split("/"))

    return breakable


def _grouped(value: float) -> str:
    return f"{value:,.0f}" if value >= GROUPED_FROM else f"{value:.0f}"


def _percent(value: float | None) -> str:
    if value is None:
        return "unknown"
    # Rounded down: what is not whole never reads 100 %.
    return f"{int(value * 10_000) / 100:g} %"


def _summary(sheet: Sheet) -> _Summary:
    tally = sheet.tally
    since = tally.since if tally.since is not None else tally.first or 0
    until = tally.until if tally.until is not None else tally.last or 0
    shares = [row.coverage(since, until) for row in tally.hosts.table.rows.values()]
    known = [share for share in shares if share is not None]
    rows = tally.alerts.rows
    return _Summary(
        starts=tally.starts.count,
        hosts=len(tally.hosts.table.rows),
        unexplained=tally.starts.unexplained.count + tally.starts.older,
        unexpected=tally.starts.unexpected.count,
        open_alerts=sum(row.state in {"new", "update"} for row in rows),
        alerts=len(rows),
        coverage=min(known, default=None),
        chain=worst(sheet.chains),
        findings=sum(chain.findings.count for chain in sheet.chains),
        worst=[chain.source for chain in sheet.chains if chain.state == "broken"][:5],
    )


def _heat(hours: Counter[tuple[int, int]]) -> list[list[_Cell]] | None:
    """Return seven days of 24 cells, None where there is nothing."""
    if not hours:
        return None
    top = max(hours.values())
    return [
        [
            _Cell(count, 0 if not count else 1 + min(LEVELS - 1, LEVELS * count // (top + 1)))
            for count in (hours.get((day, hour), 0) for hour in range(24))
        ]
        for day in range(7)
    ]


def _jinja2() -> ModuleType:
    try:
        return importlib.import_module("jinja2")
    except ImportError as error:
        problem = "a report needs the package jinja2"
        raise StateUnusable(
            problem, "Install them: apt-get install python3-jinja2 python3-pygal"
        ) from error
