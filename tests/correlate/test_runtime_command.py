"""Command lines of OCI runtimes as engines and people write them, and as they should not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.runtime_command import ID_MAX, RuntimeCommand, Verb, parse
from tests.correlate.costs import LINES, is_linear

SHIM_ROOT = "/var/run/docker/runtime-runc/moby"
SHIM_CALL = f"runc --root {SHIM_ROOT} --log /run/log.json --log-format json"
CONMON_CALL = "/usr/bin/crun --cgroup-manager systemd --log=syslog: --root /run/crun"
H = "4f2d" * 16

CREATING = [
    # line, verb, id, bundle, root
    (
        f"{SHIM_CALL} create --bundle /run/b --pid-file /run/b/init.pid {H}",
        "create", H, "/run/b", SHIM_ROOT,
    ),
    (f"runc --root={SHIM_ROOT} create --bundle=/run/b {H}", "create", H, "/run/b", SHIM_ROOT),
    (f"runc create -b /run/b {H}", "create", H, "/run/b", None),
    ("runc run web", "run", "web", None, None),
    ("runc run --pidfd-socket s -b /b web", "run", "web", "/b", None),
    ("runsc -log-format json create -bundle /b -user-log u -console-socket s web", "create", "web",
     "/b", None),
    ("runc run --not-known-yet value web", "run", "web", None, None),
    ("runc create --not-known-yet value --bundle /b web", "create", "web", "/b", None),
    ("runc create --not-known-yet --bundle /b web", "create", "web", "/b", None),
    ("runc create --a-switch web", "create", "web", None, None),
    ("crun run --a-switch web --bundle /b", "run", "web", "/b", None),
    ("runc run --no-pivot --keep -d --pid-file p --console-socket s web", "run", "web", None, None),
    ("runc run --preserve-fds 3 -b /b web sleep 5", "run", "web", "/b", None),
    ("runc --systemd-cgroup --debug run web", "run", "web", None, None),
    ("runc -root /r create -bundle /b web", "create", "web", "/b", "/r"),
    ("runc -root=/r create -bundle=/b web", "create", "web", "/b", "/r"),
    ("runc restore --image-path /i --work-path /w --bundle /b web", "restore", "web", "/b", None),
    ("runc restore --tcp-established --lazy-pages web", "restore", "web", None, None),
    ("runc run -- web", "run", "web", None, None),
    (
        f"{CONMON_CALL} create -b /b --pid-file=p {H}",
        "create", H, "/b", "/run/crun",
    ),
    ("crun --debug run -f other.json web", "run", "web", None, None),
    ("youki --root /run/youki create --bundle /b web", "create", "web", "/b", "/run/youki"),
    ("youki -r /run/youki --systemd-cgroup create -b /b web", "create", "web", "/b", "/run/youki"),
    ("runsc --platform systrap --network=host --root /r create --bundle /b web",
     "create", "web", "/b", "/r"),
    (f"nvidia-container-runtime --root {SHIM_ROOT} create --bundle /b {H}",
     "create", H, "/b", SHIM_ROOT),
    (f"kata-runtime --config /c --root /r create --bundle /b {H}", "create", H, "/b", "/r"),
    ("whatever --log l run --bundle /b my.name_1+2-3", "run", "my.name_1+2-3", "/b", None),
]  # fmt: skip

OTHERS = [
    (f"runc --root {SHIM_ROOT} --log l --log-format json start {H}", Verb.START, H),
    (f"runc delete -f {H}", Verb.DELETE, H),
    (f"runc delete --force {H}", Verb.DELETE, H),
    (f"crun delete --force {H}", Verb.DELETE, H),
    (f"runc kill {H} KILL", Verb.KILL, H),
    (f"runc kill -a {H} 15", Verb.KILL, H),
    ("runc pause web", Verb.PAUSE, "web"),
    ("runc resume web", Verb.RESUME, "web"),
    ("runc checkpoint --image-path /i --leave-running web", Verb.CHECKPOINT, "web"),
    ("runc exec web sh", Verb.EXEC, "web"),
]

NO_COMMANDS = [
    "",
    "runc",
    "runc --version",
    "runc -v",
    "runc list",
    "runc init",
    "runc spec",
    "runc features",
    "runc state web",
    "runc events web",
    "runc create",
    "runc create --bundle /b",
    "runc create --bundle",
    "runc --root",
    "runc --root create web",
    "runc Create web",
    "runc create ../web",
    "runc create a/b",
    "runc create .",
    "runc create ..",
    f"runc create {'x' * (ID_MAX + 1)}",
]
HOSTILE = [
    ("runc", "create", ""),
    ("runc", "create", "a\0b"),
    ("runc", "create", "--", ""),
    ("runc", "", "create", "web"),
]


@pytest.mark.parametrize(
    ("line", "verb", "id_", "bundle", "root"), CREATING, ids=[case[0][:60] for case in CREATING]
)
def test_commands_that_make_containers_name_them(
    line: str, verb: str, id_: str, bundle: str | None, root: str | None
) -> None:
    command = parse(tuple(line.split()))
    assert command is not None
    assert command.creates
    assert (command.verb, command.id, command.bundle, command.root) == (verb, id_, bundle, root)


@pytest.mark.parametrize(("line", "verb", "id_"), OTHERS, ids=[case[0][:60] for case in OTHERS])
def test_other_verbs_name_their_container_and_make_none(line: str, verb: Verb, id_: str) -> None:
    command = parse(tuple(line.split()))
    assert command is not None
    assert not command.creates
    assert (command.verb, command.id) == (verb, id_)


@pytest.mark.parametrize("line", NO_COMMANDS, ids=[line[:60] for line in NO_COMMANDS])
def test_these_are_not_commands_on_a_container(line: str) -> None:
    assert parse(tuple(line.split())) is None


@pytest.mark.parametrize("argv", HOSTILE, ids=repr)
def test_these_words_are_not_ids(argv: tuple[str, ...]) -> None:
    assert parse(argv) is None


def test_the_bundle_is_the_current_directory_unless_named() -> None:
    plain, named = parse(("runc", "run", "web")), parse(("runc", "run", "-b", "/b", "web"))
    assert plain is not None
    assert named is not None
    assert (plain.bundle_path, named.bundle_path) == (".", "/b")


@pytest.mark.parametrize("option", ["-d", "--detach", "-detach"])
def test_detached_commands_are_reported(option: str) -> None:
    command = parse(("runc", "run", option, "web"))
    assert command is not None
    assert command.detached


def test_a_wrapper_that_repeats_itself_reads_the_same() -> None:
    line = ("--root", "/r", "create", "--bundle", "/b", "web")
    assert parse(("nvidia-container-runtime", *line)) == parse(("/usr/bin/runc", *line))


WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(list(Verb)),
    st.sampled_from(
        ["--root", "-b", "--bundle=x", "--", "-", "--root=", "-f", "web", "\ud800", ""]
    ),
)


@given(st.lists(WORDS, max_size=12).map(tuple))
def test_no_command_line_makes_the_parser_raise(argv: tuple[str, ...]) -> None:
    command = parse(argv)
    if command is not None:
        assert isinstance(command, RuntimeCommand)
        assert 0 < len(command.id) <= ID_MAX
        assert "/" not in command.id
        assert command.id in argv
        assert str(command.verb) in argv


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize(
    "begin", [["runc"], ["runc", "create"], ["runc", "run", "web"]], ids=" ".join
)
def test_the_cost_of_a_command_line_grows_with_its_length(
    begin: list[str], line: Callable[[int], list[str]]
) -> None:
    """sec-crafted-argument-stalls-agent: linear, whatever stands in it."""
    assert is_linear(parse, lambda length: [*begin, *line(length)])
