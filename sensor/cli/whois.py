"""``castoff whois PID``: which container a process belongs to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sensor.api.client import AgentClient
from sensor.api.view import ContainerView
from sensor.cli.answer import print_json
from sensor.cli.options import output_option, socket_option
from sensor.schema.text import ELLIPSIS, visible

if TYPE_CHECKING:
    from pathlib import Path


VALUE_MAX = 1024
"""Characters shown of one thing; ``-o json`` has all of it."""


class ProcessId(click.IntRange):
    """A pid, so that click's error calls it so."""

    name = "process id"


@click.command()
@click.argument("pid", type=ProcessId(min=1))
@output_option
@socket_option
def command(pid: int, output: str, socket: Path) -> None:
    """Name the container of a process, the innermost one; exit code 1 when it is in none.

    PID is as the agent's pid namespace numbers it, which is the host's.
    """
    answer = AgentClient(socket).document(f"/v1/whois/{pid}")
    if output == "json":
        print_json(answer)
    else:
        for line in _lines(pid, answer):
            click.echo(line)
    if answer["container"] is None:
        sys.exit(1)


def _lines(pid: int, answer: dict[str, object]) -> list[str]:
    block = answer["container"]
    if not isinstance(block, dict):
        return [f"process {pid} belongs to no container"]
    container = ContainerView.from_document(block)
    parents = answer.get("parents")
    pairs = [
        ("container", container.id),
        ("name", container.name),
        ("image", container.image),
        ("runtime", container.runtime),
        ("state", None if container.state == "unknown" else container.state),
        ("init", None if container.pid is None else str(container.pid)),
        ("pod", "/".join(part for part in (container.namespace, container.pod) if part) or None),
        ("inside of", ", ".join(map(str, parents)) if isinstance(parents, list) else None),
        ("cgroup", answer.get("cgroup")),
    ]
    return [f"{name:<10} {visible(_bounded(str(value)))}" for name, value in pairs if value]


def _bounded(text: str) -> str:
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}{ELLIPSIS}"
