"""Images by name, id and digest; bounds of an engine's facts."""

from __future__ import annotations

import pytest

from sensor.identity.facts import EngineFacts, bounded_facts, image_of
from sensor.model.container import EngineRecord, Image, Orchestrator

HEX = "1f" * 32
ID = f"sha256:{HEX}"
DIGEST = "sha256:" + "d1" * 32
UID = "eb052b63-ea96-4728-ab4a-64ab3babccd7"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("nginx:1", ID, None), Image("nginx:1", ID)),
        (("nginx:1", HEX, None), Image("nginx:1", ID)),
        ((f"nginx:1@{DIGEST}", ID, None), Image("nginx:1", ID, DIGEST, pinned=True)),
        ((f"nginx@{DIGEST}", None, ID), Image("nginx", None, ID, pinned=True)),
        ((ID, None, None), Image(None, ID, pinned=True)),
        ((HEX, None, None), Image(None, ID, pinned=True)),
        ((HEX[:12], ID, None), Image(None, ID, pinned=True)),
        (("cafe", ID, None), Image("cafe", ID)),
        ((None, None, DIGEST), Image(None, None, DIGEST)),
        (("", "", None), None),
        ((None, None, None), None),
    ],
    ids=str,
)
def test_a_name_an_id_and_a_digest_make_an_image(
    given: tuple[str | None, str | None, str | None], expected: Image | None
) -> None:
    assert image_of(*given) == expected


def test_every_string_is_bounded_and_empty_is_unknown() -> None:
    long = "x" * 10_000
    facts = EngineFacts(
        name=long,
        image=Image(long, "", None),
        labels=((long, long), ("token", "s")),
        orchestrator=Orchestrator("kubernetes", long, long, None, long),
        record=EngineRecord(restart_policy=long),
    )
    found = bounded_facts(facts, f"/kubepods/pod{UID}/{HEX}")
    assert len(repr(found)) < 5_100
    assert found.image is not None
    assert found.image.id is None
    assert found.orchestrator is not None
    assert found.orchestrator.pod_uid == UID
    assert ("token", "[redacted]") in (found.labels or ())


def test_unknown_stays_unknown() -> None:
    assert bounded_facts(EngineFacts(), None) == EngineFacts()
