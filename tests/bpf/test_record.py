"""Records of the kernel are decoded whole, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.bpf import layout
from sensor.bpf.layout import FIXED, FIXED_BEFORE, LAYOUT_BEFORE, LINEAGES, ROLES, Flag, RecordKind
from sensor.bpf.record import KernelObservation, decode
from sensor.errors import RecordMalformed
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest, ConnectionClosed, Listener
from sensor.model.kernel_records import (
    CgroupBirth,
    CgroupFrozen,
    CommandExec,
    CommandExit,
    InitExec,
    InitExit,
)
from sensor.model.process import Ancestor, CgroupPaths, Namespaces, ProcessKey
from sensor.model.vocabulary import Role
from tests.bpf.sample_records import pack

TEXT = st.binary(max_size=15).filter(lambda raw: b"\0" not in raw)
NAME = st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw and b"/" not in raw)


U32 = st.integers(0, 2**32 - 1)


U64 = st.integers(0, 2**64 - 1)


WORDS = st.lists(TEXT, max_size=5)


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def path_of(names: list[bytes]) -> str | None:
    return "/" + "/".join(text(name) for name in reversed(names)) if names else None


@settings(deadline=None)
@given(
    time=U64,
    cpu=st.integers(0, 4095),
    sequence=st.integers(0, 2**48 - 1),
    pid=U32,
    start_time=U64,
    uid=U32,
    loginuid=U32,
    comm=TEXT,
    exe=TEXT,
    tty=TEXT,
    ns_pids=st.lists(U32, max_size=8),
    lineage=st.sampled_from(sorted(LINEAGES)),
    ancestors=st.lists(st.tuples(U32, U64, TEXT, TEXT), max_size=8),
    v1=st.lists(NAME, max_size=4),
    v2=st.lists(NAME, max_size=4),
    words=WORDS,
    truncated=st.booleans(),
)
def test_an_exec_of_an_init_round_trips(
    *,
    time: int, cpu: int, sequence: int, pid: int, start_time: int, uid: int, loginuid: int,
    comm: bytes, exe: bytes, tty: bytes, ns_pids: list[int], lineage: int,
    ancestors: list[tuple[int, int, bytes, bytes]], v1: list[bytes], v2: list[bytes],
    words: list[bytes], truncated: bool,
) -> None:  # fmt: skip
    data = pack(
        time=time, cpu=cpu, sequence=sequence, pid=pid, start_time=start_time, uid=uid,
        loginuid=loginuid, comm=comm, exe=exe, tty=tty, ns_pids=ns_pids, lineage=lineage,
        ancestors=ancestors, v1=v1, v2=v2, argv=b"".join(word + b"\0" for word in words),
        flags=Flag.ARGV_TRUNCATED if truncated else 0,
    )  # fmt: skip
    seen = decode(data)
    assert isinstance(seen, InitExec)
    assert (seen.time, seen.sequence) == (time, cpu << 48 | sequence)
    assert seen.argv == tuple(map(text, words))
    assert seen.argv_truncated is truncated
    assert (seen.lineage, seen.root) == (LINEAGES[lineage], ProcessKey(100, 3))
    process = seen.process
    assert (process.key, process.uid) == (ProcessKey(pid, start_time), uid)
    assert process.loginuid == (None if loginuid == layout.UNSET else loginuid)
    assert process.session is None
    assert (process.comm, process.exe, process.tty) == (
        text(comm),
        text(exe) or None,
        text(tty) or None,
    )
    assert process.ns_pids == tuple(ns_pids)
    assert (process.pid_ns, process.mnt_ns, process.cgroup_ns) == (11, 12, 13)
    assert process.cgroup == CgroupPaths(path_of(v1), path_of(v2))
    assert process.ancestors == tuple(
        Ancestor(a_pid, a_start, text(a_comm), text(a_exe) or None)
        for a_pid, a_start, a_comm, a_exe in ancestors
    )


@pytest.mark.parametrize("flags", [0, Flag.STARTED, Flag.STARTED | Flag.OOM_KILLED])
def test_an_exit_of_an_init_shows_whether_it_had_started(flags: int) -> None:
    seen = decode(
        pack(RecordKind.INIT_EXIT, status=7 << 8, flags=flags, argv=b"", v1=[b"web"], v2=[])
    )
    assert seen == InitExit(
        time=5,
        sequence=1 << 48 | 7,
        process=ProcessKey(101, 4),
        status=7 << 8,
        started=bool(flags & Flag.STARTED),
        root=ProcessKey(100, 3),
        cgroup=CgroupPaths("/web", None),
        oom_killed=bool(flags & Flag.OOM_KILLED),
    )


@pytest.mark.parametrize(("number", "role"), ROLES.items())
def test_a_command_shows_role_and_program(number: int, role: Role) -> None:
    seen = decode(pack(RecordKind.COMMAND_EXEC, role=number, lineage=0, exe=b"runc", comm=b"3"))
    assert isinstance(seen, CommandExec)
    assert (seen.role, seen.program, seen.argv) == (role, "runc", ("sleep", "1"))


def test_a_command_without_a_file_is_known_by_its_comm() -> None:
    seen = decode(pack(RecordKind.COMMAND_EXEC, role=1, exe=b"", comm=b"runc"))
    assert isinstance(seen, CommandExec)
    assert seen.program == "runc"


def test_a_script_is_known_by_its_own_name() -> None:
    flags = Flag.NAMED_BY_COMM
    data = pack(
        RecordKind.COMMAND_EXEC, role=5, exe=b"python3.11", comm=b"docker-compose", flags=flags
    )
    seen = decode(data)
    assert isinstance(seen, CommandExec)
    assert seen.program == "docker-compose"


@pytest.mark.parametrize(
    ("names", "cwd"), [(b"", "/"), (b"a\0", "/a"), (b"src\0ann\0home\0", "/home/ann/src")]
)
def test_a_command_shows_where_it_was_given(names: bytes, cwd: str) -> None:
    seen = decode(pack(RecordKind.COMMAND_EXEC, role=1, text=names))
    assert isinstance(seen, CommandExec)
    assert (seen.cwd, seen.argv) == (cwd, ("sleep", "1"))


def test_a_connection_shows_socket_and_caller() -> None:
    ancestors = [(90, 2, b"bash", b"bash"), (1, 0, b"systemd", b"systemd")]
    data = pack(RecordKind.API_CONNECT, text=b"/run/docker.sock\0", ancestors=ancestors, uid=1000)
    seen = decode(data)
    assert isinstance(seen, ApiConnect)
    assert (seen.socket, seen.mnt_ns) == ("/run/docker.sock", 12)
    caller = seen.caller
    assert (caller.pid, caller.start_time, caller.uid, caller.parent) == (101, 4, 1000, 90)
    assert caller.argv == ("sleep", "1")


def test_a_request_shows_its_first_bytes() -> None:
    payload = b"POST /v1.43/containers/web/start HTTP/1.1\r\n\0\xff"
    seen = decode(pack(RecordKind.API_REQUEST, text=b"/run/docker.sock", payload=payload, argv=b""))
    assert isinstance(seen, ApiRequest)
    assert (seen.socket, seen.payload, seen.caller.argv) == ("/run/docker.sock", payload, None)


def test_a_request_names_its_connection_and_its_place_there() -> None:
    seen = decode(pack(RecordKind.API_REQUEST, payload=b"ST /x", connection=77, offset=2, sent=900))
    assert isinstance(seen, ApiRequest)
    assert (seen.connection, seen.offset, seen.length) == (77, 2, 900)
    unknown = decode(pack(RecordKind.API_REQUEST, payload=b"ST /x"))
    assert isinstance(unknown, ApiRequest)
    assert (unknown.connection, unknown.offset) == (None, None)


def test_a_connect_over_tcp_names_both_ports() -> None:
    seen = decode(pack(RecordKind.API_CONNECT, flags=Flag.TCP, offset=2375 << 16 | 40001))
    assert isinstance(seen, ApiConnect)
    assert (seen.socket, seen.port, seen.mnt_ns) == ("tcp:127.0.0.1:2375", 40001, None)


def test_a_connect_before_the_permission_check_is_unconfirmed() -> None:
    for flags in (0, Flag.UNCONFIRMED):
        seen = decode(pack(RecordKind.API_CONNECT, flags=flags, text=b"/run/docker.sock\0"))
        assert isinstance(seen, ApiConnect)
        assert seen.confirmed is not bool(flags)


LISTENERS = {
    "of-an-older-set": (0, (0, 0, 0), None),
    "privileged": (3, (0, 21, 22), Listener(0, 21, 22, privileged=True)),
    "a-users": (1, (1000, 21, 22), Listener(1000, 21, 22, privileged=False)),
    "of-a-port": (1, (1000, 0, 0), Listener(1000)),
}


@pytest.mark.parametrize(("status", "others", "listener"), LISTENERS.values(), ids=LISTENERS)
@pytest.mark.parametrize("kind", [RecordKind.API_CONNECT, RecordKind.API_REQUEST])
def test_a_call_shows_who_listens(
    kind: RecordKind, status: int, others: tuple[int, int, int], listener: Listener | None
) -> None:
    seen = decode(pack(kind, status=status, others=others, payload=b"POST"))
    assert isinstance(seen, ApiConnect | ApiRequest)
    assert seen.listener == listener


def test_an_answer_shows_its_first_bytes() -> None:
    data = pack(
        RecordKind.API_ANSWER, text=b"/run/docker.sock\0", payload=b"HTTP/1.1 204", argv=b"", v2=[],
        connection=77, offset=0, sent=12,
    )  # fmt: skip
    assert decode(data) == ApiAnswer(
        5, "cpu1:7", 77, "/run/docker.sock", b"HTTP/1.1 204", offset=0, length=12
    )


def test_the_end_of_a_connection_names_it() -> None:
    data = pack(RecordKind.API_CLOSE, argv=b"", v2=[], connection=77)
    assert decode(data) == ConnectionClosed(5, "cpu1:7", 77)


@pytest.mark.parametrize(("status", "frozen", "settled"), [(0, False, False), (3, True, True)])
def test_a_freezing_shows_the_cgroup_and_how_far_it_is(
    status: int, *, frozen: bool, settled: bool
) -> None:
    seen = decode(pack(RecordKind.CGROUP_FROZEN, status=status, argv=b""))
    assert seen == CgroupFrozen(
        5, "cpu1:7", "/default/web", frozen=frozen, settled=settled, process=ProcessKey(101, 4)
    )


def test_an_init_shows_its_namespaces_and_whose_it_is() -> None:
    seen = decode(pack(euid=1000, user_ns=21, others=(22, 23, 24)))
    assert isinstance(seen, InitExec)
    assert (seen.process.euid, seen.process.user_ns) == (1000, 21)
    assert seen.namespaces == Namespaces(mnt=12, pid=11, net=22, ipc=23, uts=24, user=21, cgroup=13)


@pytest.mark.parametrize(
    "kind",
    [
        RecordKind.INIT_EXEC,
        RecordKind.INIT_EXIT,
        RecordKind.COMMAND_EXEC,
        RecordKind.COMMAND_EXIT,
        RecordKind.CGROUP_BIRTH,
        RecordKind.API_CONNECT,
        RecordKind.API_REQUEST,
    ],
)
def test_records_of_the_layout_before_are_read_without_what_they_lack(kind: RecordKind) -> None:
    ancestors = [(90, 2, b"bash", b"bash")]
    old = decode(pack(kind, layout=LAYOUT_BEFORE, role=1, ancestors=ancestors))
    new = decode(pack(kind, role=1, ancestors=ancestors))
    assert type(old) is type(new)
    if isinstance(old, InitExec) and isinstance(new, InitExec):
        assert (old.process.euid, old.process.user_ns, old.namespaces) == (None, None, None)
        assert (old.argv, old.process.ancestors) == (new.argv, new.process.ancestors)
        assert old.process.cgroup == new.process.cgroup
    if isinstance(old, ApiConnect | ApiRequest):
        assert old.listener is None
    if isinstance(old, ApiRequest):
        assert (old.connection, old.offset, old.length) == (None, None, None)


def test_an_exit_of_a_command_names_its_process() -> None:
    data = pack(RecordKind.COMMAND_EXIT, status=256, argv=b"", v2=[])
    assert decode(data) == CommandExit(5, 1 << 48 | 7, ProcessKey(101, 4), 256)


@pytest.mark.parametrize(
    ("v1", "v2", "path"), [([b"a"], [b"b"], "/a"), ([], [b"b"], "/b"), ([], [], "/")]
)
def test_a_birth_shows_the_new_cgroups_path(v1: list[bytes], v2: list[bytes], path: str) -> None:
    seen = decode(pack(RecordKind.CGROUP_BIRTH, lineage=3, v1=v1, v2=v2))
    assert isinstance(seen, CgroupBirth)
    assert (seen.path, seen.maker.key.pid, seen.argv) == (path, 101, ("sleep", "1"))


def test_a_process_without_a_founder_has_no_root() -> None:
    seen = decode(pack(lineage=4, root=(0, 0)))
    assert isinstance(seen, InitExec)
    assert seen.root is None


MALFORMED = {
    "empty": b"",
    "short": pack()[: FIXED_BEFORE.size - 1],
    "without what was added": pack(argv=b"", v2=[])[: FIXED.size - 8],
    "cut": pack()[:-1],
    "longer than it says": pack() + b"x",
    "shorter than it says": pack(size=10_000),
    "another layout": pack(layout=layout.LAYOUT + 1),
    "kind 0": pack(0),
    "unknown kind": pack(max(RecordKind) + 1),
    "unknown lineage": pack(lineage=9),
    "no lineage": pack(lineage=0),
    "unknown role": pack(RecordKind.COMMAND_EXEC, role=9),
    "no role": pack(RecordKind.COMMAND_EXEC, role=0),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_does_not_follow_the_layout_is_refused(data: bytes) -> None:
    with pytest.raises(RecordMalformed) as caught:
        decode(data)
    assert caught.value.problem
    assert caught.value.fix


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.binary(min_size=FIXED.size, max_size=FIXED.size + 99)))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RecordMalformed):
        decode(data)


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_a_damaged_record_is_refused_or_decoded_and_never_raises_anything_else(
    data: st.DataObject,
) -> None:
    kind = data.draw(st.sampled_from(RecordKind))
    good = bytearray(pack(kind, role=1, ancestors=[(1, 2, b"runc", b"runc")], v1=[b"web"]))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        seen = decode(bytes(good))
    except RecordMalformed:
        return
    assert isinstance(seen, KernelObservation)


def test_sequence_numbers_of_all_processors_differ() -> None:
    seen = [decode(pack(cpu=cpu, sequence=n)) for cpu in range(4) for n in range(1, 5)]
    assert len({one.sequence for one in seen if isinstance(one, InitExec)}) == 16
