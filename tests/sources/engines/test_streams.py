"""All engines together: limits, sockets that vanish, engines switched off and on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab.waiting import until
from sensor.model.vocabulary import Witness
from sensor.sources.engines import stream, streams
from sensor.sources.engines.known import Api
from sensor.sources.engines.listeners import EngineSocket
from sensor.sources.engines.streams import target_of, witness_of
from tests.sources.engines.following import following
from tests.sources.engines.listening import listener, saying, streaming


def test_back_off_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BACK_OFF_FIRST", 0.01)
    monkeypatch.setattr(stream, "BACK_OFF_MAX", 0.05)
    with (
        listener(tmp_path / "d.sock", saying(b"no\r\n\r\n")) as found,
        following(lambda: (found,)) as heard,
    ):
        until(lambda: heard.counts().failures >= 8, "many attempts", 5)


def test_one_of_two_sockets_that_fails_makes_the_source_unavailable(tmp_path: Path) -> None:
    with (
        listener(tmp_path / "a.sock", streaming()) as good,
        listener(tmp_path / "b.sock", saying(b"no\r\n\r\n")) as bad,
        following(lambda: (good, bad)) as heard,
    ):
        lost = heard.await_source("docker", available=False)
        assert lost.reason is not None
        assert str(tmp_path / "b.sock") in lost.reason
        assert str(tmp_path / "a.sock") not in lost.reason


def test_sockets_beyond_the_limit_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)
    with (
        listener(tmp_path / "a.sock", streaming()) as first,
        listener(tmp_path / "b.sock", streaming()) as second,
        following(lambda: (first, second)) as heard,
    ):
        heard.await_source("docker", available=True)
        assert heard.streams.beyond_limit == 1
        assert len(heard.streams.status()) == 1


def test_a_socket_that_vanished_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FORGET_AFTER", 0.1)
    with listener(tmp_path / "d.sock", saying(b"no\r\n\r\n")) as found:
        present = [found]
        with following(lambda: tuple(present)) as heard:
            heard.await_source("docker", available=False)
            present.clear()
            until(lambda: not heard.streams.status(), "the stream is forgotten")


def test_an_engine_that_listens_a_while_after_it_began_is_followed_then(tmp_path: Path) -> None:
    with listener(tmp_path / "d.sock", streaming()) as found:
        looks: list[int] = []

        def scan() -> tuple[EngineSocket, ...]:
            looks.append(len(looks))
            # The look of the agent's start and the one of the execve find nothing.
            return (found,) if len(looks) > 2 else ()

        with following(scan) as heard:
            until(lambda: len(looks) == 1, "the first look")
            heard.in_loop(heard.streams.wake)
            heard.await_source("docker", available=True)


def test_an_engine_that_is_switched_off_is_left_and_switched_on_again_is_followed(
    tmp_path: Path,
) -> None:
    with (
        listener(tmp_path / "d.sock", streaming()) as found,
        following(lambda: (found,)) as heard,
    ):
        heard.await_source("docker", available=True)
        heard.in_loop(lambda: heard.streams.follow(frozenset({Witness.PODMAN})))
        assert heard.await_source("docker", available=False).reason == "switched off"
        until(lambda: not heard.streams.status(), "nothing is followed")
        heard.in_loop(lambda: heard.streams.follow(frozenset({Witness.DOCKER})))
        heard.await_source("docker", available=True)


def test_a_socket_without_an_engine_is_not_woken(tmp_path: Path) -> None:
    with listener(tmp_path / "d.sock", streaming()) as found:
        assert target_of(replace(found, pid=None)) is None
        assert target_of(found) is not None
        assert target_of(replace(found, inode=found.inode + 1)) is None


def test_a_path_that_means_something_else_here_is_reached_through_the_engine(
    tmp_path: Path,
) -> None:
    with listener(tmp_path / "d.sock", streaming()) as found:
        through = target_of(replace(found, path=f"/proc/self/root{found.path}"))
        assert through is not None
        elsewhere = EngineSocket("/d.sock", "docker", found.device, found.inode, "docker", 1)
        assert target_of(elsewhere) is None


@pytest.mark.parametrize(
    ("engine", "api", "nested", "expected"),
    [
        ("docker", "docker", False, "docker"),
        ("docker", "docker", True, None),
        ("podman", "libpod", False, "podman"),
        ("containerd", "grpc", False, "containerd"),
        ("containerd", "ttrpc", False, None),
        ("cri-o", "grpc", False, None),
        ("balenad", "docker", False, "docker"),
        ("kubelet", "unknown", False, None),
    ],
)
def test_engines_of_the_host_are_followed(
    engine: str,
    api: Api,
    nested: bool,
    expected: str | None,
) -> None:
    found = EngineSocket("/x", engine, 1, 2, api, os.getpid(), nested=nested)
    assert witness_of(found) == expected
