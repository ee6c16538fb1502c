"""Read the command line of an OCI runtime: which verb, on which container, from which bundle.

runc, crun, youki, runsc, kata-runtime and the wrappers around them share the command line that the
OCI Runtime Command Line Interface describes (opencontainers/runtime-tools,
docs/command-line-interface.md) and runc's man pages complete:

    runtime [global options] VERB [options] CONTAINER-ID [arguments]

Options may be written ``--name value``, ``--name=value`` or, for some, ``-n value``; an option
that is not known here is taken for a switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from sensor.model.vocabulary import ContainerId

ID_MAX = 1024
"""Characters of an id that are accepted; runc allows what a file name can hold (255)."""


@unique
class Verb(StrEnum):
    """The runtime verbs that matter to a container's life."""

    CREATE = "create"
    RUN = "run"
    START = "start"
    RESTORE = "restore"
    EXEC = "exec"
    KILL = "kill"
    DELETE = "delete"
    PAUSE = "pause"
    RESUME = "resume"
    CHECKPOINT = "checkpoint"


_CREATING = frozenset({Verb.CREATE, Verb.RUN, Verb.RESTORE})

_WITH_VALUE = frozenset(
    {
        # global: runc(8), crun(1), runsc, youki
        "-r",
        "-l",
        "--log",
        "--log-format",
        "--root",
        "--criu",
        "--rootless",
        "--cgroup-manager",
        "--log-level",
        "--debug-log",
        "--debug-log-format",
        "--platform",
        "--network",
        "--config",
        # create, run, restore
        "-b",
        "--bundle",
        "--console-socket",
        "--pid-file",
        "--preserve-fds",
        "-f",
        "--image-path",
        "--work-path",
        "--parent-path",
        "--manage-cgroups-mode",
        "--lsm-profile",
        "--lsm-mount-context",
        "--empty-ns",
        "--status-fd",
        "--page-server",
    }
)
_SWITCHES = frozenset({"-f"})
"""Options with a value for some verbs only: ``delete -f`` is a switch, crun's ``run -f`` is not."""


@dataclass(frozen=True, slots=True)
class RuntimeCommand:
    """What an OCI runtime was told to do; ``bundle`` and ``root`` as written, maybe relative."""

    verb: Verb
    id: ContainerId
    bundle: str | None
    root: str | None
    detached: bool

    @property
    def creates(self) -> bool:
        """Whether the verb makes a container's init."""
        return self.verb in _CREATING

    @property
    def bundle_path(self) -> str:
        """The bundle: the current directory when no option names one (runc-create(8))."""
        return self.bundle or "."


def _take_options(
    words: tuple[str, ...], position: int, options: dict[str, str], *, deleting: bool
) -> int:
    """Collect options from ``position`` on; returns where the first other word stands."""
    while position < len(words):
        word = words[position]
        if not word.startswith("-") or word == "-":
            break
        position += 1
        if word == "--":
            break
        name, separator, value = word.partition("=")
        stem = name.lstrip("-")
        # Single-dash long options are what Go's flag package accepts too.
        name = f"--{stem}" if len(stem) > 1 else name
        if not separator and name in _WITH_VALUE and not (deleting and name in _SWITCHES):
            value = words[position] if position < len(words) else ""
            position += 1
        options[name] = value
    return position


def parse(argv: tuple[str, ...]) -> RuntimeCommand | None:
    """Read ``argv``, the program's name in front; None when it is no command on a container."""
    options: dict[str, str] = {}
    position = _take_options(argv, 1, options, deleting=False)
    if position >= len(argv):
        return None
    try:
        verb = Verb(argv[position])
    except ValueError:
        return None
    position = _take_options(argv, position + 1, options, deleting=verb in (Verb.DELETE, Verb.KILL))
    if position >= len(argv):
        return None
    name = argv[position]
    if not name or len(name) > ID_MAX or "/" in name or "\0" in name or name in (".", ".."):
        return None
    return RuntimeCommand(
        verb=verb,
        id=ContainerId(name),
        bundle=options.get("--bundle") or options.get("-b") or None,
        root=options.get("--root") or options.get("-r") or None,
        detached="--detach" in options or "-d" in options,
    )
