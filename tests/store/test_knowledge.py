"""What an agent leaves to the next: kept whole, whatever its texts and numbers are."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.errors import StateUnusable
from sensor.model.inventory import KnowledgeRestored, KnownContainer
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import ContainerId
from sensor.store import knowledge
from sensor.store.database import FILE_NAME, Database
from sensor.store.knowledge import KnowledgeNote
from sensor.store.log import Store

BOOT = "6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11"
WEB = KnownContainer(
    id=ContainerId("4f2d" * 16),
    scope=None,
    boot_id=BOOT,
    init=ProcessKey(7, 1_000_000_000),
    running=True,
    starts=3,
    started_wall=1_700_000_000_000_000_000,
    stopped_wall=None,
    exit_code=None,
    signal=None,
    pod_uid="eb052b63-ea96-4728-ab4a-64ab3babccd7",
    pod_container="app",
)
STOPPED = KnownContainer(
    id=ContainerId("plain"),
    scope="/run/containerd/runc/default",
    boot_id=BOOT,
    init=None,
    running=False,
    starts=1,
    started_wall=5,
    stopped_wall=6,
    exit_code=None,
    signal=9,
    pod_uid=None,
    pod_container=None,
    oom_killed=True,
    sandbox=ContainerId("sandbox"),
)


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[sqlite3.Connection]:
    connection = Database(directory).open()
    try:
        yield connection
    finally:
        connection.close()


def write(
    connection: sqlite3.Connection,
    *known: KnownContainer,
    seen: int = 99,
    forgotten: tuple[tuple[ContainerId, str | None], ...] = (),
) -> None:
    note = KnowledgeNote(BOOT, seen)
    note.merge(BOOT, seen, known, forgotten)
    connection.execute("BEGIN IMMEDIATE")
    knowledge.write(connection, note)
    connection.execute("COMMIT")


def save(
    directory: Path,
    *known: KnownContainer,
    seen: int = 99,
    forgotten: tuple[tuple[ContainerId, str | None], ...] = (),
) -> None:
    with opened(directory) as connection:
        write(connection, *known, seen=seen, forgotten=forgotten)


def load(directory: Path) -> KnowledgeRestored | None:
    with opened(directory) as connection:
        return knowledge.read(connection, 1234)


# --------------------------------------------------------------- keeping


def test_a_new_directory_knows_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "a" / "b") is None
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "a" / "b" / FILE_NAME).stat().st_mode & 0o777 == 0o640


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path, WEB, STOPPED)
    assert load(tmp_path) == KnowledgeRestored(1234, BOOT, 99, (WEB, STOPPED))


def test_the_last_save_of_a_container_counts(tmp_path: Path) -> None:
    save(tmp_path, WEB, STOPPED, seen=1)
    ended = replace(WEB, running=False, init=None, exit_code=0, stopped_wall=7)
    save(tmp_path, ended, seen=2)
    restored = load(tmp_path)
    assert restored is not None
    assert restored.seen == 2
    assert set(restored.containers) == {ended, STOPPED}


def test_forgotten_containers_are_gone(tmp_path: Path) -> None:
    save(tmp_path, WEB, STOPPED)
    save(tmp_path, forgotten=((WEB.id, WEB.scope), (STOPPED.id, STOPPED.scope)))
    restored = load(tmp_path)
    assert restored is not None
    assert restored.containers == ()


def test_equal_names_under_two_roots_are_two_containers(tmp_path: Path) -> None:
    other = replace(STOPPED, scope="/run/other")
    unscoped = replace(STOPPED, scope=None)
    save(tmp_path, STOPPED, other, unscoped)
    save(tmp_path, forgotten=((other.id, other.scope),))
    restored = load(tmp_path)
    assert restored is not None
    assert set(restored.containers) == {STOPPED, unscoped}


def test_a_checkpoint_without_changes_moves_the_last_seen_time(tmp_path: Path) -> None:
    save(tmp_path, WEB, seen=1)
    save(tmp_path, seen=500)
    restored = load(tmp_path)
    assert restored is not None
    assert (restored.seen, restored.containers) == (500, (WEB,))


def test_what_was_saved_is_there_after_a_kill(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        save(tmp_path, WEB, seen=7)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert load(tmp_path) == KnowledgeRestored(1234, BOOT, 7, (WEB,))


# --------------------------------------------------------------- ahead of a note

ENDED = replace(WEB, running=False, init=None, stopped_wall=7, exit_code=0)
"""As an event left it, after the note that has it running."""


def left(directory: Path, *known: KnownContainer) -> None:
    """Write containers as events left them."""
    with opened(directory) as connection:
        connection.execute("BEGIN IMMEDIATE")
        knowledge.write_ahead(connection, known)
        connection.execute("COMMIT")


def found(directory: Path, boot_id: str) -> tuple[KnownContainer, ...] | None:
    """Return what an agent of that boot knows."""
    with opened(directory) as connection:
        noted = knowledge.read(connection, 0)
        restored = knowledge.completed(noted, knowledge.read_ahead(connection), boot_id, 1234)
    assert restored is None or restored.time == 1234
    return None if restored is None else restored.containers


def test_what_an_event_left_is_known_in_the_next_boot_and_not_in_its_own(tmp_path: Path) -> None:
    save(tmp_path, WEB, STOPPED)
    left(tmp_path, ENDED)
    assert found(tmp_path, BOOT) == (WEB, STOPPED), "the kernel's records lead to it again"
    assert found(tmp_path, "next") == (STOPPED, ENDED), "what changed last is the last"


def test_what_an_event_left_is_known_though_nothing_was_ever_noted(tmp_path: Path) -> None:
    left(tmp_path, WEB)
    assert found(tmp_path, BOOT) is None
    assert found(tmp_path, "next") == (WEB,)


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_note_takes_the_place_of_what_events_left(tmp_path: Path, forgotten: bool) -> None:
    left(tmp_path, WEB, STOPPED)
    if forgotten:
        save(tmp_path, forgotten=((WEB.id, WEB.scope),))
    else:
        save(tmp_path, ENDED)
    assert found(tmp_path, "next") == ((STOPPED,) if forgotten else (ENDED, STOPPED))


def test_what_the_next_boot_leaves_does_not_hide_what_it_knew(tmp_path: Path) -> None:
    """The next boot's agent is killed before it notes anything, and reads its records again."""
    left(tmp_path, WEB, STOPPED)
    left(tmp_path, replace(ENDED, boot_id="next"))
    assert found(tmp_path, "next") == (WEB, STOPPED)
    assert set(found(tmp_path, "third") or ()) == {STOPPED, replace(ENDED, boot_id="next")}


def test_beyond_a_limit_the_oldest_that_events_left_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(knowledge, "AHEAD_MAX", 3)
    many = [replace(STOPPED, id=ContainerId(f"c{number}")) for number in range(5)]
    left(tmp_path, *many[:3])
    assert caplog.text == ""
    left(tmp_path, *many[3:])
    assert found(tmp_path, "next") == tuple(many[2:])
    assert "2 containers would not be known" in caplog.text


TEXT = st.one_of(
    st.text(min_size=1, max_size=20),
    st.binary(min_size=1, max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)


@settings(max_examples=60, deadline=None)
@given(id_=TEXT, scope=TEXT, pod=TEXT, container=TEXT)
def test_no_text_from_the_kernel_or_from_files_keeps_it_from_being_saved(
    id_: str, scope: str, pod: str, container: str
) -> None:
    known = replace(STOPPED, id=ContainerId(id_), scope=scope, pod_uid=pod, pod_container=container)
    with tempfile.TemporaryDirectory() as base, opened(Path(base)) as connection:
        write(connection, known, seen=1)
        restored = knowledge.read(connection, 1)
        assert restored is not None
        (found,) = restored.containers
        if not any("\ud800" <= char <= "\udfff" for char in id_ + scope + pod + container):
            assert found == known
        write(connection, seen=2, forgotten=((known.id, known.scope),))
        restored = knowledge.read(connection, 1)
        assert restored is not None
        assert restored.containers == ()


def test_ids_that_are_not_text_stay_apart(tmp_path: Path) -> None:
    ids = ["\udcff\udcfe", "\udcff", "\ud800"]
    save(tmp_path, *(replace(STOPPED, id=ContainerId(id_)) for id_ in ids))
    restored = load(tmp_path)
    assert restored is not None
    assert len(restored.containers) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"started_wall": 2**63 - 1},
        {"starts": 0},
        {"init": ProcessKey(2**31 - 1, 2**62)},
        {"exit_code": 255, "signal": None},
    ],
    ids=str,
)
def test_extreme_numbers_are_kept(tmp_path: Path, change: dict[str, Any]) -> None:
    known = replace(WEB, **change)
    save(tmp_path, known)
    restored = load(tmp_path)
    assert restored is not None
    assert restored.containers == (known,)


@pytest.mark.parametrize(
    "change",
    [
        {"started_wall": 2**63},
        {"starts": 2**63},
        {"init": ProcessKey(7, 2**63)},
        {"stopped_wall": -(2**63) - 1},
        {"exit_code": 2**64},
    ],
    ids=str,
)
def test_numbers_that_the_file_cannot_hold_do_not_fit(change: dict[str, Any]) -> None:
    assert knowledge.fits(WEB)
    assert not knowledge.fits(replace(WEB, **change))


# --------------------------------------------------------------- refusing


def test_a_place_that_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable, match="file"):
        Store(tmp_path / "file")


def as_another(directory: Path) -> int:
    """Open the directory as an ordinary user; the exit code is that of the error."""
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            Store(directory)
        except StateUnusable:
            os._exit(74)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent must see it
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_directory_without_the_rights_is_refused(tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    assert as_another(tmp_path) == 74
    assert as_another(tmp_path / "below") == 74
    save(tmp_path, WEB)
    assert as_another(tmp_path) == 74


# --------------------------------------------------------------- damage


def test_a_copy_of_a_damaged_file_leaves_out_rows_that_make_no_sense(tmp_path: Path) -> None:
    with opened(tmp_path / "old") as old, opened(tmp_path / "new") as new:
        write(old, WEB, STOPPED)
        knowledge.write_ahead(old, (WEB, STOPPED))
        for table in ("container", "container_ahead"):
            old.execute(f"UPDATE {table} SET starts = 'many' WHERE id = ?", (WEB.id,))
        knowledge.copy(old, new)
        restored = knowledge.read(new, 1234)
        assert knowledge.read_ahead(new) == (STOPPED,)
    assert restored is not None
    assert (restored.seen, restored.containers) == (99, (STOPPED,))
