"""The node's name, by a kubelet's command line."""

from __future__ import annotations

import pytest

from sensor.correlate.node_name import node_name_in

LINES = {
    "joined": (("kubelet", "--hostname-override=node-a"), "node-a"),
    "apart": (("kubelet", "--v=2", "--hostname-override", "node-a.example"), "node-a.example"),
    "k3s": (("k3s", "server", "--node-name", "edge-1"), "edge-1"),
    "none": (("kubelet", "--config=/x"), None),
    "no-value": (("kubelet", "--hostname-override"), None),
    "empty": (("kubelet", "--hostname-override="), None),
    "no-name": (("kubelet", "--hostname-override", "Node A\x1b[2J"), None),
    "too-long": (("kubelet", "--hostname-override", "n" * 254), None),
    "nothing": ((), None),
}


@pytest.mark.parametrize(("argv", "name"), LINES.values(), ids=LINES)
def test_the_option_names_the_node(argv: tuple[str, ...], name: str | None) -> None:
    assert node_name_in(argv) == name
