"""Connects are sifted: engines' go on, others are silenced, and neither for ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from lab.waiting import until
from sensor.bpf.socket_filter import SocketVerdicts
from sensor.model.api_calls import ApiConnect, Caller
from sensor.model.observations import Observation
from sensor.model.vocabulary import Engine, Witness
from sensor.sources import contacts
from sensor.sources.contacts import ContactSifter
from sensor.sources.sockets import NOT_SCANNED, EngineSocket, SocketResolver, Unresolvable
from tests.correlate.observations import caller, connects, requests
from tests.correlate.scenario import WEB

NAMESPACE = 4026531841
ENGINE, OTHER, RELATIVE = "/var/run/docker.sock", "/run/dbus/socket", "docker.sock"
DOCKER = EngineSocket("/run/docker.sock", Engine.DOCKER, 1, 2, "docker")
GATE = "/wait"
ENGINE_PID = 4000


class Resolver:
    """Answers by a table; ``gate`` holds it up at one path."""

    def __init__(self) -> None:
        self.generation = 0
        self.asked: list[tuple[int, int, str]] = []
        self.answers: dict[str, EngineSocket | Unresolvable | None] = {
            ENGINE: DOCKER,
            OTHER: None,
            RELATIVE: Unresolvable("relative"),
        }
        self.kept: dict[tuple[int, str], EngineSocket] = {}
        self.gate = threading.Event()
        self.waits = threading.Event()

    def known(self, mnt_ns: int, path: str) -> EngineSocket | None:
        return self.kept.get((mnt_ns, path))

    def listening(self, path: str) -> EngineSocket | None:
        return DOCKER if path == DOCKER.path else None

    def resolve(
        self, pid: int, mnt_ns: int, path: str, *, share: str | None, connected: int
    ) -> EngineSocket | Unresolvable | None:
        del share, connected
        self.asked.append((pid, mnt_ns, path))
        if path == GATE:
            self.waits.set()
            assert self.gate.wait(10)
        return self.answers.get(path)


class Verdicts:
    """The kernel's map without a kernel."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, str]] = []
        self.entries: dict[tuple[int, str], bool] = {}

    def set(self, mnt_ns: int, path: str, *, engine: bool) -> None:
        self.reported.append(("engine" if engine else "other", path))
        self.entries[mnt_ns, path] = engine

    def forget(self, mnt_ns: int, path: str) -> None:
        self.reported.append(("forget", path))
        self.entries.pop((mnt_ns, path), None)


def share_of(caller: Caller) -> str | None:
    return f"uid {caller.uid}" if caller.uid else None


class Bench:
    """A sifter between a resolver, a map and a list."""

    def __init__(self) -> None:
        self.resolver = Resolver()
        self.verdicts = Verdicts()
        self.emitted: list[ApiConnect] = []
        self.sifter = ContactSifter(
            cast("SocketResolver", self.resolver),
            cast("SocketVerdicts", self.verdicts),
            self.emitted.append,
            lambda connect: connect.caller.pid == ENGINE_PID,
            share_of,
        )

    def sift(self, *paths: str, mnt_ns: int = NAMESPACE) -> list[Observation]:
        """Sift a connect to each path, and wait until all are looked at."""
        asked = len(self.resolver.asked) + len(paths)
        rest = self.sifter.sift([connect(path, mnt_ns=mnt_ns) for path in paths])
        until(lambda: len(self.resolver.asked) >= asked, "all are looked at")
        self.settle()
        return rest

    def settle(self) -> None:
        """Wait until the thread has done all that was asked of it."""
        asked = len(self.resolver.asked)
        self.sifter.sift([connect("/settle"), connect("/settled")])
        until(lambda: len(self.resolver.asked) >= asked + 2, "the last is looked at")


def connect(path: str, pid: int = 77, mnt_ns: int | None = NAMESPACE) -> ApiConnect:
    return replace(connects(0, caller(pid), path), mnt_ns=mnt_ns)


def connect_of(uid: int, path: str) -> ApiConnect:
    return replace(connects(0, caller(78, uid=uid), path), mnt_ns=NAMESPACE)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.resolver.gate.set()
    made.sifter.close()
    assert not made.sifter._thread.is_alive()


def test_a_connect_to_an_engine_comes_back_with_the_engines_own_path(bench: Bench) -> None:
    assert bench.sift(ENGINE) == []
    assert bench.emitted == [
        replace(connect(ENGINE), socket="/run/docker.sock", engine=Engine.DOCKER)
    ]
    assert bench.verdicts.entries[NAMESPACE, ENGINE] is True


def test_a_connect_at_a_socket_that_is_known_names_the_engine(bench: Bench) -> None:
    seen = connect(DOCKER.path, mnt_ns=None)
    other = connect("/run/podman.sock", mnt_ns=None)
    assert bench.sifter.sift([seen, other]) == [replace(seen, engine=Engine.DOCKER), other]


def test_while_a_verdict_holds_connects_to_an_engine_go_on_in_their_place(bench: Bench) -> None:
    bench.resolver.kept[NAMESPACE, ENGINE] = DOCKER
    create = WEB.create(0)
    reported = replace(connect(ENGINE), socket=DOCKER.path, engine=Engine.DOCKER)
    assert bench.sifter.sift([create, connect(ENGINE), create]) == [create, reported, create]
    assert bench.resolver.asked == []


def test_engines_are_not_followed_to_their_shims(bench: Bench) -> None:
    assert bench.sifter.sift([connect("/run/containerd/s/1", pid=ENGINE_PID)]) == []
    bench.settle()
    assert ENGINE_PID not in [pid for pid, _, _ in bench.resolver.asked]


def test_a_connect_that_no_scan_was_allowed_for_is_looked_at_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "LATER_SECONDS", 0.01)
    answers = iter([NOT_SCANNED, DOCKER])
    monkeypatch.setattr(bench.resolver, "resolve", lambda *_, **__: next(answers))
    bench.sifter.sift([connect(ENGINE)])
    until(lambda: bench.emitted, "the engine's caller comes back")
    assert bench.verdicts.reported == [("forget", ENGINE), ("engine", ENGINE)]


def test_what_waits_for_a_scan_is_bounded_and_counted(bench: Bench) -> None:
    bench.sifter._later.share = 1
    bench.resolver.answers |= {"/a": NOT_SCANNED, "/b": NOT_SCANNED, "/c": NOT_SCANNED}
    bench.sift("/a", "/b", "/c")
    assert bench.sifter.dropped == 2
    (loss,) = bench.sifter.losses()
    assert (loss.kind, loss.dropped) == ("api_connect", 2)
    assert bench.sifter.losses() == ()


def test_a_connect_to_anything_else_is_silenced(bench: Bench) -> None:
    assert bench.sift(OTHER) == []
    assert bench.emitted == []
    assert bench.verdicts.entries[NAMESPACE, OTHER] is False


def test_what_cannot_be_resolved_is_asked_again(bench: Bench) -> None:
    bench.sift(RELATIVE)
    assert bench.emitted == []
    assert ("forget", RELATIVE) in bench.verdicts.reported
    assert (NAMESPACE, RELATIVE) not in bench.verdicts.entries


def test_the_caller_is_looked_at_in_its_own_namespace(bench: Bench) -> None:
    bench.sift(ENGINE, mnt_ns=99)
    assert bench.resolver.asked[0] == (77, 99, ENGINE)
    assert bench.verdicts.entries[99, ENGINE] is True


def test_what_is_not_a_connect_passes_in_its_order(bench: Bench) -> None:
    create, request = WEB.create(0), requests(1, caller(77), "POST /containers/web/start")
    reported = replace(connect(ENGINE, mnt_ns=None), witness=Witness.AUDIT)
    assert bench.sifter.sift([create, connect(ENGINE), reported, request]) == [
        create,
        reported,
        request,
    ]
    until(lambda: bench.emitted, "the connect comes back")


@pytest.mark.parametrize("mnt_ns", [NAMESPACE, None], ids=["kernel", "audit"])
def test_the_agents_own_contacts_are_left_out(bench: Bench, mnt_ns: int | None) -> None:
    own = os.getpid()
    request = requests(0, caller(own), "POST /containers/web/start")
    assert bench.sifter.sift([connect(ENGINE, own, mnt_ns), request]) == []
    bench.settle()
    assert bench.emitted == []
    assert ENGINE not in [path for _, _, path in bench.resolver.asked]


def test_a_new_generation_voids_what_was_silenced(bench: Bench) -> None:
    bench.sift(OTHER, ENGINE)
    bench.resolver.generation += 1
    bench.resolver.answers[OTHER] = DOCKER
    bench.settle()
    assert (NAMESPACE, OTHER) not in bench.verdicts.entries
    assert bench.verdicts.entries[NAMESPACE, ENGINE] is True
    bench.sift(OTHER)
    assert bench.verdicts.entries[NAMESPACE, OTHER] is True
    assert len(bench.emitted) == 2


def test_a_socket_that_was_another_s_is_asked_about_again_after_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "OTHER_FOR", -1.0)
    bench.sift(OTHER, "/another")
    bench.settle()
    for path in (OTHER, "/another"):
        assert ("other", path) in bench.verdicts.reported
        assert (NAMESPACE, path) not in bench.verdicts.entries


def test_an_engine_that_was_silenced_before_does_not_expire(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "OTHER_FOR", 0.05)
    bench.sift(OTHER)
    bench.resolver.answers[OTHER] = DOCKER
    bench.sift(OTHER)
    assert (NAMESPACE, OTHER) not in bench.sifter._written


def test_verdicts_are_bounded(bench: Bench) -> None:
    assert bench.sifter._written.limit == contacts.VERDICTS_MAX
    bench.sifter._written.limit = 4
    bench.sift(*(f"/other/{number}" for number in range(10)))
    assert len(bench.sifter._written) == 4
    assert len(bench.verdicts.entries) == 4


def test_the_queue_is_bounded_and_the_reader_never_waits(bench: Bench) -> None:
    bench.sifter.sift([connect(GATE)])
    assert bench.resolver.waits.wait(10)
    many = [connect_of(0, OTHER)] * (contacts.QUEUE_MAX + 25)
    assert bench.sifter.sift(many) == []
    assert bench.sifter.dropped == 25
    bench.resolver.gate.set()
    until(lambda: len(bench.resolver.asked) >= contacts.QUEUE_MAX + 1, "the rest is looked at")


def test_a_users_connects_push_out_none_of_roots(bench: Bench) -> None:
    bench.sifter.sift([connect(GATE)])
    assert bench.resolver.waits.wait(10)
    bench.sifter.sift([connect(OTHER)] * contacts.QUEUE_MAX)
    bench.sifter.sift([connect_of(0, ENGINE)])
    bench.resolver.gate.set()
    until(lambda: bench.emitted, "root's connect comes back")
    assert ENGINE in [path for _, _, path in bench.resolver.asked[:3]], "beside the user's"
