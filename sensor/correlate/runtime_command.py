"""Read the command line of an OCI runtime: which verb, on which container, from which bundle.

runc, crun, youki, runsc, kata-runtime and the wrappers around them share the command line that the
OCI Runtime Command Line Interface describes (opencontainers/runtime-tools,
docs/command-line-interface.md) and runc's man pages complete:

    runtime [global options] VERB [options] CONTAINER-ID [arguments]

Options may be written ``--name value``, ``--name=value`` or, for some, ``-n value``. Go's flag
package (runc, runsc) takes one dash for two; argp (crun) takes any beginning that fits one option.
An option that is not known here is taken for a switch.
"""

from __future__ import annotations

from enum import StrEnum, unique

from sensor.dataclass import dataclass
from sensor.frozen import quick
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


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WITH_VALUE = _names(
    # global: runc(8), crun(1), runsc, youki
    "root log log-format criu rootless cgroup-manager log-level debug-log debug-log-format"
    " platform network config"
    # create, run, restore
    " bundle console-socket pid-file preserve-fds image-path work-path parent-path"
    " manage-cgroups-mode lsm-profile lsm-mount-context empty-ns status-fd page-server"
    # runc 1.2 and runsc
    " pidfd-socket user-log pass-fd exec-fd debug-log-fd log-fd panic-log panic-log-fd"
    " debug-command coverage-report file-access file-access-mounts overlay2 host-uds host-fifo"
    " num-network-channels qdisc platform_device_path watchdog-action panic-signal"
    " ref-leak-mode kata-config"
)
_SWITCHES = _names(
    "debug systemd-cgroup version help no-pivot no-new-keyring no-subreaper keep detach force all"
    " tcp-established ext-unix-sk shell-job file-locks lazy-pages auto-dedup leave-running"
    " pre-dump ignore-cgroups"
)
_LETTERS = {"b": "bundle", "r": "root", "l": "log", "d": "detach", "f": "config"}
_VALUE_LETTERS = frozenset("brlf")
"""Letters with a value. For ``delete`` and ``kill``, ``-f`` and ``-a`` are switches."""


_SPELLED = {
    f"--{name}": (name, name in _WITH_VALUE) for name in (*_WITH_VALUE, *_SWITCHES) if len(name) > 1
}
"""Long options as engines write them: the name, and whether the next word is its value."""


@quick
@dataclass(frozen=True, slots=True)
class RuntimeCommand:
    """What an OCI runtime is to do; ``bundle`` and ``root`` as written, maybe relative."""

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


def _long_name(stem: str) -> str | None:
    """Resolve a long option: itself, else the only known one that begins so (argp, crun)."""
    if stem in _WITH_VALUE or stem in _SWITCHES:
        return stem
    fitting = [known for known in (*_WITH_VALUE, *_SWITCHES) if known.startswith(stem)]
    return fitting[0] if len(fitting) == 1 else None


def _read_option(text: str, *, short: bool, deleting: bool) -> tuple[str, str | None, bool]:
    """Return an option's name, its joined value if any, and whether it takes a value.

    Go's flag package takes ``-bundle`` and ``--b``; getopt joins a letter and its value (``-b/x``).
    """
    stem, separator, value = text.partition("=")
    joined = value if separator else None
    letter = stem[:1]
    if len(stem) == 1:
        return _LETTERS.get(stem, stem), joined, stem in _VALUE_LETTERS and not deleting
    name = _long_name(stem)
    if name is not None:
        return name, joined, name in _WITH_VALUE
    if short and letter in _VALUE_LETTERS and not deleting:
        return _LETTERS[letter], text[1:], True
    return stem, joined, False


def _take_options(
    words: tuple[str, ...], position: int, options: dict[str, str], *, deleting: bool
) -> int:
    """Collect options from ``position`` on; returns where the first other word stands."""
    while position < len(words):
        word = words[position]
        if word[:1] != "-" or word == "-":
            break
        position += 1
        if word == "--":
            break
        if (known := _SPELLED.get(word)) is not None:
            name, takes = known
            value = None
        else:
            short = word[:2] != "--"
            name, value, takes = _read_option(word.lstrip("-"), short=short, deleting=deleting)
        if value is None and takes:
            value = words[position] if position < len(words) else ""
            position += 1
        options[name] = value or ""
    return position


def _behind_unknown(
    argv: tuple[str, ...], begin: int, position: int, options: dict[str, str]
) -> int:
    """Return where the id stands: these verbs take one word, and more follow the first one.

    So the first is the value of an option that is not known, right in front of it.
    """
    while begin < position < len(argv) - 1:
        before = argv[position - 1]
        if not before.startswith("-") or "=" in before or before == "--":
            break
        stem = before.lstrip("-")
        if len(stem) <= 1 or _long_name(stem) is not None:
            break
        begin = position + 1
        behind = _take_options(argv, begin, options, deleting=False)
        if behind >= len(argv):
            break
        position = behind
    return position


def parse(argv: tuple[str, ...]) -> RuntimeCommand | None:
    """Read ``argv``, the program's name in front; None when it is not a command on a container."""
    options: dict[str, str] = {}
    position = _take_options(argv, 1, options, deleting=False)
    if position >= len(argv):
        return None
    try:
        verb = Verb(argv[position])
    except ValueError:
        return None
    begin = position + 1
    position = _take_options(argv, begin, options, deleting=verb in (Verb.DELETE, Verb.KILL))
    if position >= len(argv):
        return None
    if verb in _CREATING:
        position = _behind_unknown(argv, begin, position, options)
    name = argv[position]
    if not name or len(name) > ID_MAX or "/" in name or "\0" in name or name in (".", ".."):
        return None
    return RuntimeCommand(
        verb=verb,
        id=ContainerId(name),
        bundle=options.get("bundle") or None,
        root=options.get("root") or None,
        detached="detach" in options,
    )
