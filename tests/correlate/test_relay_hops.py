"""Who is connected to a relay may have sent what the relay passes on."""

from __future__ import annotations

from sensor.correlate.authority import HOST_ROOT, ActorStanding
from sensor.correlate.engine_reach import Home
from sensor.correlate.past import RecentPast
from sensor.correlate.relay_hops import Behind
from sensor.model.api_calls import ApiHop
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import Witness
from tests.correlate.observations import caller, connects, ns, typed

# ------------------------------------------------------------------ relays


def test_who_is_connected_to_a_relay_is_behind_it(empty: RecentPast) -> None:
    """relay-to-the-socket."""
    relay = caller(80, -100, comm="socat")
    behind = caller(81, 0, comm="docker")
    hop = ApiHop(ns(2), Witness.KERNEL, "r", ProcessKey(80, ns(-100)), behind, "tcp:127.0.0.1:2375")
    exec_ = typed(0, "docker start web", 81)
    client = empty.add_client(exec_, HOST_ROOT)
    empty.add_connect(connects(1, relay))
    assert empty.standing(client, Home()) is ActorStanding.STRANGER
    empty.add_hop(hop)
    assert empty.relays.behind(relay, ns(3)) == Behind((hop,))
    assert empty.standing(client, Home()) is ActorStanding.OWNER
    assert empty.relays.behind(caller(80, 5, comm="socat"), ns(3)) == Behind(), (
        "another process of that pid"
    )
