"""Names that programs make up for containers, and the parts of a name that change each time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.judge.job_pod import ANY, UUID, owner_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.judge.image_reference import ImageReference

_ADJECTIVES = """
    admiring adoring affectionate agitated amazing angry awesome beautiful blissful bold
    boring brave busy charming clever compassionate competent condescending confident cool
    cranky crazy dazzling determined distracted dreamy eager ecstatic elastic elated elegant
    eloquent epic exciting fervent festive flamboyant focused friendly frosty funny gallant
    gifted goofy gracious great happy hardcore heuristic hopeful hungry infallible inspiring
    intelligent interesting jolly jovial keen kind laughing loving lucid magical modest
    musing mystifying naughty nervous nice nifty nostalgic objective optimistic peaceful
    pedantic pensive practical priceless quirky quizzical recursing relaxed reverent
    romantic sad serene sharp silly sleepy stoic strange stupefied suspicious sweet tender
    thirsty trusting unruffled upbeat vibrant vigilant vigorous wizardly wonderful
    xenodochial youthful yummy zealous zen
"""
ADJECTIVES = frozenset(_ADJECTIVES.split())
"""The first half of the names that Docker and Podman make up (moby pkg/namesgenerator)."""

_DIGITS = "0123456789"

_GENERATED = re.compile(r"([a-z]+)_[a-z]+[0-9]?")
_GITLAB = r"runner-[A-Za-z0-9_-]{6,32}?-project-[0-9]+-concurrent-[0-9]+(?:-[0-9a-f]{8,64})?"
_TASK = r"(?<=-ACTIONS-TASK-)[0-9]+"
"""A task of Gitea or Forgejo (act_runner, ``ContainerNamePrefix``)."""
_DRONE = r"(?<=\Adrone-)[0-9A-Za-z]{20}\Z"
_VERSION = r"(?<=-v)[0-9]+\.[0-9]+\.[0-9]+(?![0-9])"
_WORKING = r"(?<=-working-container)(?:-[0-9]+)?\Z"
"""A container of buildah: the image, and a number where there is one already."""
_ULID = r"(?<![0-9A-Za-z])[0-7][0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{25}(?![0-9A-Za-z])"
_DATE = (
    r"(?<![0-9])[12][0-9]{3}[-_.]?[01][0-9][-_.]?[0-3][0-9]"
    r"(?:[-_.T]?[0-2][0-9][-_.:h]?[0-5][0-9](?:[-_.:m]?[0-5][0-9])?)?(?![0-9])"
)
_CHANGING = re.compile(
    rf"{_GITLAB}|{_DRONE}|(?i:{UUID})|{_ULID}|{_DATE}|[0-9a-fA-F]{{8,}}|[0-9]{{4,}}"
    rf"|{_TASK}|{_VERSION}|{_WORKING}"
)
_GITHUB = re.compile(r"[0-9a-f]{32}_(.+)_[0-9a-f]{6}")
"""A job's services on a GitHub runner: job, image, random (actions/runner ContainerInfo)."""
_SWARM = re.compile(r"(.+)\.(?:[1-9][0-9]{0,5}|[0-9a-z]{25})\.[0-9a-z]{25}")
"""A task of Swarm: the service, the slot or the node, the task (moby/swarmkit ``naming.Task``)."""
_ECS = re.compile(r"ecs-(.+)-[0-9]{1,6}-(.+)-[0-9a-f]{16,}")
"""A container of the ECS agent: family, revision, container, random (amazon-ecs-agent)."""
_KUBELET = re.compile(r"k8s_([^_]+)_([^_]+)_([^_]+)_[0-9a-f-]{32,36}_[0-9]+")
"""A pod's container at Docker: container, pod, namespace, uid, attempt (cri-dockerd)."""
_OWN_ID_MIN = 5
"""Digits of its own id from which on a name that ends with them was made up, as nerdctl's is."""
_BUILDX = "buildx_buildkit_"
"""Begins the name of a node of buildx: the builder's name and the node's number."""
_RUNNER = re.compile(r"(.+)_[0-9a-f]{6}")
"""A container of GitHub's or Azure's runner: perhaps an alias, the image, random."""
_NOT_SANE = re.compile(r"\A[^A-Za-z]+|[^A-Za-z0-9_]")
"""What a runner leaves out of an image's name (NameValidation.Sanitize)."""


def is_generated(name: str, argv: Sequence[str] | None) -> bool:
    """Whether an engine made the name up: ``adjective_surname``, and no ``--name`` asked for it."""
    match = _GENERATED.fullmatch(name)
    if match is None or match[1] not in ADJECTIVES:
        return False
    return not any(word == "--name" or word.startswith("--name=") for word in argv or ())


def without_own_id(name: str, id_: str | None) -> str:
    """Return a name with the begin of the container's own id at its end as ``*``."""
    head, dash, tail = name.rpartition("-")
    made_up = id_ is not None and len(tail) >= _OWN_ID_MIN and id_.startswith(tail)
    return f"{head}{dash}{ANY}" if head and made_up else name


def alias_of(name: str, image: ImageReference, given: str) -> str | None:
    """Return what a runner of CI puts before the image in a name that it makes up, often nothing.

    ``given`` is the image as it was named. None for a name that is not made up from it.
    """
    match = _RUNNER.fullmatch(name)
    if match is None:
        return None
    for one in (given, f"{image.familiar}:{image.tag}", image.familiar):
        alias = match[1].removesuffix(sane(one))
        if alias != match[1] and (not alias or alias.endswith("_")):
            return alias.removesuffix("_")
    return None


def sane(text: str) -> str:
    """Return a text as runners of CI put it into a name."""
    return _NOT_SANE.sub("", text)


def folded(name: str) -> str:
    """Return the name with the parts that change from one container to the next as ``*``."""
    if match := _GITHUB.fullmatch(name):
        return f"{ANY}_{folded(match[1])}_{ANY}"
    if name.startswith(_BUILDX) and is_generated(name.removeprefix(_BUILDX).rstrip(_DIGITS), None):
        return f"{_BUILDX}{ANY}"
    if match := _SWARM.fullmatch(name):
        return f"{folded(match[1])}.{ANY}"
    if match := _ECS.fullmatch(name):
        return f"ecs-{match[1]}-{ANY}-{match[2]}-{ANY}"
    if match := _KUBELET.fullmatch(name):
        return f"k8s_{match[1]}_{owner_of(match[2])}_{match[3]}_{ANY}"
    return _CHANGING.sub(ANY, name)
