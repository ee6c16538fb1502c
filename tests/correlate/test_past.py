"""What is remembered of those who asked engines for something: by process, and bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate import past
from sensor.correlate.authority import HOST_ROOT, Answer, Origin, Standing
from sensor.correlate.client_command import Request
from sensor.correlate.naming import Names
from sensor.correlate.past import (
    AUDIT_EARLY,
    CLIENT_WINDOW,
    CONNECTS_MAX,
    REQUESTS_MAX,
    SAME_PROCESS,
    Behind,
    Client,
    RecentPast,
)
from sensor.correlate.places import Places
from sensor.identity import cgroup
from sensor.model.observations import ApiAnswer, ApiConnect, ApiHop, ApiRequest, ConnectionClosed
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import Witness
from tests.correlate.scenario import (
    DOCKER_SOCKET,
    MS,
    WEB,
    ancestor,
    audited,
    caller,
    connects,
    ns,
    requests,
    talks,
    typed,
)

CLIENT = typed(0, "docker start web", 50)
SAME = SAME_PROCESS / MS
EARLY = AUDIT_EARLY / MS


@pytest.fixture
def log() -> RecentPast:
    made = RecentPast(Places(cgroup.parse).origin_of_caller)
    made.add_client(CLIENT, HOST_ROOT)
    return made


def only(log: RecentPast) -> Client:
    client = log.client_of(50, ns(0), ns(0))
    assert client is not None
    return client


# ------------------------------------------------------------------ one process or another

PROCESSES = {
    "same": (50, ns(0), ns(3), True),
    "same-much-later": (50, ns(0), ns(100 * SAME), True),
    "another-start-time": (50, ns(9000), ns(9001), False),
    "another-pid": (51, ns(0), ns(3), False),
    "audit-soon": (50, None, ns(SAME), True),
    "audit-late": (50, None, ns(SAME + 1), False),
    "audit-long-before": (50, None, ns(-SAME - 1), False),
}


@pytest.mark.parametrize(("pid", "born", "time", "same"), PROCESSES.values(), ids=PROCESSES)
def test_a_client_is_known_by_pid_and_start_time(
    log: RecentPast, pid: int, born: int | None, time: int, *, same: bool
) -> None:
    found = log.client_of(pid, born, time)
    assert (found.exec if found is not None else None) == (CLIENT if same else None)


def test_the_latest_client_of_a_pid_counts(log: RecentPast) -> None:
    later = typed(9000, "docker ps", 50)
    log.add_client(later, HOST_ROOT)
    found = log.client_of(50, ns(9000), ns(9001))
    assert found is not None
    assert found.exec is later
    assert log.client_of(50, ns(0), ns(9001)) is None


RECORDS = {
    "at-once": (0.0, True),
    "a-little-early": (-EARLY, True),
    "too-early": (-EARLY - 1, False),
    "late": (SAME, True),
    "too-late": (SAME + 1, False),
}


@pytest.mark.parametrize(("at", "joined"), RECORDS.values(), ids=RECORDS)
def test_audit_is_joined_by_pid_and_time(log: RecentPast, at: float, *, joined: bool) -> None:
    record, connect = audited(at, 50), connects(at, caller(50, None), witness=Witness.AUDIT)
    for others in (audited(at, 51), audited(at, 49)):
        log.add_audit(others)
    log.add_audit(record)
    log.add_connect(connect)
    assert log.audit_of(CLIENT) == (record if joined else None)
    assert log.connects_of(only(log)) == ((connect,) if joined else ())


def test_a_process_born_in_the_same_tick_is_the_same(log: RecentPast) -> None:
    """The start times of procfs are told in ticks of 10 ms."""
    near, far = connects(3, caller(50, 1)), connects(4, caller(50, 10))
    log.add_connect(near)
    log.add_connect(far)
    assert log.connects_of(only(log)) == (near,)


# ------------------------------------------------------------------ stretches of time


def test_stretches_of_time_include_both_ends_and_go_backwards(log: RecentPast) -> None:
    made = [connects(at, caller(70 + at)) for at in range(5)]
    for connect in made:
        log.add_connect(connect)
    assert list(log.connects(ns(1), ns(3))) == made[3:0:-1]


def test_requests_that_name_nothing_are_not_kept(log: RecentPast) -> None:
    log.add_request(requests(0, caller(70), "GET /v1.43/containers/json"))
    log.add_request(requests(1, caller(70), "POST /containers/web/start"))
    log.add_request(requests(2, caller(70), "POST /containers/create?name=web"))
    found = log.requests(Names(WEB.id, "web"), ns(0), ns(9))
    assert [asked.call.targets for asked in found] == [("web",)]


@pytest.mark.parametrize("target", ["web", "/web", WEB.id, WEB.id[:12], WEB.id[:1]])
def test_requests_are_found_by_whatever_they_call_a_container(log: RecentPast, target: str) -> None:
    log.add_request(requests(0, caller(70), f"POST /containers/{target}/start"))
    log.add_request(requests(1, caller(71), f"POST /containers/{target}/start"))
    log.add_request(requests(2, caller(72), "POST /containers/other/start"))
    names = Names(WEB.id, "web")
    found = [asked.caller.pid for asked in log.requests(names, ns(0), ns(9))]
    assert found == [71, 70]
    assert not list(log.requests(names, ns(2), ns(9)))


def test_requests_are_bounded_and_the_oldest_forgotten(log: RecentPast) -> None:
    for number in range(REQUESTS_MAX + 1):
        log.add_request(requests(number, caller(70, uid=0), "POST /containers/web/start"))
        log.add_request(requests(number, caller(71), "POST /containers/web/start"))
    found = list(log.requests(Names(WEB.id, "web"), 0, ns(REQUESTS_MAX + 1)))
    of_root = [one for one in found if one.caller.pid == 70]
    assert len(of_root) == REQUESTS_MAX
    assert len(found) - len(of_root) == REQUESTS_MAX // 8
    found = of_root
    assert found[-1].time == ns(1)


# ------------------------------------------------------------------ bounds


def test_connections_are_bounded(log: RecentPast) -> None:
    for number in range(CONNECTS_MAX + 10):
        log.add_connect(connects(number / 1000, caller(1000 + number, uid=0)))
        log.add_connect(connects(number / 1000, caller(9000 + number)))
    kept = [one for one in log.connects(0, ns(10_000)) if one.caller.pid < 9000]
    assert len(kept) == CONNECTS_MAX
    assert kept[-1].caller.pid == 1010


def test_clients_are_bounded_and_a_users_own_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(past, "CLIENTS_MAX", 16)
    log = RecentPast(Places(cgroup.parse).origin_of_caller)
    log.add_client(CLIENT, HOST_ROOT)
    for number in range(100):
        log.add_client(typed(number, "docker start web", 100 + number), Origin(1001))
    assert only(log).exec is CLIENT
    assert len(log.clients(0, ns(1000))) == 3, "an eighth of root's, and root's one"


# ------------------------------------------------------------------ clients


def asked(
    log: RecentPast, *, since: float = 0, until: float = 100, name: str | None = "web"
) -> str:
    names = Names(WEB.id, name)
    found = log.asked_by_command(Request.START, names, ns(since), ns(until))
    return "" if found is None else " ".join(found.exec.argv)


@pytest.fixture
def empty() -> RecentPast:
    return RecentPast(Places(cgroup.parse).origin_of_caller)


@pytest.mark.parametrize("target", ["web", WEB.id, WEB.id[:12], WEB.id[:1]])
def test_a_container_is_named_by_name_id_or_prefix(empty: RecentPast, target: str) -> None:
    empty.add_client(typed(50, f"docker start {target}"), HOST_ROOT)
    assert asked(empty)


@pytest.mark.parametrize("target", ["we", "webs", "WEB", WEB.id + "0", WEB.id[1:12], "x"])
def test_other_words_name_other_containers(empty: RecentPast, target: str) -> None:
    empty.add_client(typed(50, f"docker start {target}"), HOST_ROOT)
    assert not asked(empty)


def test_a_container_without_a_name_has_none(empty: RecentPast) -> None:
    empty.add_client(typed(50, "docker start web"), HOST_ROOT)
    assert not asked(empty, name=None)


def test_the_latest_fitting_command_is_found(empty: RecentPast) -> None:
    for pid, line in enumerate(
        ["docker start web", "podman start web", "docker restart web", "docker start db"]
    ):
        empty.add_client(typed(50, line, pid), HOST_ROOT)
    assert asked(empty) == "podman start web"


@pytest.mark.parametrize(("at", "found"), [(-1, False), (0, True), (100, True), (101, False)])
def test_only_commands_between_since_and_until_count(
    empty: RecentPast, at: float, *, found: bool
) -> None:
    empty.add_client(typed(at, "docker start web"), HOST_ROOT)
    assert bool(asked(empty)) is found


def test_commands_of_long_ago_explain_nothing(empty: RecentPast) -> None:
    empty.add_client(typed(0, "docker start web"), HOST_ROOT)
    window = CLIENT_WINDOW / MS
    assert asked(empty, since=0, until=window)
    assert not asked(empty, since=0, until=window + 1)


def test_a_client_that_ended_before_is_not_among_those_that_waited(empty: RecentPast) -> None:
    early, late = typed(0, "docker run -d a", 60), typed(1, "docker run -d b", 61)
    empty.add_client(early, HOST_ROOT)
    empty.add_client(late, HOST_ROOT)
    assert empty.end(early.process.key, ns(40))
    assert empty.end(late.process.key, ns(60))
    assert not empty.end(WEB.runtime.key, ns(60))
    assert [one.exec.argv[-1] for one in empty.clients(ns(0), ns(50))] == ["b"]


def test_the_outermost_client_of_one_request_is_its_head(empty: RecentPast) -> None:
    """compose-v2-up: the plugin is the child of the command that was typed."""
    outer = empty.add_client(typed(0, "docker compose up -d", 60), HOST_ROOT)
    plugin = typed(1, "docker-compose compose up -d", 61, above=(ancestor("docker", 60, 0),))
    inner = empty.add_client(plugin, HOST_ROOT)
    assert empty.head_of(inner) is outer
    assert empty.head_of(outer) is outer
    other = typed(2, "docker-compose compose up -d", 62, above=(ancestor("docker", 60, 5),))
    alone = empty.add_client(other, HOST_ROOT)
    assert empty.head_of(alone) is alone, "another process has had that pid"


# ------------------------------------------------------------------ who was let in


def test_a_client_that_connected_reached_an_engine_and_others_did_not(empty: RecentPast) -> None:
    """sec-forged-client-is-exact."""
    real, fake = typed(0, "docker start web", 60), typed(0, "docker start web", 61)
    one, two = empty.add_client(real, HOST_ROOT), empty.add_client(fake, Origin(1001))
    assert empty.standing(one) is Standing.UNKNOWN, "no connect was ever seen here"
    empty.add_connect(talks(real))
    assert empty.standing(one) is Standing.OWNER
    assert empty.standing(two) is Standing.STRANGER


def test_a_connect_of_which_it_is_not_known_whether_it_was_let_in_proves_nothing(
    empty: RecentPast,
) -> None:
    exec_ = typed(0, "docker start web", 60)
    client = empty.add_client(exec_, HOST_ROOT)
    empty.add_connect(replace(talks(exec_), confirmed=False))
    assert empty.standing(client) is Standing.UNKNOWN


def test_what_a_child_connects_is_its_clients_connection(empty: RecentPast) -> None:
    outer = typed(0, "docker compose up", 60)
    client = empty.add_client(outer, HOST_ROOT)
    plugin = caller(61, 1, comm="docker-buildx", above=(ancestor("docker", 60, 0),))
    empty.add_connect(connects(2, plugin))
    assert empty.standing(client) is Standing.OWNER


# ------------------------------------------------------------------ answers


def followed(at: float, connection: int = 7) -> ApiConnect:
    return replace(connects(at, caller(70)), connection=connection)


def request(at: float, line: str, *, offset: int = 0, connection: int = 7) -> ApiRequest:
    text = f"{line} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"
    return replace(requests(at, caller(70), text.encode()), connection=connection, offset=offset)


def answer(at: float, status: str, connection: int = 7) -> ApiAnswer:
    text = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    return ApiAnswer(ns(at), f"ref:{at:g}", connection, DOCKER_SOCKET, text, offset=0)


START = "POST /v1.41/containers/web/start"
AFTERWARDS: dict[str, tuple[list[ApiAnswer | ConnectionClosed], Answer]] = {
    "nothing-yet": ([], Answer.WAITED),
    "accepted-afterwards": ([answer(20, "204 No Content")], Answer.WAITED),
    "accepted-before": ([answer(5, "204 No Content")], Answer.DONE),
    "refused": ([answer(5, "400 Bad Request")], Answer.REFUSED),
    "refused-afterwards": ([answer(20, "500 Internal Server Error")], Answer.REFUSED),
    "no-such-container": ([answer(5, "404 Not Found")], Answer.REFUSED),
    "closed-before": ([ConnectionClosed(ns(5), "r", 7)], Answer.DONE),
    "closed-afterwards": ([ConnectionClosed(ns(20), "r", 7)], Answer.WAITED),
}


@pytest.mark.parametrize(("then", "expected"), AFTERWARDS.values(), ids=AFTERWARDS)
def test_a_request_counts_by_what_became_of_it(
    empty: RecentPast, then: list[ApiAnswer | ConnectionClosed], expected: Answer
) -> None:
    """sec-refused-request-is-exact."""
    empty.add_connect(followed(0))
    empty.add_request(request(1, START))
    for one in then:
        if isinstance(one, ApiAnswer):
            empty.add_answer(one)
        else:
            empty.add_closed(one)
    (found,) = empty.requests(Names(WEB.id, "web"), 0, ns(100))
    assert found.answer(ns(10)) is expected


def test_a_request_in_two_segments_is_one(empty: RecentPast) -> None:
    """sec-refused-request-is-exact: "P", and a moment later the rest."""
    empty.add_connect(followed(0))
    whole = request(2, START)
    empty.add_request(replace(whole, time=ns(1), payload=whole.payload[:1], offset=0))
    empty.add_request(replace(whole, payload=whole.payload[1:], offset=1))
    assert len(list(empty.requests(Names(WEB.id, "web"), 0, ns(100)))) == 1


POLLS: dict[str, tuple[list[object], bool]] = {
    "asked-nothing-that-starts": ([followed(0)], False),
    "asked-for-a-start": ([followed(0), request(1, START)], True),
    "could-not-be-read": ([followed(0), replace(request(1, START), payload=b"")], True),
    "ended-before": ([followed(0), request(1, START), ConnectionClosed(ns(5), "r", 7)], False),
    "is-not-followed": ([connects(0, caller(70))], True),
    "stopped-something": ([followed(0), request(1, "POST /containers/web/stop")], False),
}


@pytest.mark.parametrize(("story", "suspect"), POLLS.values(), ids=POLLS)
def test_a_connection_that_asked_for_no_start_is_no_suspect(
    empty: RecentPast, story: list[object], *, suspect: bool
) -> None:
    """monitor-that-polls."""
    for one in story:
        if isinstance(one, ApiConnect):
            empty.add_connect(one)
        elif isinstance(one, ApiRequest):
            empty.add_request(one)
        else:
            assert isinstance(one, ConnectionClosed)
            empty.add_closed(one)
    assert bool(list(empty.connects(0, ns(10)))) is suspect


# ------------------------------------------------------------------ relays


def test_who_is_connected_to_a_relay_is_behind_it(empty: RecentPast) -> None:
    """relay-to-the-socket."""
    relay = caller(80, -100, comm="socat")
    behind = caller(81, 0, comm="docker")
    hop = ApiHop(ns(2), Witness.KERNEL, "r", ProcessKey(80, ns(-100)), behind, "tcp:127.0.0.1:2375")
    exec_ = typed(0, "docker start web", 81)
    client = empty.add_client(exec_, HOST_ROOT)
    empty.add_connect(connects(1, relay))
    assert empty.standing(client) is Standing.STRANGER
    empty.add_hop(hop)
    assert empty.behind(relay, ns(3)) == Behind((hop,))
    assert empty.standing(client) is Standing.OWNER
    assert empty.behind(caller(80, 5, comm="socat"), ns(3)) == Behind(), (
        "another process of that pid"
    )
