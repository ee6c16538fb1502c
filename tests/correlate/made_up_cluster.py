"""A made-up control plane that writes an audit log, and knows who caused each pod.

Its Deployment is written by a different person each time, so that a wrong requester shows. The
controllers act as those of Kubernetes do: 5 to 30 ms after a write, a rollout pod by pod.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

from sensor.dataclass import dataclass
from tests.correlate.audit_log import CONTROLLER, owner, pod_template

BEGIN = datetime(2026, 3, 2, 10, tzinfo=UTC).timestamp()
SCHEDULER = "system:kube-scheduler"
Json = dict[str, Any]


@dataclass(slots=True, eq=False)
class Replicas:
    """A ReplicaSet with its pods: uid and name."""

    name: str
    uid: str
    image: str
    wanted: int
    pods: list[tuple[str, str]]
    generation: int = 1


class MadeUpCluster:
    """Writes ``lines``; ``truth`` has the author of each pod by uid, None without a request."""

    def __init__(self, seed: int, level: str) -> None:
        self.lines: list[Json] = []
        self.truth: dict[str, str | None] = {}
        self._chance = random.Random(seed)
        self._level = level
        self._time = 0.0
        self._number = 0
        self._sets: list[Replicas] = []
        self._image, self._wanted, self._generation, self._uid = "web:0", 0, 0, ""

    def live(self, steps: int) -> None:
        """Let people work, each once."""
        self._created("person-0")
        for number in range(1, steps):
            self._time += self._chance.choice([1.6, 3, 8, 40, 200, 700, 4000])
            step = self._chance.choice(self._STEPS)
            step(self, f"person-{number}")

    # --------------------------------------------------------------------------- people

    def _created(self, who: str) -> None:
        self._uid, self._generation, self._sets = self._new("D"), 0, []
        self._wanted, self._image = self._chance.randint(1, 4), "web:0"
        self._write(who, "create", None, {})

    def _scaled(self, who: str) -> None:
        self._wanted, old = self._chance.randint(0, 5), self._wanted
        body = {"spec": {"replicas": self._wanted}}
        self._generation += self._wanted != old
        status = {"replicas": self._running()}
        scale = {"kind": "Scale", "metadata": {"name": "web"}, **body, "status": status}
        self._call(who, "patch", "deployments/scale", "web", body, scale)
        self._sync(who)

    def _rolled_out(self, who: str) -> None:
        self._image = f"web:{self._number}"
        self._write(who, "patch", {"spec": {"template": pod_template(self._image)}}, {})

    def _rolled_back(self, who: str) -> None:
        self._image = self._chance.choice(self._sets).image
        undo = [{"op": "replace", "path": "/spec/template", "value": pod_template(self._image)}]
        self._write(who, "patch", undo, {})

    def _recreated(self, who: str) -> None:
        self._call("cleaner", "delete", "deployments", "web", None, {"kind": "Status"})
        self._time += self._chance.choice([0.1, 2, 60])
        self._created(who)

    def _deleted(self, who: str) -> None:
        self._ended(who, "delete", "pods")

    def _evicted(self, who: str) -> None:
        self._ended(who, "create", "pods/eviction")

    def _displaced(self, _: str) -> None:
        self._ended(SCHEDULER, "delete", "pods", author=None)

    def _out_of_memory(self, _: str) -> None:
        self._ended(None, "", "", author=None)

    def _refused(self, who: str) -> None:
        status = {"kind": "Status", "status": "Failure", "code": 409}
        body = {"spec": {"replicas": 9}}
        self._call(who, "patch", "deployments", "web", body, status, code=409)

    _STEPS = (
        *(_scaled, _scaled, _rolled_out, _rolled_back, _recreated, _deleted, _evicted),
        *(_displaced, _out_of_memory, _refused),
    )

    # ---------------------------------------------------------------------- controllers

    def _write(self, who: str, verb: str, body: object, status: Json) -> None:
        self._generation += 1
        if verb != "create":
            status = {"observedGeneration": self._generation - 1, "replicas": self._running()}
        spec = {"replicas": self._wanted, "template": pod_template(self._image)}
        metadata = {"name": "web", "uid": self._uid, "generation": self._generation}
        stored = {"kind": "Deployment", "metadata": metadata, "spec": spec, "status": status}
        self._call(who, verb, "deployments", "web", stored if body is None else body, stored)
        self._sync(who)

    def _sync(self, who: str) -> None:
        """Answer a write as the Deployment's controller does: old pods go as new ones come."""
        self._wait()
        new = next((one for one in self._sets if one.image == self._image), None)
        if new is None:
            held = any(one.wanted for one in self._sets)
            count = min(1, self._wanted) if held else self._wanted
            name = f"web-{self._new('h')}"
            new = Replicas(name, self._new("R"), self._image, count, [])
            self._sets.append(new)
            self._replicas(new, "create", who)
        for old in [one for one in self._sets if one is not new]:
            while old.wanted:
                if new.wanted < self._wanted:
                    self._resize(new, new.wanted + 1, who)
                self._time += self._chance.choice([0.1, 1.5, 20])
                self._resize(old, old.wanted - 1, who)
        if new.wanted != self._wanted:
            self._resize(new, self._wanted, who)

    def _resize(self, one: Replicas, wanted: int, who: str) -> None:
        one.wanted, one.generation = wanted, one.generation + 1
        self._replicas(one, "update", who)

    def _replicas(self, one: Replicas, verb: str, who: str) -> None:
        note = {"deployment.kubernetes.io/desired-replicas": str(self._wanted)}
        metadata = {
            "name": one.name,
            "uid": one.uid,
            "generation": one.generation,
            "annotations": note,
            "ownerReferences": [owner("Deployment", "web", self._uid)],
        }
        spec = {"replicas": one.wanted, "template": pod_template(one.image, hashed=one.name)}
        status = {"replicas": len(one.pods)}
        stored = {"kind": "ReplicaSet", "metadata": metadata, "spec": spec, "status": status}
        user = CONTROLLER.format("deployment")
        self._call(user, verb, "replicasets", one.name, _asked(stored), stored)
        self._fill(one, who)

    def _fill(self, one: Replicas, who: str | None) -> None:
        user = CONTROLLER.format("replicaset")
        while len(one.pods) < one.wanted:
            self._wait()
            self._pod(one, who)
        while len(one.pods) > one.wanted:
            self._wait()
            _, name = one.pods.pop()
            self._call(user, "delete", "pods", name, None, {"kind": "Pod"})

    def _pod(self, one: Replicas, who: str | None) -> None:
        uid = self._new("P")
        name = f"{one.name}-{uid[-5:]}"
        metadata = {
            "name": name,
            "uid": uid,
            "generateName": f"{one.name}-",
            "ownerReferences": [owner("ReplicaSet", one.name, one.uid)],
        }
        spec = {"containers": [{"name": "web", "image": one.image}]}
        stored = {"kind": "Pod", "metadata": metadata, "spec": spec}
        self._call(CONTROLLER.format("replicaset"), "create", "pods", None, _asked(stored), stored)
        self.truth[uid] = who
        one.pods.append((uid, name))
        bound = {"metadata": {"name": name, "uid": uid}, "target": {"name": "node-1"}}
        self._call(SCHEDULER, "create", "pods/binding", name, bound, {"kind": "Status"}, later=0.02)
        self.lines[-1]["objectRef"]["uid"] = uid

    def _ended(self, who: str | None, verb: str, target: str, **author: None) -> None:
        holders = [one for one in self._sets if one.pods]
        if not holders:
            return
        one = self._chance.choice(holders)
        _, name = one.pods.pop(self._chance.randrange(len(one.pods)))
        if who is not None:
            self._call(who, verb, target, name, None, {"kind": "Status"})
        self._fill(one, author.get("author", who))

    # --------------------------------------------------------------------------- lines

    def _running(self) -> int:
        return sum(len(one.pods) for one in self._sets)

    def _new(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number:05d}"

    def _wait(self) -> None:
        self._time += self._chance.uniform(0.005, 0.03)

    def _call(
        self,
        user: str,
        verb: str,
        target: str,
        name: str | None,
        body: object,
        answer: Json,
        *,
        code: int | None = None,
        later: float = 0.0,
    ) -> None:
        resource, _, part = target.partition("/")
        moment = datetime.fromtimestamp(BEGIN + self._time + later, UTC)
        stamp = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        reference = {"resource": resource, "subresource": part, "namespace": "shop", "name": name}
        line = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": self._level,
            "auditID": self._new("a"),
            "stage": "ResponseComplete",
            "requestURI": "/",
            "verb": verb,
            "user": {"username": user},
            "objectRef": {key: value for key, value in reference.items() if value},
            "responseStatus": {"code": code or (201 if verb == "create" else 200)},
            "requestReceivedTimestamp": stamp,
            "stageTimestamp": stamp,
        }
        if self._level != "Metadata" and body is not None:
            line["requestObject"] = json.loads(json.dumps(body))
        if self._level == "RequestResponse":
            line["responseObject"] = json.loads(json.dumps(answer))
        self.lines.append(line)


def _asked(stored: Json) -> Json:
    """Return an object as its controller asks for it: without what the server gives."""
    hidden = ("uid", "name") if "generateName" in stored["metadata"] else ("uid",)
    metadata = {key: value for key, value in stored["metadata"].items() if key not in hidden}
    return {**stored, "metadata": metadata}
