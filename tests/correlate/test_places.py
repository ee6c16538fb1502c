"""Where a process sits: its container, and those around it."""

from __future__ import annotations

import pytest

from sensor.correlate.places import Places
from sensor.identity import cgroup
from sensor.model.container import CgroupIdentity
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import ContainerId

OUTER, INNER = ContainerId("4f2d" * 16), ContainerId("9a7b" * 16)
PLACES = Places(cgroup.parse)
NESTED = f"/docker/{OUTER}/docker/{INNER}"

CHAINS: dict[str, tuple[CgroupPaths | None, tuple[str, ...]]] = {
    "unknown": (None, ()),
    "host": (CgroupPaths(None, "/user.slice/session-3.scope"), ()),
    "roots": (CgroupPaths(None, None), ()),
    "v2": (CgroupPaths(None, f"/docker/{OUTER}"), (OUTER,)),
    "v1": (CgroupPaths(f"/docker/{OUTER}", None), (OUTER,)),
    "v1-before-v2": (CgroupPaths(f"/docker/{OUTER}", f"/docker/{INNER}"), (OUTER,)),
    "v2-where-v1-tells-nothing": (CgroupPaths("/", f"/docker/{INNER}"), (INNER,)),
    "nested": (CgroupPaths(None, NESTED), (OUTER, INNER)),
    "deeper-inside": (CgroupPaths(None, f"/docker/{OUTER}/init.scope"), (OUTER,)),
    "only-may-be-one": (CgroupPaths(None, "/default/plain"), ()),
}


@pytest.mark.parametrize(("place", "chain"), CHAINS.values(), ids=CHAINS)
def test_the_containers_that_a_process_is_in(
    place: CgroupPaths | None, chain: tuple[str, ...]
) -> None:
    assert PLACES.chain(place) == chain


AROUND: dict[str, tuple[ContainerId, CgroupPaths | None, tuple[str, ...]]] = {
    "its-own-cgroup": (INNER, CgroupPaths(None, NESTED), (OUTER,)),
    "its-parents-cgroup": (INNER, CgroupPaths(None, f"/docker/{OUTER}"), (OUTER,)),
    "outermost": (OUTER, CgroupPaths(None, f"/docker/{OUTER}"), ()),
    "host": (OUTER, CgroupPaths(None, "/system.slice"), ()),
    "unknown": (OUTER, None, ()),
}


@pytest.mark.parametrize(("id_", "place", "around"), AROUND.values(), ids=AROUND)
def test_the_containers_around_one(
    id_: ContainerId, place: CgroupPaths | None, around: tuple[str, ...]
) -> None:
    assert PLACES.around(id_, place) == around


def test_a_name_that_only_may_be_an_id_is_reported_as_such() -> None:
    identity = PLACES.identity(CgroupPaths(None, "/default/plain"))
    assert identity is not None
    assert (identity.id, identity.exact) == ("plain", False)


def test_the_path_of_the_next_container_is_read_before_it_is_there() -> None:
    read: list[str] = []

    def parse(path: str) -> CgroupIdentity | None:
        read.append(path)
        return cgroup.parse(path)

    places = Places(parse)
    places.expect(INNER)
    assert read == [], "nothing is known of where containers are put"
    places.remember(OUTER, CgroupPaths(f"/docker/{OUTER}", f"/x.slice/docker-{OUTER}.scope"))
    places.expect(INNER)
    assert read == [f"/docker/{INNER}", f"/x.slice/docker-{INNER}.scope"]
    places.remember(OUTER, CgroupPaths(None, "/by/another/name"))
    places.expect(INNER)
    assert len(read) == 2
