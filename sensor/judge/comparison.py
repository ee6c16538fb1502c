"""One start beside the past of its workload, its image and the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.feature import Feature
from sensor.judge.lesson import TermKey, instance_key
from sensor.model.account import without_owner

if TYPE_CHECKING:
    from datetime import tzinfo

    from sensor.judge.baseline import Baseline
    from sensor.judge.feature import Features
    from sensor.judge.profile import Profile
    from sensor.judge.tuning import Tuning

LEVEL_STARTS = 3
"""Starts from which on a level is compared with."""
WORKLOAD, IMAGE, NODE = "workload", "image", "node"
_OF_PROFILES = frozenset({Feature.TAG})


@dataclass(frozen=True, slots=True)
class Moment:
    """When a start was: wall-clock seconds, and the host's zone; None on a clock that was set."""

    at: int
    zone: tzinfo | None


class Comparison:
    """A start, and the profiles that are not forgotten; None where there is no such."""

    def __init__(
        self, baseline: Baseline, features: Features, moment: Moment, tuning: Tuning
    ) -> None:
        self.baseline, self.features, self.tuning = baseline, features, tuning
        self.moment, self.at, at = moment, moment.at, moment.at
        self.instance = self.owner = _within(baseline.profile(instance_key(features)), at)
        if features.instance != features.workload:
            self.owner = _within(baseline.profile(f"w/{features.workload}"), at)
        image = f"i/{features.repository}" if features.repository is not None else None
        self.image = _within(baseline.profile(image), at)

    def node_knows(self, feature: Feature, value: str) -> bool:
        """Whether the node has seen a value: with root's containers, or with this owner's."""
        node, owner = self.baseline.node, self.features.owner
        if node.knows(feature, value, self.at):
            return True
        return owner is not None and node.knows(feature, without_owner(value, owner), self.at)

    def plain(self, text: str | None) -> str:
        """Return a value as it would be of a container of root's."""
        return without_owner(text or "", self.features.owner)

    def level(self) -> tuple[str, Profile | None]:
        """Return the first level with enough starts."""
        if self.instance is not None and self.instance.starts >= LEVEL_STARTS:
            return WORKLOAD, self.instance
        if self.image is not None and self.image.starts >= LEVEL_STARTS:
            return IMAGE, self.image
        return NODE, None

    def terms(self, feature: Feature, value: str) -> tuple[TermKey, ...]:
        """Return where a value is learnt: with the workload, and with the node."""
        node = TermKey(None, feature, value)
        key = instance_key(self.features)
        own = (TermKey(key, feature, value),) if key is not None else ()
        return own if feature in _OF_PROFILES else (*own, node)


def _within(profile: Profile | None, at: int) -> Profile | None:
    """Return a profile that is not forgotten."""
    return profile if profile is not None and profile.own.known(at) else None
