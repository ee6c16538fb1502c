"""The chain's places in the file: its anchors, and its head."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sensor.model.log_head import LogHead
from sensor.store.chain import Anchor, AnchorReason, genesis
from sensor.store.entry import blob, number, string

if TYPE_CHECKING:
    import sqlite3

HOLES_MAX = 256
"""Holes that a salvage lists one by one; beyond that one anchor excuses them all."""

_SENTENCES = {
    AnchorReason.BEGUN: "the log begins here",
    AnchorReason.UPGRADED: "the log kept no chain before: {} events stand outside of it",
    AnchorReason.RETENTION: "older events were dropped by age or size",
    AnchorReason.SALVAGED: "events were lost with a damaged file",
}


def read(connection: sqlite3.Connection) -> tuple[Anchor, ...]:
    """Return all anchors by their place. Raises ValueError for other values."""
    rows = connection.execute(
        "SELECT link, digest, reason, wall, skipped FROM anchor ORDER BY link, number"
    )
    return tuple(
        Anchor(
            number(link), blob(digest), AnchorReason(string(reason)), number(wall), number(skipped)
        )
        for link, digest, reason, wall, skipped in rows
    )


def write(connection: sqlite3.Connection, anchor: Anchor) -> None:
    """Add an anchor, within the caller's transaction."""
    connection.execute(
        "INSERT INTO anchor (link, digest, reason, wall, skipped) VALUES (?, ?, ?, ?, ?)",
        (anchor.link, anchor.digest, anchor.reason.value, anchor.wall, anchor.skipped),
    )


def head(connection: sqlite3.Connection) -> tuple[int, bytes] | None:
    """Return number and digest of the chain's end; None for a log whose chain has not begun.

    Raises ValueError for what makes no sense.
    """
    found: tuple[int, bytes] | None = None
    row = connection.execute(
        "SELECT link, digest FROM event ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    if row is not None and row[0] is not None:
        found = number(row[0]), blob(row[1])
    anchor = connection.execute(
        "SELECT link, digest FROM anchor ORDER BY link DESC, number DESC LIMIT 1"
    ).fetchone()
    if anchor is not None and (found is None or number(anchor[0]) > found[0]):
        found = number(anchor[0]), blob(anchor[1])
    return found


def begin(connection: sqlite3.Connection, log_id: str) -> Anchor:
    """Begin a chain, within the caller's transaction, and return its anchor."""
    empty = connection.execute("SELECT sequence FROM event LIMIT 1").fetchone() is None
    reason = AnchorReason.BEGUN if empty else AnchorReason.UPGRADED
    anchor = Anchor(0, genesis(log_id), reason, time.time_ns())
    write(connection, anchor)
    return anchor


def keep_place(connection: sqlite3.Connection, last: int) -> None:
    """Before the entries up to a sequence are deleted, anchor the chain behind them."""
    row = connection.execute(
        "SELECT link, digest FROM event WHERE sequence <= ? AND link IS NOT NULL"
        " ORDER BY sequence DESC LIMIT 1",
        (last,),
    ).fetchone()
    if row is None:
        return
    link = number(row[0])
    connection.execute("DELETE FROM anchor WHERE link <= ?", (link,))
    write(connection, Anchor(link, blob(row[1]), AnchorReason.RETENTION, time.time_ns()))


def mark_holes(connection: sqlite3.Connection, jump: int) -> None:
    """After a salvage: say which numbers are missing, within the caller's transaction.

    ``jump`` is how many numbers behind the newest event may have been given before the damage.
    """
    rows = connection.execute(
        "SELECT link, digest FROM event WHERE link IS NOT NULL ORDER BY sequence"
    )
    anchors = {anchor.link: anchor for anchor in _sound(connection)}
    before = min(anchors, default=0)
    holes: list[tuple[int, int]] = []
    digest = b""
    for link, found in rows:
        here = number(link)
        if here > before + 1 and here - 1 not in anchors:
            holes.append((here - 1, here - 1 - before))
            if len(holes) > HOLES_MAX:
                first = holes[0][0] - holes[0][1]
                holes = [(here - 1, here - 1 - first)]
        before, digest = max(before, here), blob(found)
    now = time.time_ns()
    for last, skipped in holes:
        write(connection, Anchor(last, b"", AnchorReason.SALVAGED, now, skipped))
    if jump and (digest or anchors):
        # What a follower or an output got of the lost end keeps its numbers for itself.
        write(connection, Anchor(before + jump, digest, AnchorReason.SALVAGED, now, jump))


def _sound(connection: sqlite3.Connection) -> tuple[Anchor, ...]:
    """Return the anchors of a salvaged table; those that make no sense are removed."""
    try:
        return read(connection)
    except ValueError:
        connection.execute("DELETE FROM anchor")
        return ()


def newest_salvage(connection: sqlite3.Connection) -> Anchor | None:
    """Return the newest anchor that a salvage made."""
    found = [one for one in read(connection) if one.reason is AnchorReason.SALVAGED]
    return found[-1] if found else None


def oldest(connection: sqlite3.Connection) -> int | None:
    """Return the number of the oldest event of the chain that is kept; None for none."""
    row = connection.execute("SELECT link FROM event ORDER BY sequence LIMIT 1").fetchone()
    if row is not None and row[0] is not None:
        return number(row[0])
    last = connection.execute("SELECT link FROM event ORDER BY sequence DESC LIMIT 1").fetchone()
    if last is None or last[0] is None:
        return None
    # Events from before the chain are the oldest: none of the chain was dropped yet.
    return number(connection.execute("SELECT min(link) FROM anchor").fetchone()[0] or 0) + 1


def log_head(
    connection: sqlite3.Connection, log_id: str, link: int, digest: bytes, begun: Anchor | None
) -> LogHead:
    """Return the head as events carry it; ``begun`` is the anchor that this opening made."""
    broken = None
    if begun is not None:
        outside = 0
        if begun.reason is AnchorReason.UPGRADED:
            outside = connection.execute("SELECT count(*) FROM event").fetchone()[0]
        broken = _SENTENCES[begun.reason].format(outside)
    return LogHead(
        log_id,
        link,
        digest.hex(),
        oldest(connection),
        broken,
        begun.skipped if begun is not None and begun.skipped else None,
    )
