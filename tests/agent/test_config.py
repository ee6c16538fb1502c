"""The configuration: defaults without a file, drop-ins, and a refusal that names file and key."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path

import pytest

from sensor.agent.config import DEFAULT_PATH, Config
from sensor.bpf.pins import PIN_ROOT
from sensor.errors import ConfigError
from sensor.model.vocabulary import Witness

DEFAULTS = Path(__file__).parents[2] / "packaging" / "etc" / "castoff.toml"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_commented_default_file_changes_nothing() -> None:
    assert Config.load(DEFAULTS) == Config(directory=DEFAULTS.parent)


def test_the_default_file_has_every_key_with_its_default(tmp_path: Path) -> None:
    text = DEFAULTS.read_text(encoding="utf-8")
    lines = [line.removeprefix("#") if " = " in line and line.startswith("#") and line[1].isalpha()
             else line for line in text.splitlines()]  # fmt: skip
    config = Config.load(write(tmp_path / "all.toml", "\n".join(lines)))
    assert config == Config(directory=tmp_path)
    for section in Config.sections():
        keys = text.partition(f"\n[{section}]\n")[2].partition("\n[")[0]
        for key in fields(getattr(Config(), section)):
            assert f"\n#{key.name} = " in f"\n{keys}", f"{section}.{key.name}"


def test_the_default_file_says_what_needs_another_start() -> None:
    text = DEFAULTS.read_text(encoding="utf-8")
    said = re.findall(r"\(Next start\.\)\n#(\w+) = ", text)
    reloaded = {"heartbeat_seconds", "log_level", "group", "max_mib", "max_age_days"}
    of_sources = {one.name for one in fields(Config().sources)}
    config = Config()
    sections = (config.agent, config.socket, config.identity, config.store, config.notify)
    keys = {one.name for section in sections for one in fields(section)}
    assert set(said) == (keys - reloaded - of_sources) | {"requests", "kubernetes_audit"}


def test_a_value_is_taken(tmp_path: Path) -> None:
    path = write(
        tmp_path / "castoff.toml",
        '[agent]\nstate_dir = "/srv/castoff"\n[identity]\ncgroup_patterns = ["/(?P<id>x)"]\n',
    )
    config = Config.load(path)
    assert config.agent.state_dir == Path("/srv/castoff")
    assert config.identity.cgroup_patterns == ("/(?P<id>x)",)


def test_drop_ins_are_read_in_order_and_the_last_wins(tmp_path: Path) -> None:
    path = write(tmp_path / "castoff.toml", "[store]\nmax_mib = 1\nmax_age_days = 5\n")
    write(tmp_path / "castoff.d" / "20-b.toml", "[store]\nmax_mib = 3\n")
    write(tmp_path / "castoff.d" / "10-a.toml", "[store]\nmax_mib = 2\n")
    write(tmp_path / "castoff.d" / "note.txt", "not toml")
    store = Config.load(path).store
    assert (store.max_mib, store.max_age_days) == (3, 5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[agnet]\n", "[agnet]"),
        ("agent = 1\n", "agent"),
        ('[agent]\nstat = "x"\n', "agent.stat"),
        ('[agent]\nstate_dir = "relative"\n', "agent.state_dir"),
        ("[agent]\nstate_dir = 1\n", "agent.state_dir"),
        ('[store]\nmax_mib = "1"\n', "store.max_mib"),
        ("[store]\nmax_mib = true\n", "store.max_mib"),
        ("[store]\nmax_mib = 0\n", "store.max_mib"),
        ('[store]\nsync = "maybe"\n', "store.sync"),
        ('[agent]\nlog_level = "loud"\n', "agent.log_level"),
        ("[agent]\nheartbeat_seconds = -1\n", "agent.heartbeat_seconds"),
        ("[sources]\ndocker = 1\n", "sources.docker"),
        ('[identity]\ncgroup_patterns = "x"\n', "identity.cgroup_patterns"),
        ("[identity]\ncgroup_patterns = [1]\n", "identity.cgroup_patterns"),
        ('[sources]\naudit = "netlnk"\n', "sources.audit is 'netlnk'"),
        ('[sources]\nkubernetes_audit = "audit.log"\n', "sources.kubernetes_audit"),
        ('[sources]\nkubernetes_audit = "webhook"\n', "webhook.listen is missing"),
        (
            '[webhook]\nlisten = "8443"\ncertificate = "/c"\nkey = "/k"\nclient_ca = "/a"\n',
            "webhook.listen is '8443'",
        ),
        ('[webhook]\nlisten = "0.0.0.0:1"\ncertificate = "/c"\nkey = "/k"\n', "webhook.client_ca"),
        ('[push]\nlisten = "0.0.0.0:1"\ncertificate = "/c"\nkey = "/k"\n', "push.listen"),
        ('[kafka]\nbrokers = ["h:1"]\n', "kafka.topics"),
        ("[agent\n", "line 1"),
        ("\x00", "castoff.toml"),
        ("[store]\nmax_mib = " + "9" * 5000, "castoff.toml"),
        ("a = " + "[" * 100_000, "castoff.toml"),
    ],
)
def test_a_mistake_is_refused_with_the_file_and_the_key(
    tmp_path: Path, text: str, named: str
) -> None:
    path = write(tmp_path / "castoff.toml", text)
    with pytest.raises(ConfigError) as caught:
        Config.load(path)
    assert str(path) in caught.value.problem
    assert named in caught.value.problem
    assert caught.value.fix


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[agnet]\n", "[agnet]"),
        ("agent = 1\n", "agent"),
        ('[agent]\nstat = "x"\n', "agent.stat"),
        ("[store]\nmax_mib = 0\n", "store.max_mib"),
        ("[store]\nmax_age_days = -1\n", "store.max_age_days"),
        ('[store]\nsync = "maybe"\n', "store.sync"),
        ('[agent]\nlog_level = "loud"\n', "agent.log_level"),
        ("[agent]\nheartbeat_seconds = -1\n", "agent.heartbeat_seconds"),
        ("[delivery]\nflush_seconds = 900\n", "delivery.flush_seconds"),
        ("[delivery]\ndead_letters = -1\n", "delivery.dead_letters"),
        ('[identity]\ncgroup_patterns = ["("]\n', "identity.cgroup_patterns"),
        ('[identity]\ncgroup_patterns = ["/x"]\n', "identity.cgroup_patterns"),
        ('[outputs."a b"]\ntype = "jsonl"\n', "a b"),
        ('[outputs.a]\ntype = "jsnol"\n', "outputs.a.type"),
        ('[outputs.a]\nurl = "x"\n', "outputs.a"),
        ('[outputs.a]\nformat = "x"\n', "outputs.a.format"),
        ('[outputs.a.tls]\nca = "/x"\n', "outputs.a.tls"),
        ('[outputs.a]\npath = "x"\n', "outputs.a.path"),
    ],
)
def test_a_mistake_in_a_drop_in_names_the_drop_in(tmp_path: Path, text: str, named: str) -> None:
    main = '[agent]\n[store]\n[outputs.a]\ntype = "jsonl"\npath = "/a"\n'
    path = write(tmp_path / "castoff.toml", main)
    write(tmp_path / "castoff.d" / "10-good.toml", "[store]\nmax_mib = 3\nmax_age_days = 3\n")
    wrong = write(tmp_path / "castoff.d" / "20-wrong.toml", text)
    write(tmp_path / "castoff.d" / "30-good.toml", "[agent]\nrealtime = false\n")
    with pytest.raises(ConfigError) as caught:
        Config.load(path)
    assert caught.value.problem.startswith(f"{wrong}: "), caught.value.problem
    assert named in caught.value.problem
    assert caught.value.fix


@pytest.mark.parametrize("name", ["castoff.toml", "castoff.d/10-more.toml"])
def test_a_file_that_every_account_may_write_is_refused_with_the_command(
    tmp_path: Path, name: str
) -> None:
    main = write(tmp_path / "castoff.toml", "")
    path = write(tmp_path / name, "[store]\nmax_mib = 3\n")
    path.chmod(0o664)
    assert Config.load(main).store.max_mib == 3
    path.chmod(0o666)
    with pytest.raises(ConfigError) as raised:
        Config.load(main)
    assert str(path) in str(raised.value)
    assert raised.value.fix == f"Run: chmod o-w {path}"


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "castoff.toml"
    os.mkfifo(fifo)
    with pytest.raises(ConfigError, match="not a regular file"):
        Config.load(fifo)


def test_a_value_that_only_its_settings_refuse_names_the_drop_in(tmp_path: Path) -> None:
    path = write(tmp_path / "castoff.toml", '[outputs.f]\ntype = "forward"\nservers = ["a:1"]\n')
    wrong = write(tmp_path / "castoff.d" / "20-wrong.toml", "[outputs.f]\nlevel = 99\n")
    with pytest.raises(ConfigError, match=r"level") as caught:
        Config.load(path)
    assert caught.value.problem.startswith(f"{wrong}: "), caught.value.problem


@pytest.mark.parametrize("make", ["missing", "directory", "too large", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, make: str) -> None:
    path = tmp_path / "castoff.toml"
    if make == "directory":
        path.mkdir()
    elif make == "too large":
        path.write_bytes(b"#" * (1024 * 1024 + 1))
    elif make == "not UTF-8":
        path.write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError) as caught:
        Config.load(path)
    assert str(path) in caught.value.problem


def test_the_probes_are_pinned_where_the_loader_expects_them() -> None:
    assert Config().pin_root == PIN_ROOT
    assert Config().directory == DEFAULT_PATH.parent


def test_the_directory_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text("[sources]\npodman = false\n")
    config = Config.load(path)
    assert config.directory == tmp_path
    assert config.sources.engines == {Witness.DOCKER, Witness.CONTAINERD}


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("max_mib = 5\n", "Write it below [store]."),
        ('certificate = "/c"\n', "Write it below its section."),
        ("[output.a]\n", "Did you mean [outputs.NAME]?"),
        ("[sorces]\n", "Did you mean [sources]?"),
    ],
)
def test_a_key_or_a_section_in_the_wrong_place_is_sent_to_the_right_one(
    tmp_path: Path, text: str, fix: str
) -> None:
    path = write(tmp_path / "castoff.toml", text)
    with pytest.raises(ConfigError) as caught:
        Config.load(path)
    assert str(path) in caught.value.problem
    assert fix in caught.value.fix
