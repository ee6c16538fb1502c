"""Who may speak of a container: each actor against each owner, answers, connects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.authority import (
    HOST_PID_NS,
    HOST_ROOT,
    HOST_USER_NS,
    ActorStanding,
    Origin,
    RequestFate,
    answer_at,
    engine_standing,
    login_slice_of,
    may_ask,
    owner_by_cgroup,
    owner_of_scope,
    standing,
)
from sensor.correlate.containers import container_key
from sensor.model.api_calls import Listener
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import ContainerId

OUTER, INNER = ContainerId("0" * 64), ContainerId("1" * 64)
ROOT = Origin(0, HOST_USER_NS)
USER_NS = 4026532999
OWNER, STRANGER, UNKNOWN = ActorStanding.OWNER, ActorStanding.STRANGER, ActorStanding.UNKNOWN

TABLE = {
    "root-of-roots": (ROOT, ROOT, OWNER),
    "root-of-a-users": (ROOT, Origin(1000), OWNER),
    "root-of-what-is-in-a-container": (ROOT, Origin(0, None, (OUTER,)), OWNER),
    "root-of-an-unknown": (ROOT, None, OWNER),
    "root-where-no-namespace-is-reported": (HOST_ROOT, ROOT, OWNER),
    "a-user-of-roots": (Origin(1000), ROOT, STRANGER),
    "a-user-of-their-own": (Origin(1000), Origin(1000), OWNER),
    "a-user-in-another-namespace-of-theirs": (Origin(1000, USER_NS), Origin(1000, 1), OWNER),
    "a-user-of-anothers": (Origin(1001), Origin(1000), STRANGER),
    "a-user-of-an-unknown": (Origin(1000), None, UNKNOWN),
    "root-of-a-user-namespace-of-roots": (Origin(0, USER_NS), ROOT, STRANGER),
    "root-of-that-namespace": (Origin(0, USER_NS), Origin(0, USER_NS), OWNER),
    "root-in-a-container-of-the-hosts": (Origin(0, HOST_USER_NS, (OUTER,)), ROOT, STRANGER),
    "root-in-a-container-of-its-own": (
        Origin(0, HOST_USER_NS, (OUTER,)), Origin(0, HOST_USER_NS, (OUTER,)), OWNER
    ),
    "root-in-a-container-of-anothers": (
        Origin(0, HOST_USER_NS, (INNER,)), Origin(0, HOST_USER_NS, (OUTER,)), STRANGER
    ),
    "root-of-a-user-namespace-in-the-same-container": (
        Origin(0, USER_NS, (OUTER,)), Origin(0, HOST_USER_NS, (OUTER,)), STRANGER
    ),
    "root-of-the-container-around": (
        Origin(0, HOST_USER_NS, (OUTER,)), Origin(0, HOST_USER_NS, (OUTER, INNER)), OWNER
    ),
    "a-user-of-the-container-around": (
        Origin(1000, None, (OUTER,)), Origin(1000, None, (OUTER, INNER)), STRANGER
    ),
    "root-in-the-container-within": (
        Origin(0, None, (OUTER, INNER)), Origin(0, None, (OUTER,)), STRANGER
    ),
    "a-user-in-a-container-of-the-same-number-outside": (
        Origin(1000, None, (OUTER,)), Origin(1000), STRANGER
    ),
    "nothing-known-of-the-actor": (None, ROOT, UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize(("actor", "owner", "answer"), TABLE.values(), ids=TABLE)
def test_what_an_actor_is_to_a_container(
    actor: Origin | None, owner: Origin | None, answer: ActorStanding
) -> None:
    assert standing(actor, owner) is answer


ORIGINS = st.builds(
    Origin,
    st.sampled_from([0, 1000, 1001]),
    st.sampled_from([None, HOST_USER_NS, USER_NS]),
    st.sampled_from([(), (OUTER,), (OUTER, INNER), (INNER,)]),
)


@given(ORIGINS, ORIGINS)
def test_who_owns_root_of_the_hosts_containers_is_root_of_the_host(
    actor: Origin, owner: Origin
) -> None:
    assert standing(actor, actor) is OWNER
    if owner.privileged and standing(actor, owner) is OWNER:
        assert actor.privileged
    if actor.domain != owner.domain and not actor.privileged and not actor.inside:
        assert standing(actor, owner) is STRANGER


NESTED_PID_NS = 4026532777


def engine(uid: int = 0, user_ns: int = HOST_USER_NS, pid_ns: int = HOST_PID_NS) -> Listener:
    return Listener(uid, user_ns, pid_ns, privileged=uid == 0 and user_ns == HOST_USER_NS)


IN_OUTER = Origin(0, HOST_USER_NS, (OUTER,))
# who listens, the container's owner, the pid namespace of its runtime
ENGINES: dict[str, tuple[Listener, Origin | None, int | None, ActorStanding]] = {
    "roots-of-roots": (engine(), ROOT, HOST_PID_NS, OWNER),
    "roots-of-a-users": (engine(), Origin(1000), HOST_PID_NS, OWNER),
    "roots-of-an-unknown": (engine(), None, None, OWNER),
    "a-users-of-roots": (engine(1000), ROOT, HOST_PID_NS, STRANGER),
    "a-users-of-their-own": (engine(1000), Origin(1000), HOST_PID_NS, OWNER),
    "a-users-rootless-of-their-own": (engine(1000, USER_NS), Origin(1000), HOST_PID_NS, OWNER),
    "a-users-of-anothers": (engine(1000), Origin(1001), HOST_PID_NS, STRANGER),
    "a-users-of-an-unknown": (engine(1000), None, None, UNKNOWN),
    "root-of-a-user-namespace-of-roots": (engine(0, USER_NS), ROOT, HOST_PID_NS, STRANGER),
    "root-without-rights-of-roots": (
        Listener(0, HOST_USER_NS, HOST_PID_NS, privileged=False), ROOT, HOST_PID_NS, STRANGER
    ),
    "in-a-container-of-roots": (engine(pid_ns=NESTED_PID_NS), ROOT, HOST_PID_NS, STRANGER),
    "in-a-pid-namespace-of-what-was-made-there": (
        engine(pid_ns=NESTED_PID_NS), ROOT, NESTED_PID_NS, UNKNOWN
    ),
    "in-a-container-of-a-users": (
        engine(pid_ns=NESTED_PID_NS), Origin(1000), HOST_PID_NS, STRANGER
    ),
    "in-a-container-of-what-is-in-it": (
        engine(pid_ns=NESTED_PID_NS), IN_OUTER, NESTED_PID_NS, UNKNOWN
    ),
    "in-a-container-of-what-is-in-another": (
        engine(pid_ns=NESTED_PID_NS), IN_OUTER, NESTED_PID_NS + 1, STRANGER
    ),
    "a-users-of-what-is-in-a-container": (engine(1000), IN_OUTER, NESTED_PID_NS, STRANGER),
    "at-a-port-of-a-users": (Listener(1000), ROOT, HOST_PID_NS, STRANGER),
    "at-a-port-of-roots": (Listener(0), ROOT, HOST_PID_NS, UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize(("listener", "owner", "pid_ns", "answer"), ENGINES.values(), ids=ENGINES)
def test_an_engine_speaks_for_the_containers_that_it_can_have_made(
    listener: Listener, owner: Origin | None, pid_ns: int | None, answer: ActorStanding
) -> None:
    assert engine_standing(listener, owner, pid_ns) is answer


@given(
    st.builds(
        Listener,
        st.sampled_from([0, 1000]),
        st.sampled_from([None, HOST_USER_NS, USER_NS]),
        st.sampled_from([None, HOST_PID_NS, NESTED_PID_NS]),
        st.sampled_from([None, False]),
    ),
    st.sampled_from([None, HOST_PID_NS, NESTED_PID_NS]),
)
def test_no_listener_without_the_rights_of_root_speaks_for_roots_containers(
    listener: Listener, pid_ns: int | None
) -> None:
    found = engine_standing(listener, ROOT, pid_ns)
    if listener.uid != 0 or listener.privileged is False:
        assert found is STRANGER


CGROUPS = {
    "docker": (CgroupPaths(None, "/docker/x"), Origin(0)),
    "user-slice": (
        CgroupPaths(None, "/user.slice/user-1001.slice/user@1001.service/docker-x.scope"),
        Origin(1001),
    ),
    "user-slice-v1": (CgroupPaths("/user.slice/user-1001.slice/x", None), Origin(1001)),
    "a-slice-that-is-only-called-so": (CgroupPaths(None, "/user-1001.slice.d/x"), Origin(0)),
    "nothing": (None, Origin(0)),
}


@pytest.mark.parametrize(("cgroup", "owner"), CGROUPS.values(), ids=CGROUPS)
def test_a_cgroup_is_of_whom_systemd_gave_its_slice(
    cgroup: CgroupPaths | None, owner: Origin
) -> None:
    assert owner_by_cgroup(cgroup, ()) == owner


# answered, refused, closed, watched
ANSWERS: dict[str, tuple[int | None, bool, int | None, bool, RequestFate]] = {
    "refused": (5, True, None, True, RequestFate.REFUSED),
    "refused-later": (15, True, None, True, RequestFate.REFUSED),
    "answered-before": (5, False, None, True, RequestFate.DONE),
    "closed-before": (None, False, 5, True, RequestFate.DONE),
    "answered-after": (15, False, 16, True, RequestFate.WAITED),
    "open": (None, False, None, True, RequestFate.WAITED),
    "unseen": (None, False, None, False, RequestFate.UNSEEN),
}


@pytest.mark.parametrize(
    ("answered", "refused", "closed", "watched", "answer"), ANSWERS.values(), ids=ANSWERS
)
def test_what_an_answer_means_for_a_creation_at_10(
    answered: int | None, closed: int | None, answer: RequestFate, *, refused: bool, watched: bool
) -> None:
    found = answer_at(10, answered=answered, refused=refused, closed=closed, watched=watched)
    assert found is answer


@pytest.mark.parametrize(
    ("let_in", "seen", "answer"),
    [(True, True, OWNER), (True, False, OWNER), (False, True, STRANGER), (False, False, UNKNOWN)],
)
def test_a_command_line_counts_for_a_process_that_was_let_in(
    *, let_in: bool, seen: bool, answer: ActorStanding
) -> None:
    assert may_ask(let_in=let_in, connects_seen=seen) is answer


SCOPES = [
    Origin(1000),
    Origin(0, None, (OUTER,)),
    Origin(1000, None, (OUTER,)),
]


@pytest.mark.parametrize("origin", SCOPES, ids=lambda origin: str(origin.domain))
@pytest.mark.parametrize("id_", [OUTER, ContainerId("web")])
@pytest.mark.parametrize("root", [None, "/run/x: y"])
def test_an_owner_is_found_again_in_the_key_of_the_container(
    origin: Origin, id_: ContainerId, root: str | None
) -> None:
    assert owner_of_scope(container_key(id_, root, origin.domain).scope) == origin


@pytest.mark.parametrize("scope", [None, "/run/runc", "uid: x", "/uid 1000:"])
def test_every_other_scope_is_root_of_the_hosts(scope: str | None) -> None:
    assert owner_of_scope(scope) == HOST_ROOT


SLICE = "/user.slice/user-1000.slice"

SHARES = {
    "root": (ROOT, None, None),
    "a-user": (Origin(1000), "uid 1000", "uid 1000"),
    "a-user-in-the-own-slice": (Origin(1000, slice_uid=1000), "uid 1000", "uid 1000"),
    "a-subordinate-user-of-that": (
        Origin(100_001, USER_NS, slice_uid=1000), "uid 1000", "uid 1000/uid 100001"
    ),
    "in-what-that-user-calls-a-container": (
        Origin(1000, None, (OUTER,), 1000), "uid 1000", f"uid 1000/in {OUTER} uid 1000"
    ),
    "a-subordinate-user-without-a-slice": (
        Origin(100_001, USER_NS), "subordinate uids", "subordinate uids/uid 100001"
    ),
    "root-in-a-container": (
        Origin(0, HOST_USER_NS, (OUTER, INNER)), f"in {OUTER}", f"in {OUTER}/in {INNER} uid 0"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("origin", "account", "share"), SHARES.values(), ids=SHARES)
def test_what_a_user_can_have_many_of_is_a_part_of_the_users_account(
    origin: Origin, account: str | None, share: str | None
) -> None:
    assert (origin.account, origin.share) == (account, share)


@pytest.mark.parametrize(
    ("path", "uid"),
    [
        (f"{SLICE}/user@1000.service/docker-{OUTER}.scope", 1000),
        (f"{SLICE}/user@1000.service/user.slice/user-1001.slice/x.scope", 1000),
        (f"/docker/{OUTER}{SLICE}/x.scope", None),
        ("/system.slice/cron.service", None),
    ],
)
def test_a_users_slice_is_the_hosts_outermost_one(path: str, uid: int | None) -> None:
    assert login_slice_of(CgroupPaths(None, path)) == uid
    assert login_slice_of(CgroupPaths(path, None)) == uid
