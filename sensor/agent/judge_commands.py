"""What the socket asks of the judge: alerts, changes, the baseline, numbers.

An event names who changed something: the login that the kernel knows of the asking process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from sensor import __version__, clock
from sensor.agent.judging import NS_PER_SECOND, wall_now
from sensor.judge import baseline_text
from sensor.judge.alert_book import OPEN
from sensor.judge.alert_event import group_of
from sensor.judge.change_text import Adder, of_json
from sensor.judge.feature import Feature
from sensor.judge.ledger import Note
from sensor.judge.state import PolicyState
from sensor.model.alert import AlertSeverity
from sensor.schema.times import rfc3339
from sensor.sources import accounts

if TYPE_CHECKING:
    from sensor.agent.judging import Judging
    from sensor.judge.alert_row import AlertEntry
    from sensor.judge.ledger import ChangeEntry
    from sensor.judge.origin import WorkloadRecord

FLUSH_SECONDS = 5.0
"""How long an answer waits for the disk."""


class JudgeCommands:
    """Answers for one judge; see :class:`sensor.api.judgement.JudgeView`."""

    def __init__(self, judging: Judging) -> None:
        self._judging = judging
        self._judge = judging.judge_

    def policy_state(self) -> PolicyState:
        """Return which policy is in force."""
        policy = self._judge.policy
        problem = self._judging.problem
        reason = None if problem is None else problem.problem
        rules, directory = len(policy.rules), str(self._judging.directory)
        return PolicyState(policy.digest, policy.files, rules, reason, directory)

    def workloads(self) -> tuple[tuple[str, WorkloadRecord], ...]:
        """Return the workloads that are remembered."""
        return self._judge.memory.workloads()

    def changes(self) -> tuple[ChangeEntry, ...]:
        """Return the changes with what became of them."""
        return self._judge.ledger.entries(wall_now())

    def add_change(self, body: bytes, login: int | None, uid: int) -> ChangeEntry | None:
        """Record a change of a request's body. Raises :class:`ConfigError`."""
        now = wall_now()
        change = of_json(body, now, Adder(_account(login, uid), uid))
        self._judge.ledger.add(change, now)
        self._judging.settle()
        return self._judge.ledger.get(change.id, now)

    async def look_back(self, id_: str) -> ChangeEntry | None:
        """Acknowledge the open alerts of earlier starts that a change covers; return the change."""
        await self._judging.look_back((id_,))
        return self._judge.ledger.get(id_, wall_now())

    def alerts(self) -> tuple[tuple[str, AlertEntry], ...]:
        """Return the alerts by group, the latest first."""
        entries = self._judge.alerting.book.entries()
        return tuple((group_of(one.finding, one.value), one) for one in entries)

    def acknowledge(
        self, id_: str, reason: str, by: tuple[int | None, int], *, expected: bool
    ) -> AlertEntry | None:
        """Acknowledge an alert; with ``expected`` what it is about is learnt."""
        now = clock.boottime()
        moment = self._judge.moment(now, clock.realtime_offset())
        book = self._judge.alerting.book
        entry = book.acknowledge(id_, _account(*by), reason, moment)
        if entry is None:
            return None
        if expected:
            self._judge.alerting.released(entry.id, wall_now() // NS_PER_SECOND)
        self._judging.publish_alerts()
        return book.get(entry.id)

    def suppress(
        self, id_: str, reason: str, seconds: int, by: tuple[int | None, int]
    ) -> AlertEntry | None:
        """Keep an alert's group silent for so many seconds."""
        now = clock.boottime()
        moment = self._judge.moment(now, clock.realtime_offset())
        until = wall_now() + seconds * NS_PER_SECOND
        entry = self._judge.alerting.book.suppress(id_, _account(*by), reason, until, moment)
        self._judging.publish_alerts()
        return entry

    async def durable(self) -> bool:
        """Wait until what was done so far is on disk; False when the disk takes too long."""
        # Notes become events in the loop's next turn.
        await asyncio.sleep(0)
        return await asyncio.to_thread(self._judging.flush, FLUSH_SECONDS)

    def baseline(self, *, logins: bool) -> dict[str, object]:
        """Return header and rows of what the node has learnt."""
        baseline, wall = self._judge.alerting.baseline, wall_now()
        state = baseline.state
        host = self._judge.host
        header = {
            "format": baseline_text.EXPORT,
            "host": (host.machine_id or host.boot_id) if host is not None else None,
            "name": host.name if host is not None else None,
            "sequence": wall // NS_PER_SECOND,
            "from": rfc3339(None if state.began is None else state.began * NS_PER_SECOND),
            "until": rfc3339(wall),
            "version": __version__,
            "starts": state.starts,
            "phase": baseline.phase(wall // NS_PER_SECOND),
            "fleet": self._judge.alerting.fleet.origin,
        }
        rows = [one.document() for one in baseline_text.rows(baseline, logins=logins)]
        held = [
            {"profile": term.profile or "", "feature": term.feature, "value": term.value}
            for term, _ in self._judge.alerting.held.items()
        ]
        return {"header": header, "rows": rows, "held_back": held}

    def forget(self, what: dict[str, str], by: tuple[int | None, int]) -> bool:
        """Forget a profile or a value of the node; an event names who asked."""
        baseline = self._judge.alerting.baseline
        try:
            if "profile" in what:
                done = baseline.forget(what["profile"])
            else:
                done = baseline.node.forget(Feature(what["feature"]), what["value"])
        except ValueError:
            return False
        if done:
            detail = ", ".join(f"{key} {value}" for key, value in what.items())
            self._judging.report((Note("baseline_forgotten", detail, _account(*by)),))
            self._judging.settle()
        return done

    def end_change(self, id_: str, login: int | None, uid: int) -> bool:
        """End a change; False if it does not go on."""
        ended = self._judge.ledger.end(id_, wall_now(), _account(login, uid))
        self._judging.settle()
        return ended

    def counts(self) -> tuple[tuple[str, str, int], ...]:
        """Return numbers as (kind, name, number): ``explanation``, ``finding``, open ``alert``."""
        is_open = Counter(
            one.severity for one in self._judge.alerting.book.entries() if one.state in OPEN
        )
        numbers: dict[str, dict[str, int]] = {
            "explanation": dict(self._judge.explanations),
            "finding": dict(self._judge.findings),
            "alert": {severity: is_open[severity] for severity in AlertSeverity},
        }
        return tuple(
            (kind, name, number)
            for kind, counted in numbers.items()
            for name, number in counted.items()
        )


def _account(login: int | None, uid: int) -> str:
    """Return the name of the login, of the account where there is no login; else its number."""
    number = uid if login is None else login
    return dict(accounts.read(0).names).get(number, str(number))
