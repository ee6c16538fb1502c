"""What a start teaches the profiles that it belongs to, and the node: features and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.judge.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.judge.feature import Features

Value = tuple[Feature, str]


@quick
@dataclass(frozen=True, slots=True)
class TermKey:
    """Where a value is remembered. ``profile`` is a key of ``profile`` rows; None is the node."""

    profile: str | None
    feature: Feature
    value: str


@quick
@dataclass(frozen=True, slots=True)
class Lesson:
    """What a start teaches: the profiles that it belongs to, by key, and the node."""

    profiles: tuple[tuple[str, tuple[Value, ...]], ...]
    node: tuple[Value, ...]

    def terms_of(self, keys: Iterable[str]) -> list[TermKey]:
        """Return what it teaches these profiles, as keys."""
        wanted = frozenset(keys)
        return [
            TermKey(key, feature, value)
            for key, values in self.profiles
            if key in wanted
            for feature, value in values
        ]


def lesson_of(features: Features) -> Lesson:
    """Return what a start teaches.

    A pod's owner learns which containers it has, and each container the rest. An image's profile
    has no repository: it is one.
    """
    whos = features.whos
    common: tuple[Value, ...] = ((Feature.INITIATOR, whos[0].value),) if len(whos) == 1 else ()
    if features.strong_atoms or features.weak_atoms:
        # Sorted: rows are the same from the same start.
        atoms = sorted(features.strong_atoms | features.weak_atoms)
        common += tuple([(Feature.PRIVILEGE, one) for one in atoms])
    program: tuple[Value, ...] = ()
    if features.entrypoint is not None:
        program = ((Feature.ENTRYPOINT, features.entrypoint),)
    if features.special is not None:
        program += ((Feature.KIND, features.special),)
    whole = common
    if features.repository is not None:
        whole += ((Feature.REPOSITORY, features.repository),)
    if features.organisation is not None:
        whole += ((Feature.ORGANISATION, features.organisation),)
    whole += program
    own = whole if features.tag is None else (*whole, (Feature.TAG, features.tag))
    node = whole if features.runtime is None else (*whole, (Feature.RUNTIME, features.runtime))
    if features.owner is not None:
        # Programs and kinds of start do not say whose they are.
        node = tuple([one for one in node if one not in program])
    found: list[tuple[str, tuple[Value, ...]]] = []
    if features.workload is not None:
        found.append((f"w/{features.workload}", _of_owner(features) or own))
    if features.instance is not None and features.instance != features.workload:
        found.append((f"w/{features.instance}", own))
    if features.repository is not None:
        found.append((f"i/{features.repository}", common + program))
    return Lesson(tuple(found), node)


def _of_owner(features: Features) -> tuple[Value, ...]:
    """Return what the owner of a pod learns of one of its containers."""
    if features.container is None:
        return ()
    found: tuple[Value, ...] = ((Feature.CONTAINER, features.container),)
    return (*found, (Feature.KIND, "late")) if features.late else found


def instance_key(features: Features) -> str | None:
    """Return the key of the profile that has a container's own features."""
    return f"w/{features.instance}" if features.instance is not None else None
