"""What was added to a running pod, or restarted in it: debug containers, images, resizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.chain_answer import client_of
from sensor.correlate.chain_ends import AHEAD, CLOSE, WINDOW
from sensor.model.control_plane import Touch

if TYPE_CHECKING:
    from sensor.correlate.chain_index import Pod
    from sensor.model.control_plane import ControlRecord


def added_by(
    pod: Pod, container: str | None, attempt: int | None, started: int | None
) -> tuple[ControlRecord, ...]:
    """Return the record that added a container to a running pod, or restarted it there.

    Several are of different clients, and each of them may have done it.
    """
    if container is None:
        return ()
    restarted = _restarting(pod, container, started) if attempt else ()
    return restarted or _debugging(pod, container)


def _debugging(pod: Pod, container: str) -> tuple[ControlRecord, ...]:
    """Return what added a debug container: the first record that names it.

    Later records may name it again, since an update holds all of them.
    """
    added = [one for one in pod.additions if Touch.EPHEMERAL in _touches(one)]
    for record in added:
        if container in _names(record):
            return (record,)
    if container in {one.name for one in pod.created.request.containers}:
        return ()
    nameless = {client_of(one): one for one in added if not _names(one)}
    return tuple(nameless.values())


def _restarting(pod: Pod, container: str, started: int | None) -> tuple[ControlRecord, ...]:
    """Return the new image, or the resize, that a start follows.

    It restarts the container once. A later restart is kubelet's own, and no older record is its
    cause. Two records without a start between them may both be.
    """
    changes = [
        one
        for one in pod.additions
        if Touch.IMAGE in _touches(one)
        and container in _names(one)
        and (started is None or _time(one) - AHEAD <= started)
    ]
    if not changes:
        return ()
    latest = changes[-1]
    if started is not None and started > _time(latest) + WINDOW:
        return ()
    if pod.restarted.setdefault((latest.key, container), started) != started:
        return ()
    since = max(
        (
            at
            for (_, name), at in pod.restarted.items()
            if name == container and at != started and at
        ),
        default=0,
    )
    rivals = {
        client_of(one): one
        for one in changes[:-1]
        if _time(one) >= max(since, _time(latest) - CLOSE) and client_of(one) != client_of(latest)
    }
    return (latest, *rivals.values())


def _touches(record: ControlRecord) -> tuple[Touch, ...]:
    return () if record.write is None else record.write.touches


def _names(record: ControlRecord) -> set[str | None]:
    return {one.name for one in record.request.containers}


def _time(record: ControlRecord) -> int:
    return record.request.requested or 0
