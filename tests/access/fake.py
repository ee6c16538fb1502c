"""A made-up node: files below a directory."""

from __future__ import annotations

from pathlib import Path

from sensor.access import accounts
from sensor.access.accounts import Accounts
from sensor.access.node import Node

PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n"
    "alice:x:1000:1000::/home/alice:/bin/bash\nbob:x:1001:990::/home/bob:/bin/bash\n"
    "carol:x:1002:1002::/home/carol:/bin/bash\nbroken line\n:::::\n"
)
GROUP = "root:x:0:\ndocker:x:990:alice\nops:x:991:carol,bob\nempty:x:992:\nbroken\n"


def node_of(root: Path, **files: str) -> Node:
    """Return a node with these files; ``__`` in a name stands for ``/``."""
    texts = {"etc__passwd": PASSWD, "etc__group": GROUP, **files}
    for name, text in texts.items():
        put(root, name.replace("__", "/"), text)
    return Node(root)


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def users_of(node: Node) -> Accounts:
    return accounts.read(node)
