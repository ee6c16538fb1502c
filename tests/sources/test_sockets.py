"""What a path means to the process that connected to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.waiting import until
from sensor.sources import sockets
from sensor.sources.scan_allowance import BURST, SECONDS_EACH
from sensor.sources.sockets import NOT_SCANNED, EngineSocket, SocketResolver, Unresolvable
from tests.sources.engines.test_listeners import process_called

NS = 1_000_000_000
OWN_NAMESPACE = Path("/proc/self/ns/mnt").stat().st_ino


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "run" / "docker.sock"
    path.parent.mkdir()
    with process_called("dockerd", path):
        yield path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def resolver(clock: Clock) -> SocketResolver:
    one = SocketResolver(frozenset({"dockerd"}), clock=clock)
    one.refresh()
    clock.now += 10
    return one


def ask(resolver: SocketResolver, path: Path | str) -> EngineSocket | Unresolvable | None:
    return resolver.resolve(os.getpid(), OWN_NAMESPACE, str(path))


def at(path: Path) -> tuple[int, int, str]:
    return os.getpid(), OWN_NAMESPACE, str(path)


def is_engine(verdict: EngineSocket | Unresolvable | None) -> bool:
    return isinstance(verdict, EngineSocket) and verdict.engine == "docker"


def test_an_engines_socket_is_named(engine: Path, resolver: SocketResolver) -> None:
    assert is_engine(ask(resolver, engine))


def test_every_way_to_the_socket_counts(
    engine: Path, tmp_path: Path, resolver: SocketResolver
) -> None:
    (tmp_path / "var").symlink_to(tmp_path / "run")
    (tmp_path / "link.sock").symlink_to("var/docker.sock")
    os.link(engine, tmp_path / "hard.sock")
    for way in ("var/docker.sock", "link.sock", "hard.sock", "var/../run//docker.sock"):
        (tmp_path / way).stat()
        assert is_engine(ask(resolver, f"{tmp_path}/{way}")), way


def test_what_is_not_an_engines_socket_is_nothing(tmp_path: Path, resolver: SocketResolver) -> None:
    with process_called("sshd-agent", tmp_path / "other.sock"):
        assert ask(resolver, tmp_path / "other.sock") is None
    (tmp_path / "file").touch()
    assert ask(resolver, tmp_path / "file") is None


def test_a_name_service_cache_that_does_not_run_is_not_an_engine(
    tmp_path: Path, resolver: SocketResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "socket", tmp_path / "other"
    monkeypatch.setattr(sockets, "MOSTLY_MISSING", frozenset({str(path)}))
    # The lookup asks no file system: what is missing must be known to the kernel, as nscd's is.
    assert not path.exists()
    assert not other.exists()
    assert ask(resolver, path) is None
    assert ask(resolver, other) == Unresolvable("missing")


def test_a_missing_path_has_no_verdict(tmp_path: Path, resolver: SocketResolver) -> None:
    assert isinstance(ask(resolver, tmp_path / "nothing"), Unresolvable)
    assert isinstance(ask(resolver, "/" + "x" * 5000), Unresolvable)
    assert isinstance(ask(resolver, "/nul\0byte"), Unresolvable)


def test_an_engine_that_started_since_the_scan_is_found(
    tmp_path: Path, resolver: SocketResolver
) -> None:
    before = resolver.generation
    with process_called("dockerd", tmp_path / "late.sock"):
        assert is_engine(ask(resolver, tmp_path / "late.sock"))
        assert resolver.generation == before + 1
    resolver.refresh()
    assert resolver.generation == before + 2


def test_an_engine_that_started_in_the_second_of_the_last_scan_is_found(
    tmp_path: Path, resolver: SocketResolver
) -> None:
    resolver.refresh()
    with process_called("dockerd", tmp_path / "late.sock"):
        assert is_engine(ask(resolver, tmp_path / "late.sock"))


def test_a_scan_after_the_connect_answers_for_it(
    tmp_path: Path, resolver: SocketResolver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = int(clock.now * NS)
    clock.now += 0.1
    resolver.refresh()
    monkeypatch.setattr(resolver, "refresh", pytest.fail)
    with process_called("python3", tmp_path / "other.sock"):
        path = str(tmp_path / "other.sock")
        verdict = resolver.resolve(os.getpid(), OWN_NAMESPACE, path, connected=connected)
    assert verdict is None


def test_a_user_who_causes_too_many_scans_gets_no_verdict_and_hinders_no_other(
    tmp_path: Path, resolver: SocketResolver, clock: Clock
) -> None:
    for number in range(BURST):
        with process_called("python3", tmp_path / f"{number}.sock"):
            assert resolver.resolve(*at(tmp_path / f"{number}.sock"), share="uid 1000") is None
    with process_called("dockerd", tmp_path / "late.sock"):
        late = at(tmp_path / "late.sock")
        assert resolver.resolve(*late, share="uid 1000") is NOT_SCANNED
        assert resolver.refused == 1
        assert is_engine(resolver.resolve(*late, share="uid 1001"))
    with process_called("dockerd", tmp_path / "later.sock"):
        clock.now += SECONDS_EACH
        assert is_engine(resolver.resolve(*at(tmp_path / "later.sock"), share="uid 1000"))


def test_ever_new_mount_namespaces_of_a_user_are_not_all_looked_for(
    engine: Path, resolver: SocketResolver
) -> None:
    """Each is a look at all processes of the node."""
    path = str(engine)
    found = [
        resolver.resolve(os.getpid(), number, path, share="uid 1000") for number in range(BURST + 5)
    ]
    assert found[:BURST] == [Unresolvable("other_namespace")] * BURST
    assert found[BURST:] == [NOT_SCANNED] * 5
    assert resolver.refused == 5
    of_root = [resolver.resolve(os.getpid(), 100 + number, path) for number in range(BURST + 5)]
    assert NOT_SCANNED not in of_root


def test_verdicts_are_kept_and_expire(
    engine: Path, tmp_path: Path, resolver: SocketResolver, clock: Clock
) -> None:
    path = tmp_path / "switch.sock"
    path.touch()
    assert ask(resolver, path) is None
    path.unlink()
    path.symlink_to(engine)
    path.stat()
    assert ask(resolver, path) is None
    clock.now += sockets.OTHER_FOR
    assert is_engine(ask(resolver, path))


def test_a_new_set_of_sockets_voids_all_verdicts(tmp_path: Path, resolver: SocketResolver) -> None:
    path = tmp_path / "later.sock"
    path.touch()
    assert ask(resolver, path) is None
    path.unlink()
    with process_called("dockerd", path):
        resolver.refresh()
        assert is_engine(ask(resolver, path))


def test_verdicts_are_bounded(tmp_path: Path, resolver: SocketResolver) -> None:
    assert resolver._verdicts.limit == sockets.VERDICTS_MAX
    resolver._verdicts.limit = 3
    for number in range(9):
        (tmp_path / str(number)).touch()
        ask(resolver, tmp_path / str(number))
    assert len(resolver._verdicts) == 3


def test_a_relative_path_is_resolved_and_never_remembered(
    engine: Path, resolver: SocketResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(engine.parent.parent)
    (engine.parent.parent / "docker.sock").touch()
    assert is_engine(ask(resolver, "run/docker.sock"))
    assert ask(resolver, "docker.sock") == Unresolvable("relative")
    monkeypatch.chdir(engine.parent)
    assert is_engine(ask(resolver, "docker.sock"))


def test_a_process_of_another_namespace_does_not_answer(
    engine: Path, resolver: SocketResolver
) -> None:
    assert resolver.resolve(os.getpid(), 1, str(engine)) == Unresolvable("other_namespace")


def test_another_process_answers_for_one_that_is_gone(
    engine: Path, tmp_path: Path, resolver: SocketResolver
) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    (tmp_path / "file").touch()
    assert is_engine(resolver.resolve(process.pid, OWN_NAMESPACE, str(engine)))
    assert resolver.resolve(process.pid, OWN_NAMESPACE, str(tmp_path / "file")) is None
    gone = resolver.resolve(process.pid, OWN_NAMESPACE, "relative.sock")
    assert gone == Unresolvable("process_gone")


CHROOTED = """\
import os, sys
os.chroot(sys.argv[1]); os.chdir("/")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
def test_a_decoy_in_a_chroot_hides_nothing(
    engine: Path, tmp_path: Path, resolver: SocketResolver
) -> None:
    root = tmp_path / "jail"
    decoy = root / str(engine).lstrip("/")
    decoy.parent.mkdir(parents=True)
    decoy.touch()
    with subprocess.Popen(
        [sys.executable, "-c", CHROOTED, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        verdict = resolver.resolve(process.pid, OWN_NAMESPACE, str(engine))
        process.communicate()
    assert verdict == Unresolvable("own_root")
    assert is_engine(ask(resolver, engine))


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")
def test_a_socket_mounted_into_another_namespace_is_the_engines(
    engine: Path, tmp_path: Path, resolver: SocketResolver
) -> None:
    target = tmp_path / "inside.sock"
    target.touch()
    mount = f'mount --bind "{engine}" "{target}" && stat "{target}" >/dev/null && exec sleep 60'
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", mount]) as process:
        try:
            comm = Path(f"/proc/{process.pid}/comm")
            until(lambda: comm.read_text() == "sleep\n", "the mount is made")
            namespace = Path(f"/proc/{process.pid}/ns/mnt").stat().st_ino
            verdict = resolver.resolve(process.pid, namespace, str(target))
            assert is_engine(verdict)
            assert ask(resolver, target) is None
            # A later process of the namespace need not be there any more.
            assert resolver.resolve(2**22 - 1, namespace, str(target)) == verdict
        finally:
            process.kill()
