"""The tables, version by version. A file is brought to the newest version when it is opened.

==  ================================================================================
1   ``checkpoint``, ``container``: what is known of containers (``knowledge.py``)
2   the event log with ``state``, ``boot``, ``type``, ``dictionary``; ``cursor``, ``counter``
3   ``dead_letter``: what a collector refused, whole, so that it outlasts the log
4   ``judged``: what the judge remembers of workloads, containers and changes
5   ``event.link``, ``event.digest``, ``anchor``: the chain of digests (``chain.py``)
6   ``container_ahead``: containers as events left them that no note has yet;
    ``oom_killed`` and ``sandbox`` of a container's last run
==  ================================================================================

``event``: ``sequence`` is the order. ``time`` is ns since boot; ``lag`` is how far it lies behind
the latest ``time`` before it in the same boot, 0 for nearly all, so that ``time + lag`` never falls
(``span.py`` searches by it). ``wall`` is what the clock said then. Ids are packed (``entry.pack``).
``boot`` is one stretch of one boot of the node: ``start`` its first sequence, ``realtime`` the
latest difference of wall and boot time. ``link`` is the event's number in the chain and ``digest``
the chain's there; both are null for events that an agent without a chain wrote.

Container and name are indexed together with the type: for one container and one type the entries
come in the order of their sequence, and so do those of several, merged.
"""

from __future__ import annotations

SCHEMA_VERSION = 6

LATE = 2_000_000_000
"""ns of ``lag`` beyond which an entry is late: it stands in an index of its own."""

VERSIONS: dict[int, tuple[str, ...]] = {
    1: (
        """CREATE TABLE IF NOT EXISTS checkpoint (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            boot_id TEXT NOT NULL,
            seen INTEGER NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS container (
            id TEXT NOT NULL,
            scope TEXT NOT NULL,
            boot_id TEXT NOT NULL,
            init_pid INTEGER,
            init_start INTEGER,
            running INTEGER NOT NULL,
            starts INTEGER NOT NULL,
            started_wall INTEGER,
            stopped_wall INTEGER,
            exit_code INTEGER,
            signal INTEGER,
            pod_uid TEXT,
            pod_container TEXT,
            PRIMARY KEY (id, scope))""",
    ),
    2: (
        """CREATE TABLE state (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            stream TEXT NOT NULL,
            reserved INTEGER NOT NULL,
            purged INTEGER NOT NULL)""",
        "INSERT INTO state VALUES (1, lower(hex(randomblob(8))), 0, 0)",
        """CREATE TABLE boot (
            number INTEGER PRIMARY KEY,
            boot_id TEXT NOT NULL,
            start INTEGER NOT NULL,
            realtime INTEGER NOT NULL)""",
        "CREATE TABLE type (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        """CREATE TABLE dictionary (
            number INTEGER PRIMARY KEY,
            name INTEGER NOT NULL UNIQUE,
            boot_id TEXT NOT NULL,
            line BLOB NOT NULL)""",
        """CREATE TABLE event (
            sequence INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            type INTEGER NOT NULL,
            boot INTEGER NOT NULL,
            time INTEGER NOT NULL,
            lag INTEGER NOT NULL,
            wall INTEGER NOT NULL,
            container BLOB,
            name TEXT,
            body BLOB NOT NULL)""",
        "CREATE INDEX event_type ON event (type)",
        "CREATE INDEX event_container ON event (container, type) WHERE container IS NOT NULL",
        "CREATE INDEX event_name ON event (name, type) WHERE name IS NOT NULL",
        f"CREATE INDEX event_late ON event (boot, time) WHERE lag > {LATE}",
        "CREATE TABLE cursor (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL)",
        """CREATE TABLE counter (
            name TEXT PRIMARY KEY,
            boot_id TEXT NOT NULL,
            value INTEGER NOT NULL)""",
    ),
    3: (
        """CREATE TABLE dead_letter (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            output TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            told INTEGER NOT NULL,
            reason TEXT NOT NULL,
            id BLOB NOT NULL,
            type INTEGER NOT NULL,
            wall INTEGER NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (output, sequence))""",
    ),
    4: (
        """CREATE TABLE judged (
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (kind, key)) WITHOUT ROWID""",
    ),
    5: (
        "ALTER TABLE event ADD COLUMN link INTEGER",
        "ALTER TABLE event ADD COLUMN digest BLOB",
        """CREATE TABLE anchor (
            number INTEGER PRIMARY KEY,
            link INTEGER NOT NULL,
            digest BLOB NOT NULL,
            reason TEXT NOT NULL,
            wall INTEGER NOT NULL,
            skipped INTEGER NOT NULL)""",
    ),
    6: (
        "ALTER TABLE container ADD COLUMN oom_killed INTEGER",
        "ALTER TABLE container ADD COLUMN sandbox TEXT",
        """CREATE TABLE container_ahead (
            id TEXT NOT NULL,
            scope TEXT NOT NULL,
            boot_id TEXT NOT NULL,
            init_pid INTEGER,
            init_start INTEGER,
            running INTEGER NOT NULL,
            starts INTEGER NOT NULL,
            started_wall INTEGER,
            stopped_wall INTEGER,
            exit_code INTEGER,
            signal INTEGER,
            pod_uid TEXT,
            pod_container TEXT,
            oom_killed INTEGER,
            sandbox TEXT,
            PRIMARY KEY (id, scope))""",
    ),
}
"""The statements that make a version of the one before it."""

EXPECTED = (
    "SELECT only, boot_id, seen FROM checkpoint",
    (
        "SELECT id, scope, boot_id, init_pid, init_start, running, starts, started_wall,"
        " stopped_wall, exit_code, signal, pod_uid, pod_container, oom_killed, sandbox"
        " FROM container"
    ),
    (
        "SELECT id, scope, boot_id, init_pid, init_start, running, starts, started_wall,"
        " stopped_wall, exit_code, signal, pod_uid, pod_container, oom_killed, sandbox"
        " FROM container_ahead"
    ),
    "SELECT only, stream, reserved, purged FROM state",
    "SELECT number, boot_id, start, realtime FROM boot",
    "SELECT number, name FROM type",
    "SELECT number, name, boot_id, line FROM dictionary",
    "SELECT name, sequence FROM cursor",
    "SELECT name, boot_id, value FROM counter",
    "SELECT kind, key, value FROM judged WHERE kind = '' AND key = ''",
    "SELECT number, link, digest, reason, wall, skipped FROM anchor",
    (
        "SELECT number, output, sequence, told, reason, id, type, wall, body FROM dead_letter"
        " WHERE output = '' AND sequence = 0"
    ),
    (
        "SELECT sequence, id, type, boot, time, lag, wall, container, name, body, link, digest"
        " FROM event"
        " INDEXED BY event_type WHERE type = 0"
    ),
    "SELECT sequence FROM event INDEXED BY event_container WHERE container = 0 AND type = 0",
    "SELECT sequence FROM event INDEXED BY event_name WHERE name = '' AND type = 0",
    f"SELECT sequence FROM event INDEXED BY event_late WHERE boot = 0 AND lag > {LATE}",  # noqa: S608 - LATE is a number of this module
)
"""Each fails on a file whose tables or indices are not these."""

SMALL = (
    "checkpoint",
    "container",
    "container_ahead",
    "state",
    "boot",
    "type",
    "dictionary",
    "cursor",
    "counter",
    "judged",
    "anchor",
)
"""The tables beside the log."""
