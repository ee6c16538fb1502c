"""Read the command line of a container client: what it asks for, and about which container.

Docker, Podman and nerdctl share their grammar (docs.docker.com/reference/cli, podman(1)); ``ctr``
and ``crictl`` have their own. Only verbs that start containers are of interest. Options that take
a value are listed where one could hide a name; an unknown long option without ``=`` is taken for a
switch at the global level and for one with a value behind ``run`` and ``create``, whose switches
are few and listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

TARGETS_MAX = 256
"""Containers that one command may name."""


@unique
class Request(StrEnum):
    """What a client command wants."""

    RUN = "run"
    CREATE = "create"
    START = "start"
    RESTART = "restart"
    UP = "up"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ClientCommand:
    """A client's request.

    ``targets`` are names, ids or prefixes of ids, as typed; of compose, services.
    """

    request: Request
    targets: tuple[str, ...] = ()
    name: str | None = None
    image: str | None = None
    compose: bool = False
    """It is about a compose project; ``project`` is its name where an option gives it."""
    project: str | None = None


_GLOBAL_VALUES = frozenset(
    # the options of docker(1)
    {"-H", "--host", "-c", "--context", "--config", "-l", "--log-level"}
    | {"--tlscacert", "--tlscert", "--tlskey"}
    # those of podman(1)
    | {"--root", "--runroot", "--storage-driver", "--storage-opt", "--runtime", "--url", "--log"}
    | {"--connection", "--identity", "--cgroup-manager", "--conmon", "--events-backend", "--tmpdir"}
    | {"--hooks-dir", "--imagestore", "--module", "--namespace", "--network-config-dir", "--out"}
    | {"--registries-conf", "--runtime-flag", "--volumepath", "--default-mounts-file"}
    # nerdctl, ctr, crictl
    | {"-a", "--address", "-n", "--timeout", "--connect-timeout", "--snapshotter", "--cni-path"}
    | {"--cni-netconfpath", "--data-root", "--hosts-dir", "-r", "--runtime-endpoint", "-i"}
    | {"--image-endpoint", "-t"}
    # docker compose
    | {"-f", "--file", "-p", "--project-name", "--profile", "--env-file", "--project-directory"}
    | {"--ansi", "--progress", "--parallel"}
)
_START_VALUES = frozenset(
    {"--detach-keys", "--checkpoint", "--checkpoint-dir", "-t", "--time", "-s", "--signal"}
    | {"--filter", "--timeout"}
)
_COMPOSE_VALUES = frozenset(
    {"-t", "--timeout", "--scale", "--pull", "--exit-code-from", "--attach", "--no-attach"}
    | {"--wait-timeout"}
)
_RUN_SWITCHES = frozenset(
    {"-d", "--detach", "-i", "--interactive", "-t", "--tty", "--rm", "--init", "--privileged"}
    | {"-P", "--publish-all", "--read-only", "--no-healthcheck", "--oom-kill-disable", "-q"}
    | {"--quiet", "--sig-proxy", "--disable-content-trust", "--replace", "--no-hosts", "--rmi"}
    | {"--http-proxy", "--read-only-tmpfs", "--systemd", "--tls-verify", "--env-host", "--rootfs"}
    | {"--passwd", "--no-hostname"}
)
_CTR_RUN_VALUES = frozenset(
    {"--config", "--cwd", "--env", "--env-file", "--label", "--mount", "--pid-file", "--runtime"}
    | {
        "--runtime-config-path",
        "--runc-binary",
        "--runc-root",
        "--seccomp-profile",
        "--snapshotter",
    }
    | {"--snapshotter-label", "--user", "--with-ns", "--memory-limit", "--device", "--cap-add"}
    | {"--cap-drop", "--cgroup", "--platform", "--cpus", "--cpu-shares", "--cpuset-cpus", "--gpus"}
    | {
        "--fifo-dir",
        "--log-uri",
        "--annotation",
        "--apparmor-profile",
        "--blockio-class",
        "--rdt-class",
    }
    | {"--hostname", "--detach-keys", "--cpuset-mems", "--rootfs-propagation"}
)
_GROUPS = frozenset({"container", "containers", "c", "task", "tasks", "t", "pod"})
_COMPOSE = frozenset({"docker-compose", "podman-compose"})


def _skip(words: tuple[str, ...], position: int, with_value: frozenset[str]) -> int:
    """Pass over options of which only ``with_value`` take a word; returns the next other word."""
    while position < len(words) and words[position].startswith("-") and words[position] != "-":
        word = words[position]
        position += 2 if word in with_value else 1
        if word == "--":
            break
    return position


def _run(words: tuple[str, ...], position: int, request: Request) -> ClientCommand:
    """``run`` and ``create``: options, then the image."""
    name = None
    while position < len(words) and words[position].startswith("-") and words[position] != "-":
        option, separator, value = words[position].partition("=")
        position += 1
        if option == "--":
            break
        bundled = not option.startswith("--") and len(option) > 2  # noqa: PLR2004 - "-it", "-eK=V"
        if not separator and option not in _RUN_SWITCHES and not bundled:
            value = words[position] if position < len(words) else ""
            position += 1
        if option == "--name":
            name = value or None
    image = words[position] if position < len(words) else None
    return ClientCommand(request, name=name, image=image)


def _targets(
    words: tuple[str, ...],
    position: int,
    request: Request,
    with_value: frozenset[str] = _START_VALUES,
) -> ClientCommand:
    """``start`` and ``restart``: options and names, mixed."""
    targets: list[str] = []
    while position < len(words) and len(targets) < TARGETS_MAX:
        position = _skip(words, position, with_value)
        if position < len(words):
            targets.append(words[position])
            position += 1
    return ClientCommand(request, targets=tuple(targets))


def _ctr(words: tuple[str, ...], position: int) -> ClientCommand | None:
    """``ctr run [options] REF ID`` and ``ctr tasks start ID`` (containerd, cmd/ctr)."""
    verb = words[position]
    if verb == "run":
        position = _skip(words, position + 1, _CTR_RUN_VALUES)
        rest = words[position : position + 2]
        if len(rest) < 2:  # noqa: PLR2004 - image and id
            return None
        return ClientCommand(Request.RUN, targets=(rest[1],), image=rest[0])
    if verb == "start":
        return _targets(words, position + 1, Request.START)
    return None


def _compose(words: tuple[str, ...], position: int) -> ClientCommand | None:
    """``compose [-p PROJECT] up``: services by name, of a project (docs.docker.com/compose)."""
    verb = words[position]
    if verb not in ("up", "start", "restart", "run", "create"):
        return None
    project = None
    for index, word in enumerate(words[:position]):
        option, _, value = word.partition("=")
        if option in ("-p", "--project-name"):
            project = value or words[index + 1]
    request = Request.RESTART if verb == "restart" else Request.UP
    services = _targets(words, position + 1, request, _COMPOSE_VALUES).targets
    return ClientCommand(request, targets=services, compose=True, project=project or None)


def parse(program: str, argv: tuple[str, ...]) -> ClientCommand | None:
    """Read ``argv`` of a watched client called ``program``; None when it starts nothing."""
    position = _skip(argv, 1, _GLOBAL_VALUES)
    # "python3 /usr/bin/docker-compose up": the kernel's argv of a script has the script second.
    if program in _COMPOSE and position < len(argv) and argv[position].endswith(program):
        position = _skip(argv, position + 1, _GLOBAL_VALUES)
    if position < len(argv) and argv[position] == "compose":
        program = "docker-compose"
        position = _skip(argv, position + 1, _GLOBAL_VALUES)
    elif position < len(argv) and argv[position] in _GROUPS:
        position = _skip(argv, position + 1, _GLOBAL_VALUES)
    if position >= len(argv):
        return None
    verb = argv[position]
    if program in ("ctr", "k3s-ctr"):
        return _ctr(argv, position)
    if program in _COMPOSE:
        return _compose(argv, position)
    if verb in ("run", "create") and program != "crictl":
        return _run(argv, position + 1, Request(verb))
    if verb in ("start", "restart", "stop", "kill"):
        request = Request.STOP if verb == "kill" else Request(verb)
        return _targets(argv, position + 1, request)
    return None
