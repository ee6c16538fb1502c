"""Clients of engines that tests on real engines run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lab import processes
from lab.agent import Event
from lab.dockerd import Dockerd
from lab.podman import Podman

STRANGER = 60_501
"""A user of no account."""


LOGIN = 2001
CALLER = """
import http.client, socket, sys
path, *targets = sys.argv[1:]
for target in targets:
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("POST", target)
    answer = connection.getresponse()
    assert answer.status < 300, (target, answer.status, answer.read())
"""


def cause(event: Event) -> tuple[str, str, str]:
    """The kind, the trigger, and how sure the initiator is."""
    start, confidence = event["start"], event["confidence"]
    return start["kind"], start["trigger"], confidence["initiator"]


def argv(event: Event) -> str:
    return " ".join(event["initiator"]["process"]["argv"])


def ask(address: Path | str, *targets: str) -> None:
    """Send requests to an engine, one after the other, from one program."""
    subprocess.run(
        [sys.executable, "-I", "-c", CALLER, str(address), *targets], check=True, timeout=60
    )


def typed(engine: Dockerd | Podman, *words: str, **environment: str) -> str:
    """Run a client as a person who logged in; return what it printed."""
    done = subprocess.run(
        processes.as_login(LOGIN, engine.command(*words)),
        env={**os.environ, **engine.environment, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def program(place: Path, name: str, like: str, owner: int = STRANGER) -> Path:
    """Copy a program to another name."""
    found = shutil.which(like)
    assert found is not None
    path = place / name
    shutil.copy2(found, path)
    os.chown(place, owner, owner)
    return path
