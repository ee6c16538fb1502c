"""Findings by a rule of the policy, tried with a rule that selects the throw-away container alone.

The rule is a file among the drop-ins of the agent's policy, for seconds. A signal has the agent
reload when the file comes and when it goes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.agent.policy_files import POLICY_DROP_INS
from sensor.cli.throw_away import new_word
from sensor.model.vocabulary import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.api.client import AgentClient
    from sensor.cli.throw_away import ThrowAway

RELOAD_SECONDS, LOOK_SECONDS = 10.0, 0.1
JUDGED_SECONDS = 2.0
"""In which a start is judged: its description may take a second."""
HALF_A_DAY = 43_200
ELSEWHERE = "registry.invalid/castoff-selftest"
PROGRAM = "/usr/bin/true"


def rule_for(finding: Finding, name: str, now: float) -> str:
    """Return a policy that raises a finding about a container of that name."""
    match finding:
        case Finding.FORBIDDEN:
            table, keys = "forbid", ""
        case Finding.NO_EXPLANATION:
            table, keys = "require_explanation", ""
        case Finding.UNAPPROVED_IMAGE:
            table, keys = "approve", f'repository = "{ELSEWHERE}"\n'
        case Finding.UNPINNED_IMAGE:
            table, keys = "approve", "pinned = true\n"
        case _:
            begin, end = (time.localtime(now + HALF_A_DAY + later) for later in (0, 60))
            hours = [time.strftime("%H:%M", one) for one in (begin, end)]
            table, keys = "window", f'from = "{hours[0]}"\nto = "{hours[1]}"\n'
    return f'[{table}.{name}]\nname = "{name}"\n{keys}'


def trial(client: AgentClient, engine: ThrowAway, finding: Finding) -> str | None:
    """Start a container against a rule of its own; returns what stood in the way."""
    if finding is Finding.UNPINNED_IMAGE and engine.engine != "docker":
        return "needs Docker, which says whether an image was named by its digest"
    name = new_word()
    with _applied(client, name, rule_for(finding, name, time.time())):
        problem = engine.run(name, PROGRAM)
        time.sleep(JUDGED_SECONDS)
    return problem


@contextlib.contextmanager
def _applied(client: AgentClient, name: str, rule: str) -> Iterator[None]:
    """Have the agent apply a rule. Raises OSError when it does not."""
    directory = Path(str(client.document("/v1/policy")["policy"]["directory"])) / POLICY_DROP_INS
    path = directory / f"{name}.toml"
    made = [one for one in (directory, *directory.parents) if not one.exists()]
    for one in reversed(made):
        one.mkdir(mode=0o755)
    try:
        path.write_text(rule, encoding="utf-8")
        path.chmod(0o644)
        _reload(client, path.name, present=True)
        yield
    finally:
        path.unlink(missing_ok=True)
        for one in made:
            one.rmdir()
        _reload(client, path.name, present=False)


def _reload(client: AgentClient, file: str, *, present: bool) -> None:
    os.kill(client.status().pid, signal.SIGHUP)
    end = time.monotonic() + RELOAD_SECONDS
    while True:
        policy = client.document("/v1/policy")["policy"]
        if any(Path(one).name == file for one in policy["files"]) is present:
            return
        if time.monotonic() >= end:
            problem = policy["problem"] or f"{file} took no effect"
            message = f"the agent did not reload its policy: {problem}"
            raise OSError(message)
        time.sleep(LOOK_SECONDS)
