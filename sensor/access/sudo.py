"""Rules of sudo that reach a client of an engine or a runtime.

``cvtsudoers -f json`` (of sudo itself) reads the rules with all their includes: its grammar is not
written a second time here.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from sensor.access.commands import client_in
from sensor.model.access import Way, WayKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.access.accounts import Accounts
    from sensor.access.node import Node

COMMAND = "/usr/bin/cvtsudoers"
FILE = "/etc/sudoers"
SECONDS = 20.0
OUTPUT_MAX = 8 << 20
ALIASES_DEPTH = 8
"""Aliases of aliases that are followed."""

_ALIASES = ("User_Alias", "User_Aliases", "Command_Alias", "Command_Aliases", "Cmnd_Aliases")


def ways(node: Node, accounts: Accounts) -> Iterator[Way]:
    """Yield who may run a client or a runtime by sudo."""
    if node.status(FILE) is None:
        return
    try:
        done = subprocess.run(
            [COMMAND, "-f", "json", node.at(FILE)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        node.note(FILE, f"cvtsudoers cannot be run: {error}")
        return
    if done.returncode or len(done.stdout) > OUTPUT_MAX:
        node.note(FILE, f"cvtsudoers ended with {done.returncode}")
        return
    yield from read(node, done.stdout, accounts)


def read(node: Node, output: bytes, accounts: Accounts) -> Iterator[Way]:
    """Read what cvtsudoers wrote (cvtsudoers(1), JSON)."""
    try:
        rules = json.loads(output)
    except (ValueError, RecursionError):
        node.note(FILE, "cvtsudoers wrote no JSON")
        return
    if not isinstance(rules, dict):
        return
    aliases = _aliases(rules)
    for spec in _blocks(rules.get("User_Specs")):
        users = list(_users(spec.get("User_List"), aliases, accounts))
        for commands in _blocks(spec.get("Cmnd_Specs")):
            reached = _reached(commands.get("Commands"), aliases)
            if reached is None:
                continue
            free = any(
                option.get("authenticate") is False for option in _blocks(commands.get("Options"))
            )
            how = ", without a password" if free else ""
            for who, login in users:
                yield Way(WayKind.SUDO, who, f"{FILE}: {reached}{how}", grave=True, login=login)


def _blocks(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))


def _aliases(rules: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for kind in _ALIASES:
        table = rules.get(kind)
        if isinstance(table, dict):
            for name, members in table.items():
                found.setdefault(str(name), []).extend(_blocks(members))
    return found


def _users(
    members: object, aliases: dict[str, list[dict[str, object]]], accounts: Accounts, depth: int = 0
) -> Iterator[tuple[str, str | None]]:
    """Yield each user of a list as it is shown, with the login whose starts are uses."""
    for member in _blocks(members):
        if member.get("negated") is True:
            continue
        name, group, alias = (
            member.get("username"), member.get("usergroup"), member.get("useralias"),
        )  # fmt: skip
        if isinstance(name, str):
            yield ("every user", None) if name == "ALL" else (name, name)
        elif isinstance(group, str):
            found = accounts.group_called(group)
            if found is None or not found.members:
                yield f"group {group}, no members here", None
            else:
                yield from ((f"{one} (group {group})", one) for one in found.members)
        elif isinstance(alias, str) and depth < ALIASES_DEPTH:
            yield from _users(aliases.get(alias, []), aliases, accounts, depth + 1)


def _reached(
    commands: object, aliases: dict[str, list[dict[str, object]]], depth: int = 0
) -> str | None:
    """Return what a list of commands reaches: everything, or the first client; None for nothing."""
    for member in _blocks(commands):
        if member.get("negated") is True:
            continue
        command, alias = member.get("command"), member.get("cmndalias")
        if isinstance(command, str):
            if command == "ALL":
                return "all commands"
            client = client_in(command)
            if client is not None:
                return command[:200]
        elif isinstance(alias, str) and depth < ALIASES_DEPTH:
            found = _reached(aliases.get(alias, []), aliases, depth + 1)
            if found is not None:
                return found
    return None
