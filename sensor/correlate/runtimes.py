"""What runtimes, supervisors and engines did lately: bounded, with a share for each user.

Runtime commands by the process that ran them, cgroups by their path, supervisors by the container
that they name, engines by program. What a command line claims is kept with its origin; whether it
counts is decided elsewhere (``authority``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate import runtime_command, supervision
from sensor.correlate.containers import Creation
from sensor.dataclass import dataclass
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import Role
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.authority import Origin
    from sensor.correlate.runtime_command import RuntimeCommand
    from sensor.model.kernel_records import CgroupBirth, CommandExec
    from sensor.model.process import Ancestor, CgroupPaths
    from sensor.model.vocabulary import ContainerId, RoleOf

CREATIONS_MAX = 4096
"""Creating commands that are remembered: until the container's run is over, an hour if need be."""
COMMANDS_MAX = 256
"""Other commands of runtimes that are remembered: they matter while they run."""
BIRTHS_MAX = 1024
SUPERVISORS_MAX = 4096
ENGINES_MAX = 64
LAUNCHERS_MAX = 256


@dataclass(frozen=True, slots=True)
class RuntimeRun:
    """An execve of a runtime.

    ``creation`` is set when its command makes a container, ``command`` when it is about one
    otherwise, neither when the command line is not understood.
    """

    exec: CommandExec
    origin: Origin
    creation: Creation | None = None
    command: RuntimeCommand | None = None


@dataclass(frozen=True, slots=True)
class Supervising:
    """A process that was executed as a shim or monitor, and the container that it names."""

    process: ProcessKey
    container: str | None


@dataclass(frozen=True, slots=True)
class EngineBoot:
    """An engine that began."""

    time: int
    origin: Origin


class RuntimeLog:
    """The processes below which containers come to be."""

    def __init__(self, role_of: RoleOf) -> None:
        self._role_of = role_of
        self._creating: SharedTable[int, RuntimeRun] = SharedTable(CREATIONS_MAX)
        self._others: SharedTable[int, RuntimeRun] = SharedTable(COMMANDS_MAX)
        self._births: SharedTable[str, tuple[CgroupBirth, Creation | None]] = SharedTable(
            BIRTHS_MAX
        )
        self._supervisors: SharedTable[tuple[str, str | None], CommandExec] = SharedTable(
            SUPERVISORS_MAX
        )
        """By the container, and whose the process is: any user's may name any container."""
        self._supervising: SharedTable[int, Supervising] = SharedTable(SUPERVISORS_MAX)
        self._engines: SharedTable[tuple[str, tuple[ContainerId, ...], str | None], EngineBoot] = (
            SharedTable(ENGINES_MAX)
        )
        """By the program, the containers around it, and whose it is."""
        self._launchers: SharedTable[int, CommandExec] = SharedTable(LAUNCHERS_MAX)

    # ----------------------------------------------------------------- runtimes

    def add_runtime(self, exec_: CommandExec, origin: Origin) -> RuntimeRun | None:
        """Record a runtime's execve.

        None when it repeats what is known: another probe set reported it too, or the runtime
        executed itself anew (crun does, from a sealed copy).
        """
        key = exec_.process.key
        command = runtime_command.parse(exec_.argv)
        known = self.run_of(key)
        if known is not None and _same_command(known, command):
            return None
        if command is None and known is not None:
            # "runc init" of the same process: the command that led to it stands.
            return None
        creation = None
        if command is not None and command.creates:
            creation = Creation(
                exec_.time,
                exec_.sequence,
                command,
                exec_.program,
                exec_.process,
                exec_.argv,
                exec_.cwd,
                origin=origin,
            )
            command = None
        run = RuntimeRun(exec_, origin, creation, command)
        table, other = self._creating, self._others
        if creation is None:
            table, other = other, table
        other.pop(key.pid)
        table.put(key.pid, run, origin.share)
        return run

    def run_of(self, process: ProcessKey | None) -> RuntimeRun | None:
        """Return what ``process`` executed as a runtime."""
        if process is None:
            return None
        run = self._run_at(process.pid)
        return run if run is not None and run.exec.process.key.same(process) else None

    def _run_at(self, pid: int) -> RuntimeRun | None:
        return self._creating.get(pid) or self._others.get(pid)

    def creation_of(self, process: ProcessKey | None) -> Creation | None:
        """Return the creating command that ``process`` runs or ran."""
        run = self.run_of(process)
        return run.creation if run is not None else None

    def creation_above(
        self, root: ProcessKey | None, ancestors: tuple[Ancestor, ...]
    ) -> Creation | None:
        """Return the nearest creating command above an init; ``root`` founded its lineage."""
        for run in self._above(root, ancestors):
            if run.creation is not None:
                return run.creation
        return None

    def run_above(
        self, root: ProcessKey | None, ancestors: tuple[Ancestor, ...]
    ) -> RuntimeRun | None:
        """Return the nearest runtime above an init, whatever its command line."""
        return next(self._above(root, ancestors), None)

    def _above(
        self, root: ProcessKey | None, ancestors: tuple[Ancestor, ...]
    ) -> Iterator[RuntimeRun]:
        for one in ancestors:
            run = self._run_at(one.pid)
            if run is not None and run.exec.process.key.start_time == one.start_time:
                yield run
        run = self.run_of(root)
        if run is not None:
            yield run

    def take_command(self, process: ProcessKey) -> RuntimeRun | None:
        """Take out the command of another verb that ``process`` ran."""
        run = self.run_of(process)
        if run is None or run.command is None:
            return None
        self._others.pop(process.pid)
        return run

    # ----------------------------------------------------------------- cgroups

    def add_birth(self, birth: CgroupBirth, origin: Origin) -> Creation | None:
        """Record a cgroup; returns the creation when its maker's command reads like a runtime's."""
        creation = self._creation_by(birth, origin)
        self._births.put(birth.path, (birth, creation), origin.share)
        return creation

    def _creation_by(self, birth: CgroupBirth, origin: Origin) -> Creation | None:
        known = self.creation_of(birth.maker.key)
        if known is not None:
            return known
        program = birth.maker.exe or birth.maker.comm
        role = self._role_of(program) or self._role_of(birth.maker.comm)
        if role not in (None, Role.RUNTIME):
            # An engine, a monitor or a client makes cgroups around containers, and runs none.
            return None
        command = runtime_command.parse(birth.argv)
        if command is None or not command.creates:
            return None
        named = command.id in birth.path
        return Creation(
            birth.time,
            birth.sequence,
            command,
            program,
            birth.maker,
            birth.argv,
            None,
            origin=origin,
            by_cgroup=True,
            named=named,
        )

    def birth_of(self, *paths: str | None) -> Creation | None:
        """Return the command that made the first of these cgroups."""
        for path in paths:
            found = self._births.get(path) if path is not None else None
            if found is not None and found[1] is not None:
                return found[1]
        return None

    def maker_of(self, *paths: str | None) -> CgroupBirth | None:
        """Return how the first of these cgroups came to be."""
        for path in paths:
            found = self._births.get(path) if path is not None else None
            if found is not None:
                return found[0]
        return None

    # ----------------------------------------------------------------- supervisors, engines

    def add_supervisor(self, exec_: CommandExec, origin: Origin) -> str | None:
        """Record a shim or monitor; returns the container that its command line names."""
        id_, key = supervision.container_of(exec_), exec_.process.key
        self._supervising.put(key.pid, Supervising(key, id_), origin.share)
        if id_ is not None and (id_, origin.domain) not in self._supervisors:
            self._supervisors.put((id_, origin.domain), exec_, origin.share)
        return id_

    def supervisor_of(self, id_: str, owner: Origin | None) -> CommandExec | None:
        """Return the exec of the shim or monitor of an owner's container: the owner's, or root's.

        A command line of any other user may name the same container.
        """
        for whose in _masters(owner):
            found = self._supervisors.get((id_, whose))
            if found is not None:
                return found
        return None

    def forget_run(
        self,
        id_: str,
        owner: Origin | None,
        creation: Creation | None,
        cgroup: CgroupPaths | None = None,
    ) -> None:
        """Forget what led to a run of an owner's container that is over."""
        for whose in _masters(owner):
            self._supervisors.pop((id_, whose))
        if creation is not None and self.creation_of(creation.process.key) is creation:
            self._creating.pop(creation.process.key.pid)
        for path in (cgroup.v1, cgroup.v2) if cgroup is not None else ():
            if path is not None:
                self._births.pop(path)

    def supervises_nothing(self, ancestor: Ancestor) -> bool:
        """Whether it was seen to begin as a shim or monitor, and its command names no container."""
        known = self._supervising.get(ancestor.pid)
        if known is None or known.process.start_time != ancestor.start_time:
            return False
        return known.container is None

    def may_be_engine_at(self, pid: int, start_time: int) -> bool:
        """Whether a process with an engine's name may be part of one.

        Of one whose execve was seen, what it was executed as has to agree: engines take no
        arguments but options, shims and monitors name a container.
        """
        process = ProcessKey(pid, start_time)
        launched = self._launchers.get(process.pid)
        if launched is not None and launched.process.key.same(process):
            return supervision.is_daemon(launched.argv)
        supervising = self._supervising.get(process.pid)
        if supervising is not None and supervising.process.same(process):
            return supervising.container is not None
        run = self.run_of(process)
        return run is None or run.creation is not None or run.command is not None

    def add_engine(
        self, exec_: CommandExec, origin: Origin, inside: tuple[ContainerId, ...]
    ) -> None:
        """Record that an engine began, ``inside`` the containers given."""
        self._launchers.put(exec_.process.key.pid, exec_, origin.share)
        boot = EngineBoot(exec_.time, origin)
        self._engines.put((exec_.program, inside, origin.domain), boot, origin.share)

    def engine_boots(
        self, program: str, inside: tuple[ContainerId, ...], owner: Origin | None
    ) -> list[EngineBoot]:
        """Return when engines of that name, in these containers, last began: an owner's or root's.

        Any other user's process may have that name.
        """
        found = (self._engines.get((program, inside, whose)) for whose in _masters(owner))
        return [boot for boot in found if boot is not None]

    def launch_of(self, process: ProcessKey | None) -> CommandExec | None:
        """Return what ``process`` executed as an engine, or as a program that starts containers."""
        if process is None:
            return None
        launch = self._launchers.get(process.pid)
        return launch if launch is not None and launch.process.key.same(process) else None

    def launches(self) -> list[CommandExec]:
        """Execs of engines, the programs that start containers themselves among them."""
        return self._launchers.values()


def _masters(owner: Origin | None) -> tuple[str | None, ...]:
    """Return whose engines and supervisors an owner's container may have, by their domains."""
    if owner is None or owner.domain is None:
        return (None,)
    return (owner.domain, f"uid {owner.uid}", None)


def _same_command(run: RuntimeRun, command: RuntimeCommand | None) -> bool:
    known = run.creation.command if run.creation is not None else run.command
    return known is not None and known == command
