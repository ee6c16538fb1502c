"""A baseline as text: rows that can be read, exported, merged and imported.

A row is one term: ``profile`` (``w/<workload>``, ``i/<repository>``, empty for the node),
``feature``, ``value``, ``starts``, ``days``, ``first``, ``last``. A fleet's row has ``hosts``, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.judge.feature import Feature
from sensor.judge.profile import UNIT, Term
from sensor.model.account import owner_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.baseline import Baseline

EXPORT, FLEET = "castoff.baseline/1", "castoff.fleet/1"
ROWS_MAX = 200_000
"""Rows of one file; one with more is refused."""
LOGIN = "login "
PREFIX = len("w/")
VALUE_MAX = 1024
NUMBER_MAX = (1 << 32) - 1
"""The last second, and the days as bits, that a node's numbers have room for."""
STARTS_MAX = (1 << 32) // UNIT


@dataclass(frozen=True, slots=True)
class TextRow:
    """One term in words. Times are wall-clock seconds."""

    profile: str
    feature: str
    value: str
    starts: float
    days: int
    first: int
    last: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is about."""
        return self.profile, self.feature, self.value

    def document(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "profile": self.profile,
            "feature": self.feature,
            "value": self.value,
            "starts": self.starts,
            "days": self.days,
            "first": self.first,
            "last": self.last,
        }


def rows(baseline: Baseline, *, logins: bool) -> list[TextRow]:
    """Return what a node has learnt; logins of people only when they are asked for."""
    found = [
        _row(key, feature, value, term)
        for key, profile in baseline.profiles()
        for feature, value, term in profile.items()
    ]
    found += [_row("", feature, value, term) for feature, value, term in baseline.node.items()]
    found = [one for one in found if logins or not _names_person(one)]
    return sorted(found, key=lambda one: one.key)


def _names_person(row: TextRow) -> bool:
    """Whether a row has a login, or is of a user's own containers."""
    return row.value.startswith(LOGIN) or None is not (
        owner_in(row.profile[PREFIX:]) or owner_in(row.value)
    )


def _row(profile: str, feature: Feature, value: str, term: Term) -> TextRow:
    starts = round(term.count / UNIT, 2)
    return TextRow(profile, feature, value, starts, term.days, term.first, term.last)


def row_of(document: Mapping[str, Any]) -> TextRow:
    """Read a row; raises ValueError with what is wrong."""
    try:
        found = TextRow(
            str(document["profile"]),
            str(Feature(document["feature"])),
            str(document["value"]),
            float(document["starts"]),
            int(document["days"]),
            int(document["first"]),
            int(document["last"]),
        )
    except (KeyError, TypeError, OverflowError) as error:
        message = f"not a row of a baseline: {error!r}"
        raise ValueError(message) from error
    if len(found.value) > VALUE_MAX or len(found.profile) > VALUE_MAX:
        message = f"a value of more than {VALUE_MAX} characters"
        raise ValueError(message)
    plausible = all(0 <= one <= NUMBER_MAX for one in (found.days, found.first, found.last))
    if not (plausible and 0 <= found.starts <= STARTS_MAX):
        message = "a number that no baseline has"
        raise ValueError(message)
    return found


def merged(exports: Iterable[tuple[Mapping[str, Any], list[TextRow]]]) -> list[dict[str, object]]:
    """Merge exports (header, rows) to a fleet's rows: the newest of each host, once.

    The order does not matter and repetition changes nothing: starts add, days are united, the first
    and the last stand, and ``hosts`` counts. A row that an export has twice counts once: one host
    must not pass for several.
    """
    newest: dict[str, tuple[int, list[TextRow]]] = {}
    for header, listed in exports:
        host, sequence = header["host"], header["sequence"]
        known = newest.get(host)
        if known is None or sequence > known[0]:
            newest[host] = sequence, listed
    terms: dict[tuple[str, str, str], Term] = {}
    hosts: dict[tuple[str, str, str], int] = {}
    for host in sorted(newest):
        for one in {row.key: row for row in newest[host][1]}.values():
            term = terms.setdefault(one.key, Term())
            term.merge(Term(max(1, int(one.starts * UNIT)), one.days, one.first, one.last))
            hosts[one.key] = hosts.get(one.key, 0) + 1
    return [
        {
            **TextRow(
                *key, round(term.count / UNIT, 2), term.days, term.first, term.last
            ).document(),
            "hosts": hosts[key],
        }
        for key, term in sorted(terms.items())
    ]
