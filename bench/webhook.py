"""Audit events a second that are answered after they are durable: ``python -m bench.webhook``.

An API server posts batches of 400 events over TLS, several at once as its ten a second may be. The
service parses them, keeps their events with ``store.sync = "full"`` and answers after the sync.
Bodies are whole: the recorded scenario again and again, each time an hour later and with ids, uids
and namespaces of its own.
"""

from __future__ import annotations

import asyncio
import http.client
import ssl
import tempfile
import threading
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import trustme

from bench.command import parser, reporting
from bench.controlplane import whole
from bench.rows import Row
from bench.stream import other
from sensor.agent.aggregator import Aggregator
from sensor.agent.aggregator_settings import AggregatorSettings
from sensor.agent.config import Config
from sensor.agent.receivers.post_server import ListenSettings
from sensor.sources import procfs

COMMAND = "python -m bench.webhook"
BATCH = 400
BATCHES = 25
CLIENTS = 2
TARGET = 2000
RUNS = 3


def bodies() -> list[bytes]:
    """Return the batches, each of other requests."""
    lines = [line.rstrip() for line in whole()]
    chosen: list[bytes] = []
    for number in count():
        chosen += [other(line, number) for line in lines]
        if len(chosen) >= BATCHES * BATCH:
            break
    head = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['
    starts = range(0, BATCHES * BATCH, BATCH)
    return [head + b",".join(chosen[start : start + BATCH]) + b"]}" for start in starts]


def posted(port: int, context: ssl.SSLContext, batches: list[bytes]) -> None:
    """Post batches over one connection, each after the answer to the one before."""
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=60)
    for body in batches:
        connection.request("POST", "/", body)
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the service answers {answer.status}")
    connection.close()


async def served(directory: Path, batches: list[bytes]) -> float:
    """Return events a second from the first post to the last answer."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    certificate, key, client_ca = (directory / one for one in ("cert.pem", "key.pem", "ca.pem"))
    certificate.write_bytes(b"".join(one.bytes() for one in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    client_ca.write_bytes(authority.cert_pem.bytes())
    settings = AggregatorSettings.of(Config(), (), None, ())
    listen = ListenSettings("127.0.0.1", 0, certificate, key, client_ca)
    service = Aggregator(
        replace(settings, state_dir=directory / "state", webhook=listen, heartbeat_seconds=0),
        procfs.host_facts(),
    )
    started = asyncio.Event()
    task = asyncio.create_task(service.run(started.set))
    await started.wait()
    if service.port is None:
        raise RuntimeError("no webhook listens")
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    authority.issue_cert("apiserver").configure_cert(context)
    port = service.port
    threads = [
        threading.Thread(target=posted, args=(port, context, batches[number::CLIENTS]))
        for number in range(CLIENTS)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    spent = time.monotonic() - began
    service.stop()
    await task
    return len(batches) * BATCH / spent


def main() -> None:
    """Print the number and the machine."""
    arguments = parser(COMMAND, __doc__).parse_args()
    batches = bodies()
    best = 0.0
    with reporting(arguments.json) as rows:
        for _ in range(RUNS):
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
                best = max(best, asyncio.run(served(Path(directory), batches)))
        what = (
            f"events of {len(batches[0]) // BATCH} bytes a second, {BATCH} in a batch, each"
            " answered after fsync"
        )
        rows.append(Row(what, f"{best:,.0f} /s", f"{TARGET:,} /s", best >= TARGET, COMMAND))


if __name__ == "__main__":
    main()
