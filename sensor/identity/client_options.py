"""Where the options of a container client end and the command inside the container begins.

What stands before the image is the client's own: ``docker run --name mysql -p 3306:3306 mysql:8``
has a port after ``-p`` and no password. Options from docker(1), podman(1), nerdctl and compose.
"""

from __future__ import annotations

import re

CLIENTS = frozenset({"docker", "podman", "nerdctl", "docker-compose", "podman-compose", "finch"})

RUN_VERBS = frozenset({"run", "create", "exec"})
"""Verbs whose first word beside the options is an image, a container or a service."""

LOOSE_VERBS = frozenset({"ssh", "unshare", "debug"})
"""Verbs behind which another command may begin at once."""

GROUPS = frozenset({"compose", "container", "service", "stack"})
"""Words in front of a verb; ``docker secret create`` and the like start nothing."""

REFERENCES = frozenset({"--secret", "--secret-add", "--secret-rm"})
"""Options that name a secret of the engine and do not hold it."""

_FLAGS = re.compile(
    r"(?:all|build|debug|detach|disable-content-trust|env-host|help|http-proxy|init|interactive"
    r"|latest|no-deps|no-healthcheck|no-hostname|no-hosts|no-resolve-image|no-tty|oom-kill-disable"
    r"|passwd|privileged|publish-all|quiet(?:-build|-pull)?|read-only(?:-tmpfs)?|remove-orphans"
    r"|replace|rm|rmi|rootfs|service-ports|sig-proxy|tls|tls-?verify|tty|unsetenv-all|use-aliases"
    r"|verbose|version|with-registry-auth)"
)
"""Long options without a value."""

_VALUES = re.compile(
    r"(?:add-host|annotation|ansi|arch|attach|authfile|cap-(?:add|drop)|cert-dir|cgroup[\w-]*"
    r"|chrootdirs|cidfile|config(?:-add|-rm)?|connection|conmon-pidfile|constraint[\w-]*"
    r"|container-label[\w-]*|context|cpus?|cpu-[\w-]+|cpuset-[\w-]+|detach-keys|device[\w-]*"
    r"|dns[\w-]*|domainname|endpoint-mode|entrypoint|env-file|expose|file|generic-resource"
    r"|gidmap|gpus|group[\w-]*|health-[\w-]+|hooks-dir|host|host-add|hostname|hostuser|image-volume"
    r"|index|init-(?:path|ctr)|io[\w-]*|ip6?|ipc|isolation|kernel-memory|label[\w-]*|limit-[\w-]+"
    r"|link[\w-]*|log-[\w-]+|mac-address|max-concurrent|memory[\w-]*|mode|mount|name|namespace|net"
    r"|net-alias|network[\w-]*|oom-score-adj|os|parallel|passwd-entry|personality|pid|pid[\w-]*"
    r"|placement-pref|platform|pod|pod-id-file|preserve-fds?|profile|project-(?:name|directory)"
    r"|publish|pull|rdt-class|replicas[\w-]*|requires|reserve-[\w-]+|restart[\w-]*|retry[\w-]*"
    r"|rollback-[\w-]+|root|runroot|runtime|sdnotify|seccomp-policy|secret|security-opt"
    r"|shm-size[\w-]*|snapshotter|stop-(?:signal|timeout|grace-period)|storage-[\w-]+|subgidname"
    r"|subuidname|sysctl|systemd|timeout|tlscacert|tlscert|tlskey|tmpfs|tz|uidmap|ulimit|umask"
    r"|unsetenv|update-[\w-]+|url|user|userns|uts|variant|volumes?[\w-]*|workdir)"
)
"""Long options with a value that is not a secret by itself."""

RUN_FLAGS = frozenset("ditPqT")
"""Short options of ``run``, ``create`` and ``exec`` without a value."""

GLOBAL_VALUES = frozenset({"-H", "-c", "-l", "-f", "-p", "-n"})
"""Short options with a value in front of the verb."""


def takes_value(option: str) -> bool | None:
    """Return whether a long option, without its dashes, has a value; None for an unknown one."""
    if _FLAGS.fullmatch(option) is not None:
        return False
    return True if _VALUES.fullmatch(option) is not None else None


def short_value(word: str) -> tuple[str, str] | None:
    """Split ``-itp80:80`` into the option with a value, ``-itp``, and its value, ``80:80``.

    None where all are flags. An empty value is the next word.
    """
    for place, letter in enumerate(word[1:], 1):
        if letter not in RUN_FLAGS:
            return word[: place + 1], word[place + 1 :]
    return None


def program_of(image: str) -> str:
    """Return what an image is called without registry, tag and digest: the program it likely runs.

    >>> program_of("registry:5000/team/mysql:8")
    'mysql'
    """
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]
