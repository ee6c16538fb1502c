"""Parts of starts that repeat: made once, and never confused with one that only looks equal."""

from __future__ import annotations

from sensor.model.container import Image
from sensor.model.vocabulary import Confidence, StartKind, Trigger
from sensor.schema import start_parts as parts


def test_the_same_values_give_the_same_part() -> None:
    block = {"name": "nginx:1", "id": "sha256:aa", "digest": None, "pinned": True}
    assert parts.image(block) is parts.image(dict(block))
    assert parts.image(block) == Image("nginx:1", "sha256:aa", None, pinned=True)


def test_one_and_true_are_two_values() -> None:
    assert parts.image({"name": "x:1", "pinned": 1}).pinned is None
    assert parts.image({"name": "x:1", "pinned": True}).pinned is True
    assert parts.user({"uid": 1}).uid == 1
    assert parts.user({"uid": True}).uid is None


def test_a_list_where_a_text_belongs_is_unknown() -> None:
    assert parts.image({"name": ["nginx"], "id": "sha256:aa"}) == Image(None, "sha256:aa")
    assert parts.host({"name": {"a": 1}, "boot_id": "b"}).name == ""


def test_settings_with_other_mounts_are_other_settings() -> None:
    mount = {"source": "/", "destination": "/host", "writable": True}
    read_only = parts.security({"mounts": [mount | {"writable": False}]})
    writable = parts.security({"mounts": [mount]})
    assert read_only.mounts is not None
    assert writable.mounts is not None
    assert (read_only.mounts[0].writable, writable.mounts[0].writable) == (False, True)


def test_a_kind_that_this_version_does_not_know_is_no_start() -> None:
    assert parts.plain_start({"kind": "teleport"}) is None
    start = parts.plain_start({"kind": "first", "trigger": "teleport"})
    assert start is not None
    assert (start.kind, start.trigger) == (StartKind.FIRST, Trigger.UNKNOWN)


def test_what_is_not_said_is_not_sure() -> None:
    sure = parts.certainty({"container": "exact", "trigger": "very"})
    assert (sure.container, sure.trigger) == (Confidence.EXACT, Confidence.NONE)


def test_a_process_above_is_known_by_its_program() -> None:
    one = parts.ancestor({"pid": 7, "comm": "apache2", "exe": "/usr/sbin/apache2"})
    assert one is parts.ancestor({"pid": 9, "comm": "apache2", "exe": "/usr/sbin/apache2"})
    assert (one.comm, one.exe) == ("apache2", "/usr/sbin/apache2")
