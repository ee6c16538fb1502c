"""Whole events testify to execs of watched programs and to connects to engines, and to no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.model.api_calls import ApiConnect
from sensor.model.vocabulary import Witness
from sensor.model.witness_records import AuditExec, EngineConfigWritten, ManifestWritten
from sensor.sources.audit.assembly import Assembler, AuditEvent, Ending
from sensor.sources.audit.fields import FieldParser
from sensor.sources.audit.programs import Programs
from sensor.sources.audit.record import AuditRecord, from_line
from sensor.sources.audit.witness import AuditWitness, Statement
from tests.sources.audit.audit_text import corpus, line, record, syscall

pytest.importorskip("auparse", reason="needs python3-audit and the system's Python")

ENGINE = "/var/run/docker.sock"
SADDR = "01002F7661722F72756E2F646F636B65722E736F636B00"


def start_of(pid: int, before: int) -> int | None:
    return before - 5 if pid == 42 else None


PARSER = FieldParser()


def witness(*watched: str) -> AuditWitness:
    programs = Programs(watched or ("docker", "docker-compose", "containerd-shim", "ctr"))
    return AuditWitness(PARSER, programs, lambda path: path == ENGINE, start_of)


def statement_of(*records: AuditRecord, cut: bool = False) -> Statement:
    event = AuditEvent(records[0].stamp, records, Ending.EOE, cut)
    return witness().statement_of(event, realtime_offset=400_000_000_000)


def exec_of(*records: AuditRecord) -> AuditExec:
    found = statement_of(*records).testimony
    assert isinstance(found, AuditExec)
    return found


EXECVE = record("EXECVE", 'argc=3 a0="docker" a1="start" a2=612062')


def test_an_exec_carries_the_person_and_the_command() -> None:
    found = exec_of(
        syscall(),
        EXECVE,
        record("CWD", 'cwd="/home/ann"'),
        record("PATH", 'item=0 name="/usr/bin/docker" inode=1'),
        record("PATH", 'item=1 name="/lib64/ld-linux-x86-64.so.2" inode=2'),
        record("PROCTITLE", "proctitle=74696D656F7574"),
    )
    assert found.time == 600_000_000_000
    assert found.ref == "1000.000:1"
    assert found.key == "castoff_client"
    assert found.success
    caller = found.caller
    assert (caller.pid, caller.parent, caller.start_time) == (42, 41, 599_999_999_995)
    assert (caller.uid, caller.loginuid, caller.session) == (0, 4242, 7)
    assert (caller.comm, caller.exe, caller.tty) == ("docker", "/usr/bin/docker", "pts1")
    assert caller.argv == ("docker", "start", "a b")
    assert caller.cwd == "/home/ann"


def test_what_is_unset_is_none() -> None:
    caller = exec_of(syscall(auid="4294967295", ses="4294967295", tty="(none)"), EXECVE).caller
    assert (caller.loginuid, caller.session, caller.tty, caller.cwd) == (None, None, None, None)


def test_a_key_of_another_user_changes_nothing() -> None:
    found = exec_of(syscall(key="(null)"), EXECVE)
    assert found.key is None
    found = exec_of(syscall(key="6369735F646F636B657201636173746F66665F636C69656E74"), EXECVE)
    assert found.key == "cis_docker,castoff_client"


@pytest.mark.parametrize(
    "records",
    [
        (syscall(exe='"/"', comm='"x"'), EXECVE),
        (syscall(exe='"/x (deleted)"'), record("EXECVE", 'argc=1 a0="/opt/bin/ctr"')),
        (
            syscall(exe="2F62696E2F646F636B6572202864656C6574656429"),
            record("EXECVE", 'argc=1 a0="x"'),
        ),
        (
            syscall(exe='"/usr/bin/python3.11"'),
            record("EXECVE", 'argc=2 a0="/usr/bin/python3" a1="/usr/bin/docker-compose"'),
            record("PATH", 'item=0 name="/usr/bin/docker-compose"'),
        ),
        (
            syscall(exe='"/usr/bin/containerd-shim-runc-v2"'),
            record("EXECVE", 'argc=1 a0="x"'),
        ),
        (syscall(322), EXECVE),
        (syscall(11, arch="40000003"), EXECVE),
        (syscall(1, arch="c00000ff"), EXECVE),
    ],
    ids=["argv0", "argv0 path", "deleted exe", "script", "prefix", "execveat", "i386", "new arch"],
)
def test_a_program_is_watched_by_any_of_its_names(records: tuple[AuditRecord, ...]) -> None:
    assert isinstance(statement_of(*records).testimony, AuditExec)


def test_other_programs_are_not_reported_even_under_our_key() -> None:
    other = statement_of(syscall(exe='"/bin/true"'), record("EXECVE", 'argc=1 a0="true"'))
    assert other == Statement()


def test_a_failed_exec_is_reported_by_the_path_that_was_tried() -> None:
    found = exec_of(
        syscall(success="no", exit="-13", exe='"/bin/bash"'),
        record("PATH", 'item=0 name="/usr/bin/docker"'),
    )
    assert not found.success
    assert found.caller.argv is None
    assert (
        statement_of(syscall(success="no"), record("PATH", 'item=0 name="/bin/x"')) == Statement()
    )


@pytest.mark.parametrize(
    "records",
    [
        (syscall(), record("EXECVE", 'argc=3 a0="docker" a1="start"')),
        (syscall(), record("EXECVE", 'argc=3 a0="docker" a1="start" a2="we')),
        (syscall(),),
    ],
    ids=["missing argument", "cut argument", "no EXECVE"],
)
def test_a_partial_exec_is_reported_without_its_arguments(records: tuple[AuditRecord, ...]) -> None:
    statement = statement_of(*records)
    assert statement.partial
    assert isinstance(statement.testimony, AuditExec)
    assert statement.testimony.caller.argv is None
    assert statement.testimony.caller.loginuid == 4242


def test_an_exec_without_its_call_is_partial() -> None:
    assert statement_of(EXECVE) == Statement(None, partial=True)
    cut = record("SYSCALL", "arch=c000003e syscall=59 success=yes exi")
    assert statement_of(cut, EXECVE) == Statement(None, partial=True)


def test_a_connect_to_an_engine_names_the_caller() -> None:
    found = statement_of(
        syscall(42, exe='"/usr/bin/python3.11"', comm='"python3"'),
        record("SOCKADDR", f"saddr={SADDR}"),
        record("CWD", 'cwd="/root"'),
    ).testimony
    assert isinstance(found, ApiConnect)
    assert found.socket == ENGINE
    assert found.witness is Witness.AUDIT
    assert (found.caller.loginuid, found.caller.exe) == (4242, "/usr/bin/python3.11")
    assert found.caller.argv is None


def test_a_relative_socket_path_is_resolved() -> None:
    saddr = "0100" + b"../run/docker.sock\0".hex().upper()
    found = statement_of(
        syscall(42), record("SOCKADDR", f"saddr={saddr}"), record("CWD", 'cwd="/var/lib"')
    ).testimony
    assert isinstance(found, ApiConnect)
    assert found.socket == ENGINE


def test_our_key_knows_an_engine_under_another_path() -> None:
    saddr = record("SOCKADDR", f"saddr=0100{b'/sock'.hex().upper()}")
    assert isinstance(statement_of(syscall(42, key='"castoff_api"'), saddr).testimony, ApiConnect)
    assert statement_of(syscall(42, key='"other"'), saddr) == Statement()


@pytest.mark.parametrize(
    "records",
    [
        (syscall(42), record("SOCKADDR", "saddr=02000050A9FEA9FE0000000000000000")),
        (syscall(42, success="no", exit="-111"), record("SOCKADDR", f"saddr={SADDR}")),
        (syscall(49), record("SOCKADDR", f"saddr={SADDR}")),
        (syscall(102, arch="40000003", a0="2"), record("SOCKADDR", f"saddr={SADDR}")),
    ],
    ids=["internet", "refused", "bind", "socketcall bind"],
)
def test_what_is_not_a_connect_to_an_engine_is_left_out(records: tuple[AuditRecord, ...]) -> None:
    assert statement_of(*records) == Statement()


def test_a_connect_without_its_address_is_partial() -> None:
    assert statement_of(syscall(42)).partial


def test_the_corpora_hold_one_watched_program_each() -> None:
    for name in ("normal.log", "out_of_order.log", "lost_messages.log"):
        assembler = Assembler()
        for raw in corpus(name).read_bytes().splitlines():
            found = from_line(raw)
            assert found is not None
            assembler.push(found, 0)
        heard = [witness("grep").statement_of(event, 0) for event in assembler.flush()]
        execs = [s.testimony for s in heard if isinstance(s.testimony, AuditExec)]
        assert [e.caller.argv for e in execs] == [("grep", "--color=auto", "mapping")]
        assert execs[0].caller.cwd == "/home/andrew_kroh"
        assert not any(statement.partial for statement in heard)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["SYSCALL", "EXECVE", "SOCKADDR", "CWD", "PATH"]),
            st.binary(max_size=60)
            | st.sampled_from(
                [
                    b"arch=c000003e syscall=59 success=yes a0=1 pid=1 exe=",
                    b'argc=1 a0="docker" a0="x',
                    b"saddr=0100",
                    b"item=0 name=",
                ]
            ),
            st.binary(max_size=20),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_bytes_are_survived(parts: list[tuple[str, bytes, bytes]]) -> None:
    records = [from_line(line(kind, "") + text + end) for kind, text, end in parts]
    statement_of(*(found for found in records if found is not None))


def test_control_characters_stay_in_the_data() -> None:
    found = exec_of(syscall(), record("EXECVE", 'argc=2 a0="docker" a1=1B5B33316DFF'))
    assert found.caller.argv == ("docker", "\x1b[31m\udcff")


MANIFESTS = "/etc/kubernetes/manifests"


def written(*paths: str, cwd: str = "/root", **call: str) -> Statement:
    """Return what a write below kubelet's directory says, with its PATH records."""
    return called(257, *paths, cwd=cwd, **call)


def called(number: int, *paths: str, cwd: str = "/root", **call: str) -> Statement:
    fields = {"comm": '"vi"', "exe": '"/usr/bin/vi"', "key": '"castoff_manifest"'} | call
    return statement_of(
        syscall(number, 1, **fields),
        record("CWD", f'cwd="{cwd}"'),
        *(record("PATH", f"item={item} {path}") for item, path in enumerate(paths)),
    )


PARENT = f'name="{MANIFESTS}/" inode=7 nametype=PARENT'


@pytest.mark.parametrize(
    ("paths", "cwd", "path"),
    [
        ((PARENT, f'name="{MANIFESTS}/web.yaml" nametype=CREATE'), "/root", "web.yaml"),
        ((f'name="{MANIFESTS}/web.yaml" inode=8 nametype=NORMAL',), "/root", "web.yaml"),
        ((PARENT, 'name="./web.yaml" nametype=CREATE'), MANIFESTS, "web.yaml"),
        (
            (
                'name="/tmp" nametype=PARENT',
                PARENT,
                'name="/tmp/x" nametype=DELETE',
                f'name="{MANIFESTS}/x.yaml" nametype=CREATE',
            ),
            "/root",
            "x.yaml",
        ),
    ],
    ids=["created", "opened", "relative", "moved there"],
)
def test_a_write_of_a_manifest_names_file_and_login(
    paths: tuple[str, ...], cwd: str, path: str
) -> None:
    found = written(*paths, cwd=cwd).testimony
    assert isinstance(found, ManifestWritten)
    assert found.path == f"{MANIFESTS}/{path}"
    assert (found.caller.pid, found.caller.loginuid, found.caller.uid) == (42, 4242, 0)


def test_several_keys_of_a_write_are_read() -> None:
    both = b"other\x01castoff_manifest".hex().upper()
    found = written(f'name="{MANIFESTS}/web.yaml" nametype=NORMAL', key=both).testimony
    assert isinstance(found, ManifestWritten)


def test_a_write_of_an_engines_configuration_names_file_and_login() -> None:
    path = "/etc/docker/daemon.json"
    found = written(f'name="{path}" nametype=NORMAL', key='"castoff_config"').testimony
    assert isinstance(found, EngineConfigWritten)
    assert (found.path, found.caller.loginuid) == (path, 4242)


NAMED = {"comm": '"castoff_manifest"', "key": "(null)"}


@pytest.mark.parametrize(
    ("path", "call"),
    [
        (f'name="{MANIFESTS}/web.yaml" nametype=DELETE', {}),
        (f'name="{MANIFESTS}/web.yaml" nametype=CREATE', {"success": "no"}),
        (f'name="{MANIFESTS}/web.yaml" nametype=CREATE', {"key": '"castoff_engine"'}),
        (f'name="{MANIFESTS}/web.yaml" nametype=CREATE', NAMED),
    ],
    ids=["removed", "refused", "another rule", "a command of its name"],
)
def test_what_is_not_a_write_of_a_manifest_is_left_out(path: str, call: dict[str, str]) -> None:
    assert written(PARENT, path, **call).testimony is None


@pytest.mark.parametrize("number", [90, 268, 280], ids=["chmod", "fchmodat", "utimensat"])
def test_a_change_of_a_manifest_s_attributes_is_not_a_write(number: int) -> None:
    assert called(number, f'name="{MANIFESTS}/web.yaml" nametype=NORMAL').testimony is None
