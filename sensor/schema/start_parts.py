"""Parts of starts that repeat from one to the next: each is made once for the same values.

A log has few images, users and settings, and very many starts: to look a part up takes half the
time of making it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from sensor.model.agent_records import HostFacts
from sensor.model.container import Image, Mount, Security
from sensor.model.events import Certainty, InitiatorUser, Start
from sensor.model.process import Ancestor
from sensor.model.vocabulary import Confidence, StartCause, StartKind, Trigger
from sensor.schema.values import flag, member, number, seconds_of, text, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.schema.values import Document

PARTS_CACHED = 256
"""Parts of one kind that are remembered: images, users, settings, processes above a client."""

_Part = TypeVar("_Part")


def _part(make: Callable[..., _Part], values: tuple[object, ...]) -> _Part:
    """Return the part that was made of the same values before, else a new one.

    A list or an object where the schema has neither reads as unknown.
    """
    try:
        return make(*values)
    except TypeError:
        return make(*(None if isinstance(one, list | dict) else one for one in values))


@lru_cache(maxsize=PARTS_CACHED, typed=True)
def _certainty_of(container: object, trigger: object, initiator: object) -> Certainty:
    sure = (member(Confidence, one) or Confidence.NONE for one in (container, trigger, initiator))
    return Certainty(*sure)


def host(of: Document) -> HostFacts:
    """Return the node that an event is of."""
    get = of.get
    named = (get("name"), get("boot_id"), get("machine_id"), get("kernel"), get("node"))
    return _part(_host_of, (*named, texts(get("lsm"))))


@lru_cache(maxsize=PARTS_CACHED, typed=True)
def _host_of(
    name: object,
    boot_id: object,
    machine_id: object,
    kernel: object,
    node: object,
    lsm: tuple[str, ...] | None,
) -> HostFacts:
    known = text(name) or "", text(boot_id) or "", text(machine_id), text(kernel) or ""
    return HostFacts(*known, text(node), lsm=lsm)


def image(of: Document) -> Image:
    """Return an image."""
    get = of.get
    return _part(_image_of, (get("name"), get("id"), get("digest"), get("pinned")))


@lru_cache(maxsize=PARTS_CACHED, typed=True)
def _image_of(name: object, id_: object, digest: object, pinned: object) -> Image:
    return Image(text(name), text(id_), text(digest), flag(pinned))


def security(of: Document) -> Security:
    """Return the settings that decide how far a container is from its host."""
    get = of.get
    mounts = get("mounts")
    return _part(
        _security_of,
        (
            get("privileged"),
            texts(get("capabilities")),
            texts(get("host_namespaces")),
            _mounts(mounts) if isinstance(mounts, list) else (),
            get("seccomp"),
            get("apparmor"),
            get("no_new_privileges"),
            texts(get("devices")),
        ),
    )


@lru_cache(maxsize=PARTS_CACHED, typed=True)
def _security_of(
    privileged: object,
    capabilities: tuple[str, ...] | None,
    host_namespaces: tuple[str, ...] | None,
    mounts: tuple[Mount, ...],
    seccomp: object,
    apparmor: object,
    no_new_privileges: object,
    devices: tuple[str, ...] | None,
) -> Security:
    return Security(
        flag(privileged),
        capabilities,
        host_namespaces,
        mounts,
        text(seccomp),
        text(apparmor),
        flag(no_new_privileges),
        devices,
    )


def _mounts(listed: list[object]) -> tuple[Mount, ...]:
    if not listed:
        return ()
    found = [
        (one.get("source"), one.get("destination"), one.get("writable"))
        for one in listed
        if isinstance(one, dict)
    ]
    return tuple([_part(_mount_of, one) for one in found])


@lru_cache(maxsize=PARTS_CACHED, typed=True)
def _mount_of(source: object, destination: object, writable: object) -> Mount:
    return Mount(text(source) or "", text(destination) or "", writable is True)


def user(of: Document) -> InitiatorUser:
    """Return the account and the login behind a process."""
    get = of.get
    named = get("uid"), get("name"), get("auid"), get("auid_name"), get("session")
    return _part(_user_of, named)


@lru_cache(maxsize=PARTS_CACHED, typed=True)
def _user_of(
    uid: object, name: object, auid: object, auid_name: object, session: object
) -> InitiatorUser:
    return InitiatorUser(number(uid), text(name), number(auid), text(auid_name), number(session))


@lru_cache(maxsize=PARTS_CACHED, typed=True)
def _ancestor_of(comm: object, exe: object) -> Ancestor:
    return Ancestor(0, 0, text(comm) or "", text(exe))


@lru_cache(maxsize=PARTS_CACHED, typed=True)
def _start_of(
    kind: object, trigger: object, attempt: object, dormant: object, cause: object
) -> Start | None:
    known = member(StartKind, kind)
    if known is None:
        return None
    return Start(
        known,
        member(Trigger, trigger) or Trigger.UNKNOWN,
        number(attempt),
        seconds_of(dormant),
        None,
        member(StartCause, cause),
    )


def certainty(of: Document) -> Certainty:
    """Return how sure an event is, as far as it is judged."""
    get = of.get
    return _part(_certainty_of, (get("container"), get("trigger"), get("initiator")))


def ancestor(of: Document) -> Ancestor:
    """Return a process above without its pid: it is another one each time, and nothing asks."""
    return _part(_ancestor_of, (of.get("comm"), of.get("exe")))


def plain_start(of: Document) -> Start | None:
    """Return what kind of start it was, without the run before it."""
    get = of.get
    named = get("kind"), get("trigger"), get("attempt"), get("dormant_seconds"), get("cause")
    return _part(_start_of, named)
