"""The node's name in Kubernetes, by the command line of its kubelet."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
"""RFC 1123 subdomain, as Kubernetes demands of node names."""

_OPTIONS = frozenset({"--hostname-override", "--node-name"})
"""kubelet's option, and that of k3s and rke2 for the kubelet inside."""


def node_name_in(argv: tuple[str, ...]) -> str | None:
    """Return the name that a kubelet's command line gives to its node; None where it gives none."""
    for index, word in enumerate(argv):
        name, separator, value = word.partition("=")
        if name in _OPTIONS:
            if not separator:
                value = argv[index + 1] if index + 1 < len(argv) else ""
            return value if _NAME.fullmatch(value) else None
    return None
