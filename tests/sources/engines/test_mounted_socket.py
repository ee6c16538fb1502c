"""An engine's socket inside one of its containers, as the resolver sees it from outside."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from lab.dockerd import Dockerd
from lab.image import IMAGE
from lab.waiting import until
from sensor.sources.sockets import EngineSocket, SocketResolver, Unresolvable
from tests.sources.engines.following import PROGRAMS

INSIDE = "/mnt/docker.sock"
LINKED = ("/srv/docker.sock", "/var/run/docker.sock", "/var/../var//run/./docker.sock")


def finds(dockerd: Dockerd, container: str, *paths: str) -> bool:
    return dockerd.cli("exec", container, "ls", "-lL", *paths, check=False).returncode == 0


@pytest.mark.e2e
def test_a_socket_mounted_into_a_container_is_its_engines(dockerd: Dockerd) -> None:
    resolver = SocketResolver(PROGRAMS)
    words = ("--net=none", f"--volume={dockerd.address}:{INSIDE}", IMAGE)
    links = "mkdir /var; ln -s /mnt /srv; ln -s ../../srv/. /var/run; ln -s loop /loop"
    with_socket = dockerd.run(*words, "sh", "-c", f"{links}; exec sleep 99")
    without = dockerd.run("--net=none", IMAGE, "sh", "-c", f"mkdir /mnt; >{INSIDE}; exec sleep 99")
    for container, paths in ((with_socket, (INSIDE, *LINKED)), (without, (INSIDE,))):
        # As a client that connects does, this leaves the names in the kernel's cache.
        until(partial(finds, dockerd, container, *paths), "the paths are there")
        pid = dockerd.inspect(container)["State"]["Pid"]
        namespace = Path(f"/proc/{pid}/ns/mnt").stat().st_ino
        for path in paths:
            begun = time.perf_counter()
            verdict = resolver.resolve(pid, namespace, path)
            assert time.perf_counter() - begun < 1
            if container is with_socket:
                assert isinstance(verdict, EngineSocket)
                assert (verdict.path, verdict.pid) == (str(dockerd.address), dockerd.daemon.pid)
            else:
                assert verdict is None
    pid = dockerd.inspect(with_socket)["State"]["Pid"]
    namespace = Path(f"/proc/{pid}/ns/mnt").stat().st_ino
    assert resolver.resolve(pid, namespace, "/loop") == Unresolvable("unsafe")
