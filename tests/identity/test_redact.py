"""Secrets in command lines: every way to pass one, and what must stay as it is."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.command_reader import CommandReader
from sensor.identity.redact import (
    MAX_ARGUMENT,
    MAX_ARGUMENTS,
    MAX_COMMAND,
    _alone,
    redact_argv,
    redact_labels,
)
from sensor.identity.script import redact_text
from sensor.identity.secret_names import REDACTED
from sensor.identity.text import CUT

R = REDACTED
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAA\n-----END RSA PRIVATE KEY-----"

SECRET = [
    (["docker", "run", "-e", "A=b", "nginx"], ["docker", "run", "-e", f"A={R}", "nginx"]),
    (["docker", "run", "-ite", "A=b", "x"], ["docker", "run", "-ite", f"A={R}", "x"]),
    (["docker", "run", "-eA=b", "x"], ["docker", "run", f"-eA={R}", "x"]),
    (["docker", "run", "--env", "A=b"], ["docker", "run", "--env", f"A={R}"]),
    (["docker", "run", "--env=A=b=c"], ["docker", "run", f"--env=A={R}"]),
    (["docker", "build", "--build-arg", "A=b"], ["docker", "build", "--build-arg", f"A={R}"]),
    (["x", "--password", "p"], ["x", "--password", R]),
    (["x", "--password", "-p"], ["x", "--password", R]),
    (["x", "--password=p"], ["x", f"--password={R}"]),
    (["x", "-password=p"], ["x", f"-password={R}"]),
    (["x", "--db-password", "p"], ["x", "--db-password", R]),
    (["x", "--token", "t", "y"], ["x", "--token", R, "y"]),
    (["x", "--secret=t"], ["x", f"--secret={R}"]),
    (["x", "--client-secret", "t"], ["x", "--client-secret", R]),
    (["x", "--api-key", "t"], ["x", "--api-key", R]),
    (["x", "--apikey=t"], ["x", f"--apikey={R}"]),
    (["x", "--access_key=t"], ["x", f"--access_key={R}"]),
    (["PGPASSWORD=p", "psql"], [f"PGPASSWORD={R}", "psql"]),
    (["env", "DB_PASS=p"], ["env", f"DB_PASS={R}"]),
    (["env", "MY_TOKEN=p"], ["env", f"MY_TOKEN={R}"]),
    (["env", "AWS_SECRET_ACCESS_KEY=p"], ["env", f"AWS_SECRET_ACCESS_KEY={R}"]),
    (["psql", "postgres://u:p@h/db"], ["psql", f"postgres://u:{R}@h/db"]),
    (["git", "clone", "https://ghx0123456789abcdef@h/r"], ["git", "clone", f"https://{R}@h/r"]),
    (["curl", "-H", "Authorization: Bearer abc"], ["curl", "-H", f"Authorization: {R}"]),
    (["curl", "-H", "X-Api-Key:abc"], ["curl", "-H", f"X-Api-Key: {R}"]),
    (["curl", "-u", "u:p", "h"], ["curl", "-u", R, "h"]),
    (["curl", "-uu:p", "h"], ["curl", f"-u{R}", "h"]),
    (["curl", "h?access_token=abc&x=1"], ["curl", f"h?access_token={R}&x=1"]),
    (["x", "Bearer abcdefgh12"], ["x", f"Bearer {R}"]),
    (["x", JWT], ["x", R]),
    (["x", f"a={AWS}"], ["x", f"a={R}"]),
    (["x", PEM], ["x", R]),
    (["x", PEM[:50]], ["x", R]),
    (["x", "ghp_" + "a1" * 18], ["x", R]),
    (["mysql", "-psecret", "db"], ["mysql", f"-p{R}", "db"]),
    (["docker", "exec", "db", "mysql", "-ps"], ["docker", "exec", "db", "mysql", f"-p{R}"]),
    (["docker", "login", "-u", "me", "-p", "s"], ["docker", "login", "-u", "me", "-p", R]),
    (["sshpass", "-p", "s", "ssh"], ["sshpass", "-p", R, "ssh"]),
    (["sh", "-c", "mysql x sshpass -p s"], ["sh", "-c", f"mysql x sshpass -p {R}"]),
    (["sh", "-c", "sshpass -p s mysql -ps"], ["sh", "-c", f"sshpass -p {R} mysql -p{R}"]),
    (["redis-cli", "-a", "s"], ["redis-cli", "-a", R]),
    (["sh", "-c", "PASSWORD=s run"], ["sh", "-c", f"PASSWORD={R} run"]),
    (["sh", "-c", "x --password s; y"], ["sh", "-c", f"x --password {R}; y"]),
    (["sh", "-c", "x --password 'a b' y"], ["sh", "-c", f"x --password {R} y"]),
    (["sh", "-c", 'export PASSWORD="a b"; y'], ["sh", "-c", f"export PASSWORD={R}; y"]),
    (["sh", "-c", "mysql -ps db"], ["sh", "-c", f"mysql -p{R} db"]),
    (["sh", "-c", "docker run -e A=b x"], ["sh", "-c", f"docker run -e A={R} x"]),
    (["x", '{"password": "s", "a": 1}'], ["x", f'{{"password": "{R}", "a": 1}}']),
]

HARMLESS = [
    ["nginx", "-g", "daemon off;"],
    ["docker", "run", "-p", "80:80", "-u", "1000:1000", "--name", "web", "nginx:1.25"],
    ["docker", "run", "--user", "0:0", "-v", "/a:/b:ro", "registry:5000/team/secret-store:1.2"],
    ["bash", "-e", "script.sh"],
    ["sed", "-e", "s/a=b/c/"],
    ["docker", "login", "--password-stdin", "registry"],
    ["kube-apiserver", "--token-auth-file=/etc/tokens", "--anonymous-auth=false"],
    ["kubelet", "--authorization-mode=Webhook", "--tls-private-key-file", "/k.pem"],
    ["x", "--token-ttl", "5m", "--secret-name", "tls"],
    ["x", "A=b", "PATH=/usr/bin", "COMPASS=n", "passenger=1"],
    ["git", "clone", "git@github.com:a/b.git"],
    ["git", "clone", "ssh://git@github.com/a/b.git"],
    ["curl", "http://h:80/p@x"],
    ["mysql", "-p", "db"],
    ["sh", "-c", "exec run --port 80 'a  b' \"c\""],
    ["runc", "--root", "/run/x", "create", "--bundle", "/b", "a" * 64],
    ["", " ", "-", "--", "="],
    ["x", "PASSWORD=", "--password="],
]


@pytest.mark.parametrize(
    ("argv", "expected"), SECRET, ids=[" ".join(case[0])[:60] for case in SECRET]
)
def test_secrets_are_replaced_and_their_names_stay(argv: list[str], expected: list[str]) -> None:
    assert redact_argv(tuple(argv)) == tuple(expected)


@pytest.mark.parametrize("argv", HARMLESS, ids=[" ".join(argv)[:60] for argv in HARMLESS])
def test_the_rest_is_unchanged(argv: list[str]) -> None:
    assert redact_argv(tuple(argv)) == tuple(argv)


SECRETS = st.text(string.ascii_letters + string.digits, min_size=12, max_size=40)
CARRIERS = st.sampled_from(
    ["--password={}", "-e|A={}", "--env=A={}", "TOKEN={}", "--token|{}", "https://u:{}@h/x",
     "-H|Authorization: Bearer {}", "sh|-c|x --api-key {} y", "sh|-c|SECRET='{} z' y",
     'sh|-c|x --password "{}"', '{{"client_secret":"{}"}}', "mysql|-p{}",
     "docker|login|-p|{}", "curl|-u|me:{}", "?x=1&access_token={}"]
)  # fmt: skip


@given(SECRETS, CARRIERS, st.lists(st.sampled_from(["run", "-v", "/a:/b", "nginx"]), max_size=3))
def test_no_secret_survives(secret: str, carrier: str, before: list[str]) -> None:
    secret = f"Q{secret}Q"
    argv = (*before, *carrier.format(secret).split("|"))
    assert secret not in "\n".join(redact_argv(argv))


@given(st.lists(st.text(), max_size=8))
def test_nothing_makes_it_raise_and_all_is_bounded(argv: list[str]) -> None:
    found = redact_argv(tuple(argv))
    assert len(found) == len(argv)
    assert all(len(word) <= MAX_ARGUMENT for word in found)


@given(st.lists(st.from_regex(r"\A[a-z/][a-z0-9/_.-]{0,20}\Z"), max_size=8))
def test_plain_words_are_never_touched(argv: list[str]) -> None:
    assert redact_argv(tuple(argv)) == tuple(argv)


WORDS = sorted({word for argv in (*(case[0] for case in SECRET), *HARMLESS) for word in argv})


@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_what_is_remembered_of_a_word_is_what_a_reader_of_the_whole_command_finds(
    argv: list[str],
) -> None:
    reader = CommandReader(redact_text)
    assert redact_argv(tuple(argv)) == tuple(map(reader.read, argv))


def test_what_an_option_announces_is_not_remembered() -> None:
    _alone.cache_clear()
    redact_argv(("x", "--password", "secret-of-one"))
    before = _alone.cache_info().currsize
    redact_argv(("x", "--password", "secret-of-another"))
    assert _alone.cache_info().currsize == before


def test_a_long_word_ends_in_the_mark_of_a_cut() -> None:
    (found,) = redact_argv(("x" * (10 * MAX_ARGUMENT),))
    assert len(found) == MAX_ARGUMENT
    assert found.endswith(CUT)


def test_a_word_that_shrank_below_the_limit_reports_that_its_end_is_missing() -> None:
    word = "TOKEN=" + "x" * (10 * MAX_ARGUMENT)
    assert redact_argv((word,)) == (f"TOKEN={R}{CUT}",)


def test_words_beyond_the_limit_are_counted() -> None:
    found = redact_argv(("x",) * (MAX_ARGUMENTS + 7))
    assert len(found) == MAX_ARGUMENTS + 1
    assert found[-1] == f"{CUT} 7 more"


def test_a_command_line_is_bounded_as_a_whole() -> None:
    found = redact_argv(("x" * MAX_ARGUMENT,) * 100)
    assert len(found) == MAX_COMMAND // MAX_ARGUMENT + 1
    assert found[-1] == f"{CUT} 92 more"


@pytest.mark.parametrize(
    "word",
    ["a " * 40_000, "'" * 40_000, '"\'' * 20_000, "a=" * 20_000, "pass" * 10_000, "x://" * 10_000,
     "-" * 40_000, "a.b-c_" * 8_000 + ":", "?token" * 8_000, "eyJ" + "a." * 20_000],
    ids=lambda word: word[:8],
)  # fmt: skip
def test_hostile_words_take_no_time(word: str) -> None:
    begin = time.process_time()
    redact_argv((word, word))
    assert time.process_time() - begin < 1.0


def test_labels_are_redacted_by_key_and_by_value() -> None:
    labels = (("app.password", "s"), ("url", "redis://u:p@h"), ("app", "web"))
    assert redact_labels(labels) == (
        ("app.password", R),
        ("url", f"redis://u:{R}@h"),
        ("app", "web"),
    )
