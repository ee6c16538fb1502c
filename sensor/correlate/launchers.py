"""Programs that start containers without an engine or a runtime: lxc-start, systemd-nspawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.authority import ROOT
from sensor.correlate.decision import decided
from sensor.correlate.question import CONNECT_WINDOW
from sensor.model.events import Evidence
from sensor.model.vocabulary import Confidence, EvidenceKind, Witness

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.question import Attribution, Knowledge, Question
    from sensor.model.process import Ancestor, ProcessFacts


_LAUNCHERS = frozenset(
    {"lxc-start", "lxc-execute", "lxc-autostart", "lxc-copy", "systemd-nspawn", "lxd", "incusd"}
)


def by_launcher(question: Question, known: Knowledge) -> Attribution | None:
    """A program of no known role that made the container: its cgroup's maker, or its init's parent.

    LXC's monitor is a child of ``lxc-start``, whose command line it has no more.
    """
    init = question.init
    if init is None or question.creation is not None or not init.ancestors:
        return None
    parent = init.ancestors[0]
    launches = [
        one
        for one in known.runtimes.launches()
        if _launched(one.process, parent, init, question.owner)
    ]
    if launches:
        # What the parent was forked from began before it, and last of those that did.
        launch = max(launches, key=lambda one: one.process.key.start_time)
        what, command = f"{launch.program} command", EvidenceKind.CLIENT_COMMAND
        evidence = Evidence(Witness.KERNEL, command, what, launch.time)
        candidate = known.candidates.of_launcher(
            launch.process, launch.argv, (evidence,), question.id
        )
        same = launch.process.key.pid == parent.pid
        certainty = Confidence.EXACT if same else Confidence.INFERRED
        return decided(question, known, [candidate], certainty)
    birth = known.runtimes.maker_of(init.cgroup.v1, init.cgroup.v2)
    if birth is None or birth.maker.key.pid not in {one.pid for one in init.ancestors}:
        return None
    name = (birth.maker.exe or birth.maker.comm).rpartition("/")[2]
    if known.role_of(name) is not None or birth.maker.key.pid == 1:
        return None
    what = "made the container's cgroup"
    evidence = Evidence(Witness.KERNEL, EvidenceKind.CGROUP, what, birth.time)
    candidate = known.candidates.of_launcher(birth.maker, birth.argv, (evidence,), question.id)
    return decided(question, known, [candidate], Confidence.INFERRED)


def _may_launch(process: ProcessFacts, owner: Origin | None) -> bool:
    """Whether a program is root's or the owner's: any user's may bear the same name."""
    return process.uid == ROOT or (owner is not None and process.uid == owner.uid)


def _launched(
    process: ProcessFacts, parent: Ancestor, init: ProcessFacts, owner: Origin | None
) -> bool:
    """Whether an lxc-start, or the like, is what an init's parent was forked from."""
    if process.key.pid == parent.pid and process.key.start_time == parent.start_time:
        return True
    name = (process.exe or process.comm).rpartition("/")[2]
    same_file = name == (parent.exe or "").rpartition("/")[2]
    same_login = (process.loginuid, process.session) == (init.loginuid, init.session)
    if init.loginuid is None:
        # A service has no login, and systemd-nspawn takes it from what it starts.
        same_login = _may_launch(process, owner)
    apart = parent.start_time - process.key.start_time
    return name in _LAUNCHERS and same_file and same_login and 0 <= apart <= CONNECT_WINDOW
