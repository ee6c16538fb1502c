"""Deliveries to a made HTTP server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from sensor.outputs.delivery import Format, Outcome, Record
from sensor.outputs.http import output
from sensor.outputs.http.settings import HttpSettings
from sensor.outputs.registry import Surroundings
from tests.outputs.batches import batch_of, starts
from tests.outputs.fake_http import Answer, Fault, Received, fake_http
from tests.outputs.sample_events import HOST

SURROUNDINGS = Surroundings(HOST, "1.2.3", "siem")
JSON = Format("native", "application/json", lambda one: one.line, lambda one: json.loads(one.line))
TEXT = Format("cef", "text/plain", lambda one: b"CEF:0|" + one.id.encode() + b"\n", None)
TOKEN = "4c6f-9d7c-1b7a"
RECORDS = starts(1, 3)


def delivered(
    *script: Answer | Fault,
    keys: Mapping[str, Any] | None = None,
    form: Format = JSON,
    records: list[Record] | None = None,
    path: str = "",
) -> tuple[Outcome, list[Received]]:
    """Deliver a batch to a collector that answers by the script; return also what it received."""

    async def run() -> tuple[Outcome, list[Received]]:
        async with fake_http(*script) as fake:
            settings = HttpSettings(fake.url + path, **(keys or {}))
            transport = output.OUTPUT.make(settings, form, SURROUNDINGS)
            try:
                outcome = await transport.deliver(batch_of(records or RECORDS))
                assert transport.connection.peer == fake.url + path.partition("?")[0]
                return outcome, fake.received
            finally:
                await transport.close()

    return asyncio.run(asyncio.wait_for(run(), 20))
