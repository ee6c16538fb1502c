"""Steps of image builds: runtime commands that run a step and no container of a user.

BuildKit runs the runtime itself, below the engine and no shim, with a bundle in its executor's
directory and an id of its own form (moby/buildkit, executor/runcexecutor; identity/identity.go:
25 digits of base 36). All three have to hold: a cgroup's path is the choice of the user who starts
the container, and decides nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.correlate.containers import Creation

_STEP_ID = re.compile(r"[0-9a-z]{25}")
_BUNDLE = re.compile(r"/(?:buildkit|runc-[a-z0-9]+)/executor/")
_BUILDERS = frozenset({"dockerd", "buildkitd", "balenad"})


def is_step(creation: Creation) -> bool:
    """Whether a creating command is a step of a build."""
    command = creation.command
    if _STEP_ID.fullmatch(command.id) is None or _BUNDLE.search(command.bundle_path) is None:
        return False
    above = creation.process.ancestors
    return bool(above) and above[0].comm in _BUILDERS
