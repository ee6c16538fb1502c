"""Read the command line of a container client: what it asks for, and about which container.

Docker, Podman and nerdctl share their grammar (docs.docker.com/reference/cli, podman(1)); ``ctr``
and ``crictl`` have their own. Each level has a table of its options. A long option that the table
lacks takes a value behind ``run`` and ``create``, whose switches are few and listed; everywhere
else it is a switch.
"""

from __future__ import annotations

from enum import StrEnum, unique

from sensor.correlate.command_line import Options, Words, options
from sensor.dataclass import dataclass
from sensor.frozen import quick

TARGETS_MAX = 256
"""Containers that one command may name."""


@unique
class ClientRequest(StrEnum):
    """What a client command wants."""

    RUN = "run"
    CREATE = "create"
    START = "start"
    RESTART = "restart"
    UP = "up"
    STOP = "stop"
    OTHER = "other"
    """A verb that may start containers without naming one: build, stack, service, plugin, kube."""


@unique
class Helper(StrEnum):
    """What a client's binary does as a part of an engine, or between a client and an engine."""

    SERVICE = "service"
    """``podman system service`` serves the API."""
    CLEANUP = "cleanup"
    """``podman container cleanup``: conmon runs it when the init ends; it applies the policy."""
    RELAY = "relay"
    """``docker system dial-stdio`` carries a client's connection to the socket."""
    PLUGIN = "plugin"
    """The CLI asks a plugin for its metadata."""


@quick
@dataclass(frozen=True, slots=True)
class ClientCommand:
    """A client's request.

    ``targets`` are names, ids or prefixes of ids, as typed; of compose, services.
    """

    request: ClientRequest
    targets: tuple[str, ...] = ()
    name: str | None = None
    """The name that the command gives: of the container, or of a swarm service."""
    image: str | None = None
    compose: bool = False
    """It is about a compose project; ``project`` is its name where an option gives it."""
    project: str | None = None
    file: str | None = None
    """The file of the project, as typed, where an option gives it."""
    directory: str | None = None
    """The same of the project's directory."""


_GLOBAL = {
    "docker": options(
        "H host c context config l log-level tlscacert tlscert tlskey",
        "debug tls tlsverify version help",
        unknown=True,
    ),
    "podman": options(
        "c connection config log-level root runroot url namespace",
        "remote syslog trace noout transient-store version help debug",
        unknown=True,
    ),
    "nerdctl": options(
        "H host a address n namespace",
        "debug debug-full insecure-registry experimental version help",
        unknown=True,
    ),
    "ctr": options("a address n namespace timeout connect-timeout snapshotter", go=True),
    "crictl": options("r runtime-endpoint i image-endpoint t timeout c config tracing-endpoint"),
}
"""Options in front of the verb. Engines add some with a value in each release."""
_FAMILY = {
    "podman-remote": "podman",
    "buildah": "podman",
    "k3s-ctr": "ctr",
    "k3s-crictl": "crictl",
    "podman-compose": "docker",
    "docker-compose": "docker",
}
_COMPOSE_GLOBAL = options(
    "f file p project-name H host c context",
    "verbose tls tlsverify compatibility no-ansi skip-hostname-check all-resources dry-run debug"
    " version help in-pod no-pod no-cleanup",
    unknown=True,
)
_COMPOSE_UP_OPTIONS = "t timeout scale pull exit-code-from attach no-attach wait-timeout"
_COMPOSE_VERB = options(_COMPOSE_UP_OPTIONS)
_COMPOSE_RUN = options(
    f"{_COMPOSE_UP_OPTIONS} e env l label name p publish u user v volume w workdir entrypoint"
    " cap-add cap-drop env-from-file"
)
"""Of ``run``: ``up -w`` is a switch."""
_RUN = options(
    "a c e h l m p u v w",
    "detach interactive tty rm init privileged publish-all read-only no-healthcheck quiet"
    " oom-kill-disable sig-proxy disable-content-trust replace no-hosts rmi http-proxy"
    " read-only-tmpfs tls-verify env-host rootfs passwd no-hostname use-api-socket unsetenv-all"
    " help terminal",
    unknown=True,
)
_BUILDAH_RUN = options(
    "e h v cap-add cap-drop cni-config-dir cni-plugin-path contextdir device env hostname ipc"
    " isolation mount network pid runtime runtime-flag security-opt user uts volume workingdir"
    " workdir cgroupns userns"
)
_START = options("t s f time timeout signal filter detach-keys checkpoint checkpoint-dir cidfile")
_SERVICE = options(
    "c e l p u w t",
    "detach no-resolve-image quiet with-registry-auth init read-only tty no-healthcheck force"
    " rollback image-x help",
    unknown=True,
)
_CTR_RUN = options(
    "annotation annotations apparmor-profile apparmor-default-profile blockio-class"
    " blockio-config-file cap-add cap-drop cgroup config cpu-period cpu-quota cpu-shares cpus"
    " cpuset-cpus cpuset-mems cwd detach-keys device env env-file fifo-dir gidmap gpus hostname"
    " label log-uri memory-limit mount oom-score-adj-x pid-file platform rdt-class"
    " rootfs-propagation runc-binary runc-root runtime runtime-config-path seccomp-profile"
    " shm-size-x snapshotter snapshotter-label uidmap user with-ns",
    go=True,
)


# --------------------------------------------------------------------------- verbs

_NONE = options("")
_GROUP = options("builder")
"""Options of a group, in front of its verb: ``docker buildx --builder mine build``."""
_CTR_NONE = options("", go=True)
_CTR_START = options("log-uri fifo-dir pid-file", go=True)
_PODMANS = {("system", "service"): Helper.SERVICE, ("container", "cleanup"): Helper.CLEANUP}
_COMPOSE = frozenset({"docker-compose", "podman-compose"})
_GROUPS = frozenset({"container", "containers", "c", "task", "tasks", "t"})
_HARMLESS = options(
    "attach checkpoint commit config context cp diff events exec export farm"
    " generate ls list prune exists help history images import info init inspect load login"
    " logout logs"
    " machine manifest mount network pause port ps pull push rename rm rmi save search secret stats"
    " tag top trust umount unmount unpause unshare untag update version volume wait artifact"
).values
"""Verbs of Docker-like clients after which no container runs that did not before."""
_GROUP_VERBS = {
    "service": frozenset({"create", "update", "scale", "rollback"}),
    "stack": frozenset({"deploy", "up"}),
    "plugin": frozenset({"enable", "install", "upgrade"}),
    "swarm": frozenset({"init", "join", "update", "unlock"}),
    "node": frozenset({"update", "promote", "demote"}),
    "image": frozenset({"build"}),
    "builder": frozenset({"build"}),
    "buildx": frozenset({"build", "bake", "create", "b", "f"}),
    "pod": frozenset({"create", "start", "restart", "unpause", "clone"}),
    "kube": frozenset({"play", "apply"}),
    "play": frozenset({"kube"}),
    "quadlet": frozenset({"install"}),
    "system": frozenset(),
}
"""Groups of verbs, and those of them that may start containers."""
_COMPOSE_UP = frozenset({"up", "start", "restart", "run", "create", "scale", "watch"})
_COMPOSE_OTHER = frozenset({"build", "alpha", "bridge", "publish"})
_STARTING_VERBS = frozenset({"start", "restart", "stop", "kill"})


def _begin(program: str, argv: tuple[str, ...]) -> tuple[Words, str]:
    """Pass over the global options; returns the cursor at the verb, and the client's family."""
    family = _FAMILY.get(program, program)
    table = _COMPOSE_GLOBAL if program in _COMPOSE else _GLOBAL.get(family, _GLOBAL["docker"])
    words = Words(argv, 1)
    words.options(table)
    # "python3 /usr/bin/docker-compose up": the kernel's argv of a script has the script second.
    following = words.peek()
    if program in _COMPOSE and following is not None and following.endswith(program):
        words.at += 1
        words.options(table)
    return words, family


def helper(program: str, argv: tuple[str, ...]) -> Helper | None:
    """Return what part of an engine, or of a connection, the client's binary plays, if any."""
    words, family = _begin(program, argv)
    verb = words.word() or ""
    if verb == "docker-cli-plugin-metadata":
        return Helper.PLUGIN
    words.options(_NONE)
    following = words.peek()
    if verb == "system" and following == "dial-stdio":
        return Helper.RELAY
    return _PODMANS.get((verb, following or "")) if family == "podman" else None


def renaming(program: str, argv: tuple[str, ...]) -> tuple[str, str] | None:
    """Return what a client renames, and to which name: ``podman rename OLD NEW``."""
    words, _ = _begin(program, argv)
    verb = words.word()
    if verb in _GROUPS:
        words.options(_NONE)
        verb = words.word()
    if verb != "rename":
        return None
    match _rest(words, _NONE):
        case [old, new]:
            return old, new
    return None


def parse(program: str, argv: tuple[str, ...]) -> ClientCommand | None:
    """Read ``argv`` of a watched client called ``program``; None when it starts nothing."""
    words, family = _begin(program, argv)
    verb = words.word()
    if verb is None:
        return None
    if program in _COMPOSE or verb == "compose":
        return _compose(words, verb if program in _COMPOSE else None)
    grammar = _GRAMMARS.get(program) or _GRAMMARS.get(family)
    if grammar is not None:
        return grammar(words, verb)
    if verb in _GROUPS:
        words.options(_NONE)
        verb = words.word()
    return _dockerish(words, verb) if verb is not None else None


def _dockerish(words: Words, verb: str) -> ClientCommand | None:
    """Docker, Podman and nerdctl."""
    if verb in ("run", "create"):
        return _run(words, ClientRequest(verb))
    if verb in _STARTING_VERBS:
        return _targets(words, ClientRequest.STOP if verb == "kill" else ClientRequest(verb))
    if verb == "cleanup":
        return None
    if verb in _GROUP_VERBS:
        words.options(_GROUP)
        following = words.word()
        if following is None or following not in _GROUP_VERBS[verb]:
            return None
        name = words.options(_SERVICE).get("name") if (verb, following) == _SERVICE_CREATE else None
        rest = () if name else _rest(words, _SERVICE)
        # "docker service scale web=3" gives the number with the name.
        targets = tuple(word.partition("=")[0] for word in rest)[:TARGETS_MAX]
        return ClientCommand(ClientRequest.OTHER, targets=targets, name=name or None)
    return None if verb in _HARMLESS else ClientCommand(ClientRequest.OTHER)


_SERVICE_CREATE = ("service", "create")


def _rest(words: Words, table: Options) -> list[str]:
    """The words that are not options; options between them are skipped."""
    found: list[str] = []
    while len(found) < TARGETS_MAX:
        words.options(table)
        word = words.word()
        if word is None:
            break
        found.append(word)
    return found


def _run(words: Words, request: ClientRequest) -> ClientCommand:
    """``run`` and ``create``: options, then the image."""
    given = words.options(_RUN)
    # With --rootfs a directory stands where the image would.
    image = words.peek() if given.get("rootfs") in (None, "false") else None
    # dockerd takes "/web" for "web".
    name = given.get("name", "").removeprefix("/") or None
    return ClientCommand(request, name=name, image=image)


def _buildah(words: Words, verb: str) -> ClientCommand | None:
    if verb == "run":
        words.options(_BUILDAH_RUN)
        target = words.peek()
        return ClientCommand(ClientRequest.RUN, targets=(target,) if target else ())
    builds = verb in ("build", "bud", "build-using-dockerfile")
    return ClientCommand(ClientRequest.OTHER) if builds else None


def _targets(words: Words, request: ClientRequest, table: Options = _START) -> ClientCommand:
    """``start`` and ``restart``: options and names, mixed."""
    return ClientCommand(request, targets=tuple(_rest(words, table)))


def _ctr(words: Words, verb: str) -> ClientCommand | None:
    """``ctr run [options] REF ID`` and ``ctr tasks start ID`` (containerd, cmd/ctr)."""
    if verb == "run":
        given = words.options(_CTR_RUN)
        match words.words[words.at :]:
            case [name, *_] if "config" in given:  # with --config the image is left out
                return ClientCommand(ClientRequest.RUN, targets=(name,))
            case [image, name, *_] if "config" not in given:
                source = image if "rootfs" not in given else None
                return ClientCommand(ClientRequest.RUN, targets=(name,), image=source)
        return None
    if verb in _GROUPS:
        words.options(_CTR_NONE)
        verb = words.word() or ""
    if verb == "start":
        return _targets(words, ClientRequest.START, _CTR_START)
    return ClientCommand(ClientRequest.OTHER) if verb == "restore" else None


def _crictl(words: Words, verb: str) -> ClientCommand | None:
    if verb == "start":
        return _targets(words, ClientRequest.START)
    return ClientCommand(ClientRequest.OTHER) if verb in ("run", "runp") else None


def _compose(words: Words, verb: str | None) -> ClientCommand | None:
    """``compose [-p PROJECT] up``: services by name, of a project (docs.docker.com/compose)."""
    if verb is None:
        given = words.options(_COMPOSE_GLOBAL)
        verb = words.word()
    else:
        given = Words(words.words[: words.at - 1], 1).options(_COMPOSE_GLOBAL)
    if verb == "compose":
        # A plugin is given its own name first: "docker-compose compose up".
        given = words.options(_COMPOSE_GLOBAL)
        verb = words.word()
    project = given.get("p") or given.get("project-name") or None
    file = given.get("f") or given.get("file") or None
    directory = given.get("project-directory") or None
    if verb in _COMPOSE_OTHER:
        return ClientCommand(ClientRequest.OTHER, compose=True, project=project)
    if verb not in _COMPOSE_UP:
        return None
    request = ClientRequest.RESTART if verb == "restart" else ClientRequest.UP
    services = tuple(_rest(words, _COMPOSE_RUN if verb == "run" else _COMPOSE_VERB))
    if verb == "run":
        # One service, and the command that it is to run.
        services = services[:1]
    elif verb == "scale":
        services = tuple(service.partition("=")[0] for service in services)
    return ClientCommand(
        request, services, compose=True, project=project, file=file, directory=directory
    )


_GRAMMARS = {"buildah": _buildah, "ctr": _ctr, "crictl": _crictl}
"""Clients with verbs of their own."""
