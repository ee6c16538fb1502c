"""Charts as SVG for the page, by pygal: no script, no network, the same bytes for the same data."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, Self

from sensor.errors import StateUnusable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from types import ModuleType

DAYS_MAX = 62
"""Bars of one chart: the newest days. The table below the chart has all."""

PALETTE = (
    "#3b6fb6", "#c2641f", "#2f8a5b", "#a3488f", "#8a6d1a", "#4f7d8c", "#b23a48", "#6a6f76",
)  # fmt: skip
"""As many as series: with fewer pygal's parser of colours fails on others than hex."""

OTHER = "#9aa1a9"

SEVERITIES = ("#8f1230", "#c2541f", "#b8860b", "#7b838c")
"""Colours of alerts, the gravest first."""

STYLE: dict[str, object] = {
    "background": "transparent",
    "plot_background": "transparent",
    "foreground": "#5b626b",
    "foreground_strong": "#5b626b",
    "foreground_subtle": "#8a919a",
    "opacity": "0.95",
    "opacity_hover": "1",
    "transition": "0s",
    "font_family": "system-ui, sans-serif",
    "label_font_size": 13,
    "major_label_font_size": 13,
    "legend_font_size": 14,
    "value_font_size": 12,
    "tooltip_font_size": 12,
}

LABELS_ACROSS = 14
"""Days whose names fit beside each other: two weeks. More are turned, and not all are named."""

LEGEND_COLUMNS = 5


class _Element(Protocol):
    """What is used of an element of lxml or of ElementTree: pygal takes what is installed."""

    tag: object
    """A text; of a comment a function."""

    def iter(self) -> Iterator[Self]:
        """Yield it and all below it."""

    def __iter__(self) -> Iterator[Self]:
        """Yield those right below it."""

    def remove(self, child: Self, /) -> None:
        """Take one of them out."""

    def set(self, name: str, value: str, /) -> None:
        """Set an attribute."""


class _Chart(Protocol):
    """What is used of pygal's charts, which have no types."""

    uuid: str
    x_labels: Sequence[str]
    x_labels_major: Sequence[str]
    y_labels: Sequence[int]

    def add(self, title: str, values: Sequence[int], /) -> object:
        """Add a series."""

    def render_tree(self) -> _Element:
        """Return the drawing."""


def by_day(
    days: dict[str, Counter[str]], order: Sequence[str], colours: Sequence[str], name: str
) -> str | None:
    """Return a chart of stacked bars, one a day; None where there is nothing to show.

    ``order`` are the series of most interest, first, and ``colours`` theirs as hex. Raises
    :class:`StateUnusable` where pygal is missing.
    """
    if not days:
        return None
    labels = sorted(days)[-DAYS_MAX:]
    series = _series(days, labels, order)
    paint = dict(zip(order, colours, strict=False))
    chart = _bars(labels, [paint.get(one, OTHER) for one, _ in series])
    # A random one would make each page differ; it stands in the id of the drawing.
    chart.uuid = name.replace(" ", "-").lower()
    chart.y_labels = _marks(days)
    for one, values in series:
        chart.add(one.replace("_", " "), values)
    return _cleaned(chart.render_tree(), name)


def _series(
    days: dict[str, Counter[str]], labels: Sequence[str], order: Sequence[str]
) -> list[tuple[str, list[int]]]:
    """Return the height of each bar's parts: those of ``order`` that occur, then the others."""
    known = [name for name in order if any(name in counts for counts in days.values())]
    series = [(name, [days[label].get(name, 0) for label in labels]) for name in known]
    others = [
        sum(value for name, value in days[label].items() if name not in order) for label in labels
    ]
    if any(others):
        # Names that only an event claims do not get into the drawing.
        series.append(("other", others))
    return series


def _bars(labels: Sequence[str], colours: Sequence[str]) -> _Chart:
    """Return an empty chart whose bars bear these labels, and whose series these colours."""
    pygal = _pygal()
    crowded = len(labels) > LABELS_ACROSS
    chart: _Chart = pygal.StackedBar(
        style=pygal.style.Style(**STYLE, colors=tuple(colours)),
        js=[],
        width=960,
        height=320,
        margin=8,
        margin_bottom=8 if len(colours) <= LEGEND_COLUMNS else 40,
        show_legend=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=LEGEND_COLUMNS,
        legend_box_size=12,
        x_label_rotation=35 if crowded else 0,
        show_minor_x_labels=not crowded,
        truncate_legend=-1,
        explicit_size=False,
        show_y_guides=True,
        print_values=False,
        spacing=10,
        min_scale=2,
        value_formatter=lambda value: f"{value:.0f}" if value == int(value) else "",
    )
    chart.x_labels = labels
    if crowded:
        chart.x_labels_major = labels[:: max(1, len(labels) // 12)]
    return chart


def _marks(days: dict[str, Counter[str]]) -> list[int]:
    """Return whole numbers for the axis, at most six."""
    top = max(sum(counts.values()) for counts in days.values())
    step = next(
        size * 10**power for power in range(19) for size in (1, 2, 5) if size * 10**power * 5 >= top
    )
    return list(range(0, top + step, step))


def _cleaned(tree: _Element, name: str) -> str:
    """Take scripts and comments out of the tree, and give it a name for who cannot see it."""
    etree = importlib.import_module("pygal.etree").etree
    for parent in list(tree.iter()):
        for child in list(parent):
            tag = child.tag if isinstance(child.tag, str) else "script"
            if tag.rpartition("}")[2] in {"script", "title", "desc"}:
                parent.remove(child)
    tree.set("role", "img")
    tree.set("aria-label", name)
    text: bytes = etree.tostring(tree)
    return text.decode("utf-8")


def _pygal() -> ModuleType:
    try:
        importlib.import_module("pygal.style")
        return importlib.import_module("pygal")
    except ImportError as error:
        problem = "a report needs the package pygal"
        raise StateUnusable(
            problem, "Install them: apt-get install python3-jinja2 python3-pygal"
        ) from error
