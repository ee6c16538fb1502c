"""What was added to a running pod, or restarted in it: debug containers, images, resizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.chain_ends import AHEAD, WINDOW
from sensor.model.control_plane import Touch

if TYPE_CHECKING:
    from sensor.correlate.chain_index import Pod
    from sensor.model.control_plane import ControlRecord


def added_by(
    pod: Pod, container: str | None, attempt: int | None, started: int | None
) -> ControlRecord | None:
    """Return the record that added a container to a running pod, or restarted it there.

    A new image, or a resize, restarts a container once. A later restart is kubelet's own.
    """
    original = {one.name for one in pod.created.request.containers}
    for record in reversed(pod.additions):
        write, names = record.write, {one.name for one in record.request.containers}
        if container is None or write is None or (names and container not in names):
            continue
        if Touch.EPHEMERAL in write.touches and (names or container not in original):
            return record
        if Touch.IMAGE in write.touches and attempt and _restarted(pod, record, container, started):
            return record
    return None


def _restarted(pod: Pod, record: ControlRecord, container: str, started: int | None) -> bool:
    """Return whether a start is the first of a container after a record."""
    asked = record.request.requested or 0
    if started is not None and not asked - AHEAD <= started <= asked + WINDOW:
        return False
    first = pod.restarted.setdefault((record.key, container), started)
    return first == started
