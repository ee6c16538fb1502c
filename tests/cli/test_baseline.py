"""``castoff baseline``: shown, exported without people, merged in any order, imported in bounds."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sensor.agent.baseline_file import read_fleet
from sensor.cli.baseline import NS_PER_DAY, _last, command
from sensor.errors import CastoffError, ConfigError
from sensor.judge.baseline_text import ROWS_MAX
from tests.api.bridge import Running, running
from tests.api.sample_agent import Judged, Log, View


@pytest.fixture
def agent() -> Iterator[Running]:
    with running(View(), Log(), judgement=Judged()) as one:
        yield one


def run(*words: str, agent: Running | None = None) -> Result:
    where = ["--socket", str(agent.path)] if agent is not None else []
    return CliRunner().invoke(command, [*words, *where], catch_exceptions=False)


def test_what_is_known_is_shown(agent: Running) -> None:
    assert "privilege" not in run("show", agent=agent).output
    shown = run("show", "name/web", agent=agent).output
    assert "registry.example.com/shop/web  w/name/web" in shown
    assert shown.splitlines()[0].split() == ["FEATURE", "VALUE", "OF", "STARTS", "DAYS", "LAST"]
    rows = run("show", "name/web", "-o", "json", agent=agent).output.splitlines()
    assert {json.loads(row)["profile"] for row in rows} == {"w/name/web"}
    with pytest.raises(CastoffError, match="nothing is known") as raised:
        run("show", "name/wob", agent=agent)
    assert raised.value.fix == "Did you mean name/web?"
    assert "login alice" in run("review", agent=agent).output


def test_of_the_node_the_day_is_shown_and_of_a_workload_the_time() -> None:
    row = {"feature": "privilege", "value": "ns:pid", "starts": 1, "days": 1}
    now = time.time_ns()
    begin = now // NS_PER_DAY * 86_400
    node = [_last({**row, "profile": "", "last": last}, now) for last in (begin, begin - 1)]
    assert node[0] == "today"
    assert node[1].endswith("ago")
    workload = _last({**row, "profile": "w/name/web", "last": now // 10**9 - 3}, now)
    assert workload.endswith("ago")


def test_an_export_names_people_only_when_asked(agent: Running) -> None:
    plain, whole = run("export", agent=agent).output, run("export", "--logins", agent=agent).output
    assert "login alice" not in plain
    assert "login alice" in whole
    assert json.loads(plain.splitlines()[0])["format"] == "castoff.baseline/1"


def exported(directory: Path, host: str, sequence: int, *values: str) -> Path:
    path = directory / f"{host}-{sequence}.jsonl"
    header = {"format": "castoff.baseline/1", "host": host, "sequence": sequence}
    rows = [
        {
            "profile": "",
            "feature": "organisation",
            "value": value,
            "starts": 2,
            "days": 1,
            "first": 86_400 * sequence,
            "last": 86_400 * (sequence + 1),
        }
        for value in values
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in (header, *rows)))
    return path


def test_merging_is_the_same_in_any_order_and_counts_each_host_once(tmp_path: Path) -> None:
    files = [
        exported(tmp_path, "a", 1, "gone", "x"),
        exported(tmp_path, "a", 2, "x"),
        exported(tmp_path, "b", 1, "x", "y"),
        exported(tmp_path, "c", 5, "x"),
    ]
    outputs = {
        run("merge", *map(str, order)).output.partition("\n")[2]
        for order in itertools.permutations([*files, files[0]], 5)
    }
    (merged,) = outputs
    found = {row["value"]: row for row in map(json.loads, merged.splitlines())}
    assert {value: row["hosts"] for value, row in found.items()} == {"x": 3, "y": 1}
    assert (found["x"]["first"], found["x"]["last"], found["x"]["starts"]) == (
        86_400,
        86_400 * 6,
        6,
    )


def test_a_host_that_says_a_thing_several_times_is_one_host(tmp_path: Path) -> None:
    path = exported(tmp_path, "a", 1, "x", "x", "x")
    (row,) = map(json.loads, run("merge", str(path)).output.splitlines()[1:])
    assert (row["hosts"], row["starts"]) == (1, 2)


@pytest.mark.parametrize(
    ("header", "row", "problem"),
    [
        ({"host": None}, {}, "without host"),
        ({"host": ["a"]}, {}, "without host"),
        ({"sequence": "x"}, {}, "without host and sequence"),
        ({"sequence": float("inf")}, {}, "without host and sequence"),
        ({}, {"starts": float("nan")}, "a number that no baseline has"),
        ({}, {"starts": 1e308}, "a number that no baseline has"),
        ({}, {"days": 1 << 40}, "a number that no baseline has"),
        ({}, {"first": -1}, "a number that no baseline has"),
        ({}, {"last": float("inf")}, "not a row"),
    ],
)
def test_an_export_that_no_node_wrote_is_refused(
    tmp_path: Path, header: dict[str, object], row: dict[str, object], problem: str
) -> None:
    path = exported(tmp_path, "a", 1, "x")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    written = lines[0] | header, lines[1] | row
    path.write_text("".join(json.dumps(one) + "\n" for one in written))
    with pytest.raises(ConfigError, match=problem):
        run("merge", str(path))


def test_a_fleet_is_imported_beside_the_policy(tmp_path: Path) -> None:
    target = tmp_path / "merged"
    run("merge", str(exported(tmp_path, "a", 1, "x")), "-o", str(target))
    said = run("import", str(target), "--directory", str(tmp_path)).output
    assert said.startswith("1 values of merged, 1 exports, sha256 ")
    data = (tmp_path / "fleet.jsonl").read_bytes()
    assert read_fleet(data, target)[0] == {("", "organisation", "x"): 1}


def test_every_verb_of_the_baseline_speaks_json(agent: Running, tmp_path: Path) -> None:
    file = tmp_path / "node.jsonl"
    said = json.loads(run("export", str(file), "-o", "json", agent=agent).output)
    assert said == {"file": str(file), "rows": len(file.read_text().splitlines()) - 1}
    printed = run("export", "-o", "json", agent=agent).output
    assert printed.partition("\n")[2] == file.read_text().partition("\n")[2]
    merged = run("merge", str(exported(tmp_path, "a", 1, "x")), "-o", "json").output
    target = tmp_path / "merged"
    target.write_text(merged)
    words = ("import", str(target), "--directory", str(tmp_path), "-o", "json")
    answer = json.loads(run(*words).output)
    assert (answer["values"], answer["origin"][:7]) == (1, "merged,")
    assert not Path("json").exists()


HEADER = b'{"format":"castoff.fleet/1","exports":1}\n'


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "header of format"),
        (b'{"format":"castoff.baseline/9"}\n', "header of format"),
        (b"[]\n", "not an object"),
        (b"\xff\xfe", "not JSON"),
        (HEADER + b"{" * 100, "not JSON"),
        (HEADER + b'{"profile":""}\n', "not a row"),
        (HEADER + b"{}\n" * (ROWS_MAX + 1), "more than"),
        (HEADER + b"{}\r" * 10_000, "a line of more than"),
        (b'{"format":"castoff.fleet/1","exports":"many"}\n', "number of exports"),
        (HEADER + b'"' + b"x" * 20_000 + b'"\n', "a line of more than"),
        (
            HEADER + b'{"profile":"","feature":"tag","value":"x","starts":1,"days":1,"first":1,'
            b'"last":1}\n',
            "number of hosts",
        ),
        (
            HEADER + b'{"profile":"","feature":"no","value":"x","starts":1,"days":1,"first":1,'
            b'"last":1,"hosts":3}\n',
            "not a valid Feature",
        ),
    ],
)
def test_a_file_that_is_not_a_fleet_is_refused_and_nothing_changes(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=problem):
        run("import", str(file), "--directory", str(tmp_path))
    assert not (tmp_path / "fleet.jsonl").exists()


def test_a_profile_is_forgotten(agent: Running) -> None:
    assert run("forget", "w/name/web", agent=agent).output == "forgotten: w/name/web\n"
    assert run("forget", agent=agent).exit_code == 2
