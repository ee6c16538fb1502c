"""What belongs to an entry is in its transaction."""

from __future__ import annotations

from pathlib import Path

from sensor.store.queue import GROUP_ENTRIES
from tests.store.entries import PATIENCE, made, opened


def test_what_the_judge_remembers_is_kept_with_the_entries_before_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(1)])
        store.keep_judged([("workload", "name/a", b"1"), ("change", "CHG-\udcff", b"x")])
        store.append([made(2)])
        store.keep_judged([("workload", "name/a", b"2"), ("change", "CHG-\udcff", None)])
        store.keep_judged([("container", "c", b"3")])
        assert store.flush(PATIENCE)
    with opened(tmp_path) as store:
        assert store.take_judged() == {("workload", "name/a"): b"2", ("container", "c"): b"3"}


def test_what_follows_from_an_entry_is_in_its_transaction_and_so_are_its_alerts(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as store:
        entries = [made(number) for number in range(1, GROUP_ENTRIES + 2)]
        rows: list[dict[tuple[str, str], bytes | None] | None] = [{} for _ in entries]
        rows[-2] = {("profile", "w"): b"1"}
        rows[-1] = None
        store.append(entries, rows)
        batches = list(store._queue._batches)
        assert [len(one.lines) for one in batches] == [GROUP_ENTRIES + 1]
        assert batches[0].judged == {("profile", "w"): b"1"}
        assert store.flush(PATIENCE)
