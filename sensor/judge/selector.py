"""Which starts a rule or a change speaks of.

Several values of one key mean any of them; different keys must all match. Every value is a pattern
(:mod:`sensor.judge.glob`) but ``kind`` and ``trigger``, which take the event's own values.

==============  ====================================================================================
``image``       its name with or without the tag, as given or in full
``name``        the container's name
``workload``    the key, as in ``verdict.workload``
``pod``, ``namespace``, ``owner``, ``container``   of its pod
``label``       ``NAME`` or ``NAME=VALUE``
``account``     name or number of the account that asked
``login``       name or number of the login behind it
``unit``        the systemd unit that asked
``privilege``   any of the privilege atoms
``trigger``, ``kind``   as in the event
==============  ====================================================================================

Where several processes may have caused the start, ``account``, ``login`` and ``unit`` match when
the values match for each of them: an explanation has to hold whichever it was. A rule that forbids
asks with ``some`` and is met when one of them matches. A start without a known initiator matches
none of the three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sensor.dataclass import dataclass
from sensor.judge.glob import Glob
from sensor.model.vocabulary import StartKind, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sensor.judge.case import Facts
    from sensor.model.events import Initiator

_Member = TypeVar("_Member", Trigger, StartKind)

VALUES_MAX = 64
"""Values of one key."""

CHOSEN_BY_THE_STARTER = frozenset({"image", "name", "label", "workload", "pod", "container"})
"""Keys whose value the starter of a container can choose: alone they prove nothing."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Compiled conditions, in the order of :data:`KEYS`. Without any it selects every start."""

    globs: tuple[tuple[str, tuple[Glob, ...]], ...] = ()
    triggers: frozenset[Trigger] = frozenset()
    kinds: frozenset[StartKind] = frozenset()

    @property
    def selects_all(self) -> bool:
        """Whether there is no condition at all."""
        return not (self.globs or self.triggers or self.kinds)

    @property
    def rests_on_names(self) -> bool:
        """Whether every condition is on something that the starter chooses."""
        named = {key for key, _ in self.globs}
        return bool(named) and named <= CHOSEN_BY_THE_STARTER and not self.triggers

    @property
    def names_initiator(self) -> bool:
        """Whether it names who starts, by what the kernel says."""
        return any(key in _OF_INITIATORS for key, _ in self.globs)

    def matches(self, facts: Facts, *, some: bool = False) -> bool:
        """Whether the start meets every condition; with ``some`` one candidate is enough."""
        if self.triggers and facts.trigger not in self.triggers:
            return False
        if self.kinds and facts.kind not in self.kinds:
            return False
        tests = _LENIENT_TESTS if some else _TESTS
        return all(tests[key](facts, globs) for key, globs in self.globs)

    def is_meant(self, facts: Facts) -> bool:
        """Whether what explains or silences root's starts speaks of this one.

        Another user's container has any name that its maker chose. So a selector speaks of it only
        where it names the owner in ``workload``, who asked for it, or nothing but how it came.
        """
        if facts.owner is None or not self.globs:
            return True
        return any(key in _NAMES_OWNER for key, _ in self.globs)

    def unmet(self, facts: Facts, *, some: bool = False) -> tuple[str, ...]:
        """Return a sentence for each condition that the start does not meet."""
        tests = _LENIENT_TESTS if some else _TESTS
        found = []
        if self.triggers and facts.trigger not in self.triggers:
            found.append(_sentence("trigger", sorted(self.triggers), (facts.trigger,)))
        if self.kinds and facts.kind not in self.kinds:
            found.append(_sentence("kind", sorted(self.kinds), (facts.kind,)))
        found += [
            _sentence(key, [glob.pattern for glob in globs], _SEEN[key](facts))
            for key, globs in self.globs
            if not tests[key](facts, globs)
        ]
        return tuple(found)

    def written(self) -> dict[str, list[str]]:
        """Return the conditions as a policy has them."""
        written: dict[str, list[str]] = {
            key: [glob.pattern for glob in globs] for key, globs in self.globs
        }
        if self.triggers:
            written["trigger"] = sorted(self.triggers)
        if self.kinds:
            written["kind"] = sorted(self.kinds)
        return written


def make(values: Mapping[str, Iterable[str]]) -> Selector:
    """Compile a selector of known keys. Raises ValueError with the key and the reason."""
    globs: list[tuple[str, tuple[Glob, ...]]] = []
    triggers: frozenset[Trigger] = frozenset()
    kinds: frozenset[StartKind] = frozenset()
    for key in KEYS:
        listed = tuple(values.get(key, ()))
        if not listed:
            continue
        if len(listed) > VALUES_MAX:
            message = f"{key} has {len(listed)} values; at most {VALUES_MAX} are allowed"
            raise ValueError(message)
        if key == "trigger":
            triggers = frozenset(_member(Trigger, key, value) for value in listed)
        elif key == "kind":
            kinds = frozenset(_member(StartKind, key, value) for value in listed)
        else:
            globs.append((key, tuple(_glob(key, value) for value in listed)))
    return Selector(tuple(globs), triggers, kinds)


def _glob(key: str, value: str) -> Glob:
    try:
        return Glob.compile(value)
    except ValueError as error:
        message = f"{key}: {error}"
        raise ValueError(message) from None


def _member(kind: type[_Member], key: str, value: str) -> _Member:
    try:
        return kind(value)
    except ValueError:
        message = f"{key}: {value[:64]!r} is not one of {', '.join(kind)}"
        raise ValueError(message) from None


def _sentence(key: str, expected: Iterable[str], seen: Iterable[str]) -> str:
    return f"{key}: expected {' or '.join(expected)}, seen {', '.join(seen) or 'nothing'}"


def seen(facts: Facts, key: str) -> tuple[str, ...]:
    """Return the texts of a start that the patterns of a key are matched against."""
    return _SEEN[key](facts)


# --------------------------------------------------------------------------- what each key sees

Seen = tuple[str, ...]


def _name(facts: Facts) -> Seen:
    container = facts.event.container
    return _known(container.name if container is not None else None)


def _workload(facts: Facts) -> Seen:
    return _known(facts.workload.key if facts.workload is not None else None)


def _owner(facts: Facts) -> Seen:
    by_name = facts.workload.owner if facts.workload is not None else None
    pod = facts.event.orchestrator
    known = pod.owner if pod is not None else None
    names = (
        by_name.owner if by_name is not None else None,
        known.name if known is not None else None,
    )
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _of_pod(field: str) -> Callable[[Facts], Seen]:
    def seen(facts: Facts) -> Seen:
        pod = facts.event.orchestrator
        return _known(getattr(pod, field) if pod is not None else None)

    return seen


def _labels(facts: Facts) -> Seen:
    container = facts.event.container
    labels = container.labels if container is not None else None
    return tuple(form for name, value in labels or () for form in (name, f"{name}={value}"))


def _accounts(initiator: Initiator) -> Seen:
    user = initiator.user
    return () if user is None else _both(user.name, user.uid)


def _logins(initiator: Initiator) -> Seen:
    user = initiator.user
    return () if user is None else _both(user.auid_name, user.auid)


def _units(initiator: Initiator) -> Seen:
    return _known(initiator.unit)


def _both(name: str | None, number: int | None) -> Seen:
    return (*_known(name), *(() if number is None else (str(number),)))


def _known(text: str | None) -> Seen:
    return () if text is None else (text,)


def _any(seen: Callable[[Facts], Seen]) -> Callable[[Facts, tuple[Glob, ...]], bool]:
    return lambda facts, globs: any(glob.matches(text) for text in seen(facts) for glob in globs)


def _each(seen: Callable[[Initiator], Seen]) -> Callable[[Facts, tuple[Glob, ...]], bool]:
    def test(facts: Facts, globs: tuple[Glob, ...]) -> bool:
        return bool(facts.initiators) and all(
            any(glob.matches(text) for text in seen(one) for glob in globs)
            for one in facts.initiators
        )

    return test


def _all_of(seen: Callable[[Initiator], Seen]) -> Callable[[Facts], Seen]:
    return lambda facts: tuple(text for one in facts.initiators for text in seen(one))


_NAMES_OWNER = frozenset({"account", "login", "unit", "workload"})
_OF_INITIATORS = {"account": _accounts, "login": _logins, "unit": _units}
_OF_CONTAINER: dict[str, Callable[[Facts], Seen]] = {
    "image": lambda facts: facts.image_names,
    "name": _name,
    "workload": _workload,
    "pod": _of_pod("pod"),
    "namespace": _of_pod("namespace"),
    "owner": _owner,
    "container": _of_pod("container"),
    "label": _labels,
    "privilege": lambda facts: tuple(sorted(facts.atoms)),
}
_SEEN: dict[str, Callable[[Facts], Seen]] = _OF_CONTAINER | {
    key: _all_of(seen) for key, seen in _OF_INITIATORS.items()
}
_TESTS = {key: _any(seen) for key, seen in _OF_CONTAINER.items()} | {
    key: _each(seen) for key, seen in _OF_INITIATORS.items()
}
_LENIENT_TESTS = {key: _any(seen) for key, seen in _SEEN.items()}
KEYS = (*_SEEN, "trigger", "kind")
"""Every key that a selector may have."""
