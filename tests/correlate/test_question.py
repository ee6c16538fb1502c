"""Which callers are parts of an engine, so that their requests are not their own."""

from __future__ import annotations

import pytest

from sensor.model.vocabulary import Confidence, Trigger
from tests.correlate.causes import UNKNOWN, process, said, starts
from tests.correlate.observations import caller, connects, requests
from tests.correlate.scenario import WEB, Core


def test_what_an_engine_asks_of_another_is_what_a_user_asked_of_it(core: Core) -> None:
    dockerd = caller(9, comm="dockerd", exe="/usr/bin/dockerd", login=None, uid=0)
    core >> connects(1, dockerd, "/run/containerd/containerd.sock")
    core >> requests(2, dockerd, WEB.id.encode(), "/run/containerd/containerd.sock")
    core >> starts(WEB, 10)
    assert said(core.start) == UNKNOWN


@pytest.mark.parametrize("comm", ["dockerd", "containerd", "containerd-shim-runc-v2", "runc"])
@pytest.mark.parametrize("reported_by", ["comm", "exe"])
def test_no_part_of_an_engine_is_a_cause_by_connecting(
    core: Core, comm: str, reported_by: str
) -> None:
    part = caller(
        9,
        comm=comm[:15] if reported_by == "comm" else "exe",
        exe=f"/usr/bin/{comm}" if reported_by == "exe" else None,
        uid=0,
    )
    core >> connects(1, part, "/run/containerd/containerd.sock") >> starts(WEB, 10)
    assert said(core.start) == UNKNOWN


def test_a_name_makes_no_engine_of_who_asks_where_engines_do_not(core: Core) -> None:
    fake = caller(9, comm="dockerd", exe="/tmp/dockerd", login=1007)
    core >> connects(1, caller(77)) >> requests(2, fake, f"POST /containers/{WEB.id}/start")
    core >> starts(WEB, 10)
    assert said(core.start) == (Trigger.API_CLIENT, Confidence.EXACT, Confidence.EXACT)
    assert process(core.start.initiator).pid == 9


def test_who_is_called_as_an_engine_is_a_candidate_as_others_are(core: Core) -> None:
    fake = caller(9, comm="dockerd", exe="/tmp/dockerd")
    core >> connects(1, caller(77)) >> connects(2, fake) >> starts(WEB, 10)
    assert {process(who).pid for who in core.start.candidates} == {9, 77}
