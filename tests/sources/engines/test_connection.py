"""An engine's listener must be root's."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

from sensor.sources.engines.connection import connect
from sensor.sources.engines.session import EngineLost
from tests.sources.engines.test_listeners import process_called


async def _uid_of_listener_is_accepted(path: Path) -> None:
    _, writer = await connect(str(path), 4096)
    writer.close()


def test_a_listener_of_root_is_taken(tmp_path: Path) -> None:
    with process_called("dockerd", tmp_path / "a.sock"):
        asyncio.run(_uid_of_listener_is_accepted(tmp_path / "a.sock"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as another user")
def test_a_listener_of_another_user_is_refused() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 65_534, 65_534)
        path = Path(name, "docker.sock")
        with (
            process_called("dockerd", path, user=65_534),
            pytest.raises(EngineLost, match="belongs to uid 65534"),
        ):
            asyncio.run(connect(str(path), 4096))
