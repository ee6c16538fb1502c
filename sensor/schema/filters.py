"""Filters of events, as ``docker events`` has them: ``key=value``, several of them.

The same key twice means one or the other; different keys must all fit. What a value of each key
means:

====================  ==============================================================================
``container``         the beginning of the id, or the name
``name``,             the whole of it, or a pattern with ``*`` and ``?``
``namespace``
``pod``               its name, or ``namespace/name``, or a pattern of either
``owner``             the pod's workload: ``web``, ``Deployment/web``, ``namespace/web``
``sandbox``           ``yes`` or ``no``: events of a pod's sandbox, or all others
``image``             its name with or without the tag, a pattern, or the beginning of its id
``label``             a label's name, or ``name=value``
``runtime``           engine or OCI runtime: ``docker``, ``runc``
``kind``, ``trigger`` as in the event; ``type`` also without ``container.``
``user``              name or number of the account or of the login
``requested_by``      who asked the control plane: the actor of a request, or of an explained start
``explanation``       as in the event, or ``none``: without one, pause containers left out
``expected``          ``true``, ``false`` or ``null``
``finding``           of a start's verdict, or of an alert
``severity``          of an alert: this one or a graver one
``state``             of an alert: ``new``, ``update``, ``resolved``, …
``workload``          the key, or a pattern
``change``            the id of a change that covers it
====================  ==============================================================================

Pure: they look at a document of schema ``castoff.event/1`` and nothing else.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.model.alert import AlertSeverity, AlertState
from sensor.model.vocabulary import EventType, Explanation, Finding, StartKind, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Document = Mapping[str, Any]
    Test = Callable[[Document], bool]

FILTERS_MAX = 32
VALUE_MAX = 256
"""Characters of one filter's value."""
PREFIX = "container."
NONE = "none"
"""Value of ``explanation`` for a start without one."""
_EXPECTED = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events are wanted. ``types`` stands apart: the log has an index for it.

    Empty is everything.
    """

    types: frozenset[str] = frozenset()
    wanted: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Key and values, in the order in which keys came first."""

    def __bool__(self) -> bool:
        return bool(self.types or self.wanted)

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values that are asked for under a key."""
        return next((values for name, values in self.wanted if name == key), ())

    def matcher(self) -> Test:
        """Return a function that is true for the wanted documents."""
        tests = [_any([_KEYS[key](value) for value in values]) for key, values in self.wanted]
        types = self.types

        def matches(document: Document) -> bool:
            if types and document.get("type") not in types:
                return False
            return all(test(document) for test in tests)

        return matches


def parse(pairs: Iterable[str], types: Iterable[str] = ()) -> Filters:
    """Read filters ``key=value`` and types; raises ValueError with a sentence for a person."""
    chosen = [event_type(value) for listed in types for value in listed.split(",")]
    wanted: dict[str, list[str]] = {}
    for number, pair in enumerate(pairs):
        if number >= FILTERS_MAX:
            message = f"more than {FILTERS_MAX} filters"
            raise ValueError(message)
        key, equals, value = pair.partition("=")
        if not equals or not value or len(value) > VALUE_MAX:
            message = (
                f"{pair[:VALUE_MAX]!r} is not a filter: write key=value, at most {VALUE_MAX} long"
            )
            raise ValueError(message)
        if key == "type":
            chosen.append(event_type(value))
            continue
        if key not in _KEYS:
            message = f"{key!r} is not a filter; use one of {', '.join(sorted((*_KEYS, 'type')))}"
            raise ValueError(message)
        _KEYS[key](value)
        wanted.setdefault(key, []).append(value)
    return Filters(frozenset(chosen), tuple((key, tuple(values)) for key, values in wanted.items()))


def event_type(text: str) -> str:
    """Return the type that is meant by ``container.start`` or ``start``; raises ValueError."""
    for name in (text, PREFIX + text):
        if name in EventType.__members__.values():
            return name
    names = ", ".join(one.removeprefix(PREFIX) for one in EventType)
    message = f"{text[:VALUE_MAX]!r} is not a type of event; use one of {names}"
    raise ValueError(message)


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda document: any(test(document) for test in tests)


def _part(document: Document, *path: str) -> object:
    """Return what stands at a path in the document; None where there is no such block."""
    found: Any = document
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _container(value: str) -> Test:
    def test(document: Document) -> bool:
        id_ = _part(document, "container", "id")
        named = _part(document, "container", "name") == value
        return named or (isinstance(id_, str) and id_.startswith(value))

    return test


def _pattern(*path: str) -> Callable[[str], Test]:
    def make(value: str) -> Test:
        fits = _glob(value)

        def test(document: Document) -> bool:
            found = _part(document, *path)
            return isinstance(found, str) and fits(found)

        return test

    return make


def _image(value: str) -> Test:
    fits = _glob(value)

    def test(document: Document) -> bool:
        name = _part(document, "container", "image", "name")
        if isinstance(name, str) and (fits(name) or fits(_untagged(name))):
            return True
        id_ = _part(document, "container", "image", "id")
        return isinstance(id_, str) and (
            id_.startswith(value) or id_.removeprefix("sha256:").startswith(value)
        )

    return test


def _untagged(name: str) -> str:
    repository, colon, tag = name.partition("@")[0].rpartition(":")
    return repository if colon and "/" not in tag else name.partition("@")[0]


def _label(value: str) -> Test:
    name, equals, wanted = value.partition("=")

    def test(document: Document) -> bool:
        labels = _part(document, "container", "labels")
        if not isinstance(labels, dict) or name not in labels:
            return False
        return not equals or labels[name] == wanted

    return test


def _runtime(value: str) -> Test:
    return lambda document: (
        value
        in {
            _part(document, "container", "runtime"),
            _part(document, "container", "oci_runtime"),
        }
    )


def _user(value: str) -> Test:
    wanted: set[object] = {value}
    if value.isascii() and value.isdecimal():
        wanted.add(int(value))

    def test(document: Document) -> bool:
        user = _part(document, "initiator", "user")
        return isinstance(user, dict) and any(
            user.get(key) in wanted for key in ("name", "auid_name", "uid", "auid")
        )

    return test


def _requested_by(value: str) -> Test:
    fits = _glob(value)

    def test(document: Document) -> bool:
        asked = _part(document, "orchestrator", "requested_by")
        names = [_part(document, "request", "actor", key) for key in ("name", "impersonated")]
        if isinstance(asked, dict):
            names += [
                asked.get("actor"),
                asked.get("impersonated"),
                *(asked.get("candidates") or ()),
            ]
        return any(isinstance(name, str) and fits(name) for name in names)

    return test


def _pod(value: str) -> Test:
    fits = _glob(value)

    def test(document: Document) -> bool:
        pod = _part(document, "orchestrator", "pod")
        namespace = _part(document, "orchestrator", "namespace")
        return isinstance(pod, str) and (fits(pod) or fits(f"{namespace}/{pod}"))

    return test


def _owner(value: str) -> Test:
    fits = _glob(value)

    def test(document: Document) -> bool:
        kind, name = (_part(document, "orchestrator", "owner", key) for key in ("kind", "name"))
        namespace = _part(document, "orchestrator", "namespace")
        return isinstance(name, str) and any(
            fits(one) for one in (name, f"{kind}/{name}", f"{namespace}/{name}")
        )

    return test


def _sandbox(value: str) -> Test:
    if value not in ("yes", "no"):
        message = f"{value!r} is not a value of sandbox; use yes or no"
        raise ValueError(message)
    wanted = value == "yes"
    return lambda document: (_part(document, "container", "sandbox") is True) == wanted


def _explanation(value: str) -> Test:
    if value != NONE:
        return _one_of(Explanation, "verdict", "explanation")(value)

    def test(document: Document) -> bool:
        verdict = _part(document, "verdict")
        if not isinstance(verdict, dict) or _part(document, "container", "sandbox"):
            return False
        return document.get("type") == EventType.START and verdict.get("explanation") is None

    return test


def _expected(value: str) -> Test:
    if value not in _EXPECTED:
        message = f"{value!r} is not a value of expected; use one of {', '.join(_EXPECTED)}"
        raise ValueError(message)
    wanted = _EXPECTED[value]

    def test(document: Document) -> bool:
        verdict = _part(document, "verdict")
        if not isinstance(verdict, dict) or document.get("type") != EventType.START:
            return False
        return verdict.get("expected") is wanted

    return test


def _finding(value: str) -> Test:
    if value not in Finding.__members__.values():
        message = f"{value!r} is not a value of finding; use one of {', '.join(Finding)}"
        raise ValueError(message)

    def test(document: Document) -> bool:
        found = _part(document, "verdict", "findings")
        of_start = isinstance(found, list) and value in found
        return of_start or _part(document, "alert", "finding") == value

    return test


def _severity(value: str) -> Test:
    if value not in AlertSeverity.__members__.values():
        message = f"{value!r} is not a value of severity; use one of {', '.join(AlertSeverity)}"
        raise ValueError(message)
    grave = list(AlertSeverity)[list(AlertSeverity).index(AlertSeverity(value)) :]
    return lambda document: _part(document, "alert", "severity") in grave


def _change(value: str) -> Test:
    def test(document: Document) -> bool:
        found = _part(document, "verdict", "change")
        return isinstance(found, str) and value in found.split(",")

    return test


def _one_of(
    kind: type[AlertState | Explanation | StartKind | Trigger], *path: str
) -> Callable[[str], Test]:
    def make(value: str) -> Test:
        if value not in kind.__members__.values():
            message = f"{value!r} is not a value of {path[-1]}; use one of {', '.join(kind)}"
            raise ValueError(message)
        return lambda document: _part(document, *path) == value

    return make


def _glob(value: str) -> Callable[[str], bool]:
    if not set(value) & set("*?["):
        return lambda found: found == value
    pattern = re.compile(fnmatch.translate(value))
    return lambda found: pattern.match(found) is not None


_KEYS: dict[str, Callable[[str], Test]] = {
    "container": _container,
    "name": _pattern("container", "name"),
    "image": _image,
    "label": _label,
    "runtime": _runtime,
    "kind": _one_of(StartKind, "start", "kind"),
    "trigger": _one_of(Trigger, "start", "trigger"),
    "user": _user,
    "pod": _pod,
    "owner": _owner,
    "sandbox": _sandbox,
    "namespace": _pattern("orchestrator", "namespace"),
    "explanation": _explanation,
    "expected": _expected,
    "finding": _finding,
    "severity": _severity,
    "state": _one_of(AlertState, "alert", "state"),
    "workload": _pattern("verdict", "workload"),
    "change": _change,
    "requested_by": _requested_by,
}

KEYS = (*sorted(_KEYS), "type")
