"""What an agent leaves to the next: kept whole, refused when newer, moved aside when damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sensor.errors import StateUnusable
from sensor.model.inventory import KnowledgeRestored, KnownContainer
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import ContainerId
from sensor.store.knowledge import FILE_NAME, SCHEMA_VERSION, Knowledge

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
)


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[Knowledge]:
    knowledge = Knowledge(directory)
    try:
        yield knowledge
    finally:
        knowledge.close()


def save(
    directory: Path,
    *known: KnownContainer,
    seen: int = 99,
    forgotten: tuple[tuple[ContainerId, str | None], ...] = (),
) -> None:
    with opened(directory) as knowledge:
        knowledge.save(BOOT, seen, known, forgotten)


def load(directory: Path) -> KnowledgeRestored | None:
    with opened(directory) as knowledge:
        return knowledge.load(1234)


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
        Knowledge(tmp_path).save(BOOT, 7, (WEB,), ())
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert load(tmp_path) == KnowledgeRestored(1234, BOOT, 7, (WEB,))


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
    with tempfile.TemporaryDirectory() as base, opened(Path(base)) as knowledge:
        knowledge.save(BOOT, 1, (known,), ())
        restored = knowledge.load(1)
        assert restored is not None
        (found,) = restored.containers
        if not any("\ud800" <= char <= "\udfff" for char in id_ + scope + pod + container):
            assert found == known
        knowledge.save(BOOT, 2, (), ((known.id, known.scope),))
        restored = knowledge.load(1)
        assert restored is not None
        assert restored.containers == ()


def test_ids_that_are_no_text_stay_apart(tmp_path: Path) -> None:
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
def test_extreme_numbers_are_kept(tmp_path: Path, change: dict[str, object]) -> None:
    known = replace(WEB, **change)  # type: ignore[arg-type]
    save(tmp_path, known)
    restored = load(tmp_path)
    assert restored is not None
    assert restored.containers == (known,)


# --------------------------------------------------------------- refusing


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    save(tmp_path, WEB)
    path = tmp_path / FILE_NAME
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.execute("PRAGMA journal_mode = DELETE")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StateUnusable, match=f"schema {SCHEMA_VERSION + 1}") as caught:
        Knowledge(tmp_path)
    assert str(path) in caught.value.problem
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE_NAME]


def test_a_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable, match="file"):
        Knowledge(tmp_path / "file")


def test_a_database_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StateUnusable, match=FILE_NAME):
        Knowledge(tmp_path)


def as_nobody(directory: Path) -> int:
    """Open the directory as an ordinary user; the exit code tells how that went."""
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            Knowledge(directory)
        except StateUnusable:
            os._exit(74)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent must see it
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_directory_without_the_rights_is_refused(tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    assert as_nobody(tmp_path) == 74
    assert as_nobody(tmp_path / "below") == 74
    save(tmp_path, WEB)
    assert as_nobody(tmp_path) == 74


def test_a_disk_that_fails_while_saving_is_told_and_loses_nothing_saved(tmp_path: Path) -> None:
    with opened(tmp_path) as knowledge:
        knowledge.save(BOOT, 1, (WEB,), ())
        knowledge._database.execute("PRAGMA query_only = 1")
        with pytest.raises(StateUnusable, match=FILE_NAME):
            knowledge.save(BOOT, 2, (STOPPED,), ())
        knowledge._database.execute("PRAGMA query_only = 0")
        knowledge.save(BOOT, 3, (STOPPED,), ())
    assert load(tmp_path) == KnowledgeRestored(1234, BOOT, 3, (WEB, STOPPED))


def test_a_save_that_fails_halfway_changes_nothing(tmp_path: Path) -> None:
    bad = replace(STOPPED, starts=2**70)
    with opened(tmp_path) as knowledge:
        knowledge.save(BOOT, 1, (WEB,), ())
        with pytest.raises(StateUnusable):
            knowledge.save(BOOT, 2, (STOPPED, bad), ())
        knowledge.save(BOOT, 3, (), ())
    assert load(tmp_path) == KnowledgeRestored(1234, BOOT, 3, (WEB,))


# --------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a few pages in it."""
    directory = tmp_path_factory.mktemp("sound")
    many = tuple(
        replace(WEB, id=ContainerId(f"{number:064x}"), init=None, running=False)
        for number in range(100)
    )
    save(directory, *many)
    database = sqlite3.connect(directory / FILE_NAME)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return directory / FILE_NAME


def survives(directory: Path, data: bytes) -> Path | None:
    """Open a directory whose database holds ``data``: reading and writing it work.

    Returns where the file was moved, if it was.
    """
    directory.mkdir()
    (directory / FILE_NAME).write_bytes(data)
    with opened(directory) as knowledge:
        knowledge.load(1)
        knowledge.save(BOOT, 5, (WEB,), ())
        restored = knowledge.load(1)
        assert restored is not None
        assert restored.seen == 5
        assert WEB in restored.containers
        return knowledge.moved_aside


def test_rubbish_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"rubbish" * 1000)
    with opened(tmp_path) as knowledge:
        assert knowledge.moved_aside is not None
        assert knowledge.moved_aside.read_bytes() == b"rubbish" * 1000
        assert knowledge.load(1) is None


def test_every_damaged_file_is_kept(tmp_path: Path) -> None:
    names = set()
    for number in range(3):
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"{FILE_NAME}{suffix}").unlink(missing_ok=True)
        (tmp_path / FILE_NAME).write_bytes(b"rubbish %d " % number * 100)
        with opened(tmp_path) as knowledge:
            assert knowledge.moved_aside is not None
            names.add(knowledge.moved_aside.name)
    assert len(names) == 3
    assert {entry.name for entry in tmp_path.iterdir()} >= names


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    assert survives(tmp_path / "state", b"") is None


def test_a_file_cut_anywhere_is_read_or_moved_aside(tmp_path: Path, sound: Path) -> None:
    data = sound.read_bytes()
    sizes = [1, 15, 16, 20, 99, 100, 101, 511, 512, 4095, *range(4096, len(data), 2048)]
    for size in [*sizes, len(data) - 1]:
        survives(tmp_path / f"cut-{size}", data[:size])


FLIPS = st.lists(
    st.tuples(st.one_of(st.integers(0, 120), st.integers(0, 1 << 16)), st.integers(0, 7)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(flips=FLIPS)
@example(flips=[(3948, 7)])  # in the schema's text, which SQLite then quotes
def test_flipped_bits_are_read_or_moved_aside_or_refused(
    sound: Path, flips: list[tuple[int, int]]
) -> None:
    raw = bytearray(sound.read_bytes())
    for place, bit in flips:
        raw[place % len(raw)] ^= 1 << bit
    version = int.from_bytes(raw[60:64], "big", signed=True)
    # A flipped version number cannot be told from a newer schema.
    refused = contextlib.suppress(*([StateUnusable] if version > SCHEMA_VERSION else []))
    with tempfile.TemporaryDirectory() as base, refused:
        survives(Path(base) / "flipped", bytes(raw))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE container SET starts = 'many'",
        "UPDATE container SET init_pid = x'00ff'",
        "UPDATE container SET boot_id = CAST(x'fffe' AS TEXT)",
        "UPDATE container SET init_start = NULL",
        "UPDATE checkpoint SET seen = 'never'",
        "ALTER TABLE container RENAME COLUMN starts TO begins",
    ],
)
def test_values_that_make_no_sense_are_moved_aside(tmp_path: Path, statement: str) -> None:
    save(tmp_path, WEB)
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute(statement)
    database.commit()
    database.close()
    with opened(tmp_path) as knowledge:
        assert knowledge.load(1) is None
        assert knowledge.moved_aside is not None
        assert knowledge.moved_aside.exists()
        knowledge.save(BOOT, 5, (WEB,), ())
    assert load(tmp_path) == KnowledgeRestored(1234, BOOT, 5, (WEB,))
