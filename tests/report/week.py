"""A made-up week of three hosts: deploys, jobs, people, loops, alerts, gaps, a hostile name."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from sensor.schema.document import document
from sensor.schema.times import rfc3339
from tests.outputs.sample_events import EVENTS

BEGIN = 1_763_942_400 * 1_000_000_000
"""Monday, 2025-11-24, 00:00 UTC."""
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
HOSTS = ("node-a", "node-b", "node-c")
PEOPLE = ("alice", "bob", "carol", "dave")
SERVICES = ("shop/web", "shop/api", "shop/worker", "billing/ledger", "billing/mail", "ops/backup")
HOSTILE = (
    '"><script>document.title="owned"</script><img src=x onerror=alert(1)>\u202e{{7*7}}\x1b[2J'
)

Event = dict[str, Any]


class Week:
    """Makes events; the same for the same seed."""

    def __init__(self, starts: int, seed: int = 17, days: int = 7) -> None:
        self._dice = random.Random(seed)
        self._starts = starts
        self._days = days
        self._number = 0

    def events(self) -> Iterator[Event]:
        """Yield the events, not in the order of their times."""
        for host in HOSTS:
            for hour in range(24 * self._days):
                yield self._sensor(host, BEGIN + hour * HOUR, "alive")
        yield from self._notes()
        yield from self._alerts()
        for _ in range(self._starts):
            yield self._start()

    def _base(self, name: str, host: str, wall: int) -> Event:
        self._number += 1
        made: Event = json.loads(json.dumps(document(EVENTS[name])))
        made["id"] = f"{self._number:032x}"
        made["time"] = made["observed"] = rfc3339(wall)
        machine = f"{HOSTS.index(host) + 1:032x}"
        made["host"] = made["host"] | {"name": host, "machine_id": machine, "node": None}
        made["verdict"] = None
        return made

    def _sensor(self, host: str, wall: int, action: str, **more: object) -> Event:
        made = self._base("sensor", host, wall)
        made["sensor"] = made["sensor"] | {"action": action, "containers": 30, **more}
        return made

    def _start(self) -> Event:
        dice = self._dice
        day = dice.randrange(self._days)
        kind = dice.choices(["job", "deploy", "person", "crash", "dormant"], [55, 28, 8, 8, 1])[0]
        hour = min(23, max(0, int(dice.gauss(13, 3)))) if kind == "person" else dice.randrange(24)
        if kind == "person" and day % 7 > 4:
            day -= 2
        wall = BEGIN + day * DAY + hour * HOUR + dice.randrange(3600) * SECOND
        made = self._base("start", dice.choice(HOSTS), wall)
        service = dice.choice(SERVICES)
        project, name = service.split("/")
        made["container"]["id"] = f"{dice.getrandbits(256):064x}"
        made["container"]["name"] = f"{project}-{name}-{dice.randrange(1, 4)}"
        made["container"]["image"]["name"] = f"registry.example/{service}:1.{dice.randrange(9)}"
        made["orchestrator"] = None
        made["initiator"]["unit"] = None
        made["initiator"]["container_id"] = None
        user = {"uid": 0, "name": "root", "auid": None, "auid_name": None, "session": None}
        verdict = {
            "expected": True, "reasons": ["like earlier starts"], "change": None, "attack": [],
            "explanation": "policy", "findings": [], "workload": f"compose/{service}",
            "level": "workload", "baseline": "active",
        }  # fmt: skip
        start = made["start"] | {"kind": "first", "trigger": "orchestrator"}
        argv = ["/usr/bin/dockerd"]
        if kind == "deploy":
            verdict |= {"explanation": "change", "change": f"CHG{1000 + day}"}
            start["trigger"] = "api_client"
            made["initiator"]["unit"] = "deploy.service"
        elif kind == "crash":
            start |= {"kind": "restart", "trigger": "restart_policy"}
            verdict["explanation"] = "restart_policy"
        elif kind in {"person", "dormant"}:
            person = dice.choices(PEOPLE, [50, 30, 15, 5])[0]
            user |= {"auid": 1000 + PEOPLE.index(person), "auid_name": person}
            start["trigger"] = "user_command"
            argv = ["docker", dice.choice(["run", "start", "compose"]), made["container"]["name"]]
            if dice.random() < 0.4 or kind == "dormant":
                verdict |= {"expected": None, "explanation": None, "reasons": ["no rule fits"]}
            if dice.random() < 0.1:
                verdict |= {
                    "expected": False, "explanation": None, "findings": ["new-privilege"],
                    "reasons": ["mount / writable is new to this workload"], "attack": ["T1611"],
                }  # fmt: skip
            if kind == "dormant":
                start |= {"kind": "reactivation", "dormant_seconds": dice.random() * 40 * 86_400}
        made["initiator"]["user"], made["verdict"], made["start"] = user, verdict, start
        made["initiator"]["process"]["argv"] = argv
        return made

    def _notes(self) -> Iterator[Event]:
        yield self._sensor("node-a", BEGIN + HOUR, "policy_loaded",
                           detail="12 rules of 2 files, sha256 " + "ab" * 32)  # fmt: skip
        for day in range(min(5, self._days)):
            wall = BEGIN + day * DAY
            detail = f"CHG{1000 + day}: approved by release-board"
            yield self._sensor("node-a", wall + HOUR, "change_added", detail=detail, by="alice")
        yield self._sensor("node-a", BEGIN + 2 * HOUR, "change_added",
                           detail="CHG0999: approved by release-board", by="bob")  # fmt: skip
        yield self._sensor("node-a", BEGIN + 3 * DAY, "change_never_used", detail="CHG0999")
        down: Event = {"down_seconds": 5400.0, "last_end": "killed", "probes_surviving": False}
        yield self._sensor("node-b", BEGIN + 2 * DAY, "probes_attached", **down)
        gap = self._base("gap", "node-c", BEGIN + DAY)
        gap["gap"] |= {"since": rfc3339(BEGIN + DAY), "until": rfc3339(BEGIN + DAY + HOUR)}
        yield gap
        for number in range(9):
            made = self._start()
            made["time"] = rfc3339(BEGIN + 2 * DAY + number * 40 * SECOND)
            made["start"] |= {"kind": "restart", "trigger": "restart_policy"}
            made["verdict"]["workload"] = "compose/billing/mail"
            made["host"]["name"], made["host"]["machine_id"] = "node-a", f"{1:032x}"
            yield made
        made = self._start()
        made["container"]["name"] = HOSTILE
        made["container"]["image"]["name"] = HOSTILE
        made["initiator"]["user"] |= {"auid": 1009, "auid_name": HOSTILE}
        made["initiator"]["process"]["argv"] = [HOSTILE]
        made["verdict"] |= {"expected": None, "explanation": None, "reasons": [HOSTILE]}
        made["start"] |= {"kind": "reactivation", "trigger": HOSTILE, "dormant_seconds": 9e6}
        yield made

    def _alerts(self) -> Iterator[Event]:
        texts = {
            "hidden-start": ("critical", "The kernel saw a start that the engine never reported"),
            "new-privilege": ("high", "A privilege that is new to the workload"),
            "new-person": ("medium", "A person who never started a container here"),
            "crash-loop": ("low", "A workload restarts again and again"),
        }
        for number in range(14):
            finding = list(texts)[min(3, number % 5 % 4 + number % 2)]
            severity, title = texts[finding]
            made = self._base("alert", HOSTS[number % 3], BEGIN + number * 11 * HOUR)
            made["alert"] = {
                "id": f"alert-{number}", "finding": finding, "title": title,
                "class": "operational" if finding == "crash-loop" else "security",
                "severity": severity, "state": "new", "group": "g", "start": None,
                "workload": "compose/shop/web", "count": 1 + number % 3,
                "first": made["time"], "last": made["time"],
                "facts": [{"feature": "privilege", "expected": "none", "seen": "mount / writable",
                           "level": "workload", "strength": "strong"}],
                "attack": ["T1610"], "by": None, "reason": None, "until": None,
            }  # fmt: skip
            yield made
            if number % 3 == 0:
                later = json.loads(json.dumps(made))
                later["id"] = f"{number:031x}f"
                later["time"] = rfc3339(BEGIN + (number * 11 + 3) * HOUR)
                later["alert"] |= {"state": "acknowledged", "by": "carol", "reason": "known test"}
                yield later
            if number == 7:
                later = json.loads(json.dumps(made))
                later["id"] = f"{number:031x}e"
                later["time"] = rfc3339(BEGIN + (number * 11 + 4) * HOUR)
                later["alert"] |= {
                    "state": "suppressed", "reason": "migration", "until": rfc3339(BEGIN + 9 * DAY),
                }  # fmt: skip
                yield later


def lines(starts: int, seed: int = 17, days: int = 7) -> Iterator[bytes]:
    """Yield the events as a collector gives them out."""
    for event in Week(starts, seed, days).events():
        yield json.dumps(event).encode() + b"\n"
