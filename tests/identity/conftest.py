"""A fresh node for every test, and a reading of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.identity.reading import RootReader
from tests.identity.sample_node import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def reading(node: Node) -> Iterator[RootReader]:
    root = os.open(node.root, os.O_PATH | os.O_DIRECTORY)
    yield RootReader(root)
    os.close(root)
