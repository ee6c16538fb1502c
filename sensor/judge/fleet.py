"""What other hosts know: a layer of its own that is imported whole and never exported again.

A value counts as known by the fleet from ``fleet_hosts`` hosts on: one poisoned node teaches no
other. It lowers the severity of an alert by one step, and learns nothing for this node.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensor.judge.tuning import FLEET_HOSTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.judge.ledger import Row, RowKey
    from sensor.judge.lesson import TermKey

VALUES_MAX = 200_000
"""Values of a layer; an import with more is refused."""
FLEET_ROW = "fleet"
ORIGIN_KEY = "origin"
PART = 4096
"""Values of one row."""


class Fleet:
    """Counts of hosts by profile, feature and value."""

    def __init__(self, *, keeping: bool = True, rows: list[Row] | None = None) -> None:
        """Without ``keeping`` no rows are left.

        ``rows`` is the list to leave them in.
        """
        self._keeping = keeping
        self._hosts: dict[tuple[str, str, str], int] = {}
        self.origin: str | None = None
        """Where the layer came from, and its digest."""
        self.known_from = FLEET_HOSTS.default
        """Hosts from which on a value is known."""
        self.rows: list[Row] = [] if rows is None else rows
        self._parts = 0

    def __len__(self) -> int:
        return len(self._hosts)

    def knows(self, term: TermKey) -> bool:
        """Whether enough hosts have seen a value."""
        key = term.profile or "", str(term.feature), term.value
        return self._hosts.get(key, 0) >= self.known_from

    def replace(self, hosts: Mapping[tuple[str, str, str], int], origin: str) -> None:
        """Take a layer in place of the one before."""
        if len(hosts) > VALUES_MAX:
            message = f"{len(hosts)} values; at most {VALUES_MAX} are taken"
            raise ValueError(message)
        self._hosts, self.origin = dict(hosts), origin
        listed = [[*key, count] for key, count in self._hosts.items()]
        parts = [listed[at : at + PART] for at in range(0, len(listed), PART)]
        for number, part in enumerate(parts):
            self._write(str(number), json.dumps(part).encode())
        for number in range(len(parts), self._parts):
            self._write(str(number), None)
        self._parts = len(parts)
        self._write(ORIGIN_KEY, json.dumps(origin).encode())

    def clear(self) -> None:
        """Forget the layer, the rows of the store too."""
        for number in range(self._parts):
            self._write(str(number), None)
        self._write(ORIGIN_KEY, None)
        self._hosts, self.origin, self._parts = {}, None, 0

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over what the store kept; returns which rows made no sense."""
        unreadable: list[RowKey] = []
        for (kind, key), row in rows.items():
            if kind != FLEET_ROW:
                continue
            try:
                if key == ORIGIN_KEY:
                    self.origin = str(json.loads(row))
                    continue
                for profile, feature, value, count in json.loads(row):
                    self._hosts[str(profile), str(feature), str(value)] = int(count)
                self._parts = max(self._parts, int(key) + 1)
            except (ValueError, TypeError):
                unreadable.append((kind, key))
        return unreadable

    def _write(self, key: str, value: bytes | None) -> None:
        if self._keeping:
            self.rows.append((FLEET_ROW, key, value))
