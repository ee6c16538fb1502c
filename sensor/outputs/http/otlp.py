"""``type = "otlp"``: OpenTelemetry logs over HTTP, JSON encoding (OTLP 1.x, "OTLP/HTTP").

What an answer means, by the specification and by what receivers do:

- any 2xx takes the batch: the specification has 200, Fluent Bit answers 201 and may answer 204.
  ``partialSuccess.rejectedLogRecords`` is a warning: which records they were is not said, and the
  specification forbids to send them again. So is a body that is not an answer of OTLP. A page of
  HTML came from something else than a receiver;
- 429, 502, 503 and 504 are retried, after ``Retry-After`` where it is given; so is a lost
  connection;
- what is about credentials or configuration (``dialect.py``) is retried, seldom;
- everything else refuses the batch, 413 as well: the engine halves it, and what does not pass even
  alone is a dead letter.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.outputs.delivery import (
    BatchLimits,
    ConnectionStatus,
    Delivered,
    Refused,
    Rejection,
    Retry,
)
from sensor.outputs.formats import otel
from sensor.outputs.formats.reading import LineDamaged, read
from sensor.outputs.http.client import HttpClient, HttpFailed
from sensor.outputs.http.dialect import (
    CONFIGURATION_STATUSES,
    CREDENTIAL_STATUSES,
    OK_STATUSES,
    by_status,
    is_html,
    not_a_collector,
)
from sensor.outputs.http.message import HttpUrl
from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.registry import OutputKind
from sensor.schema.text import visible
from sensor.settings.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.outputs.delivery import Batch, Format, Outcome, Record
    from sensor.outputs.http.message import HttpAnswer
    from sensor.outputs.registry import Surroundings

PATH = "/v1/logs"
WINDOW = 1
"""Requests on several connections could overtake each other, and the order is the log's."""
RECORDS = 500
TURN = 50
"""Records that are encoded before the other outputs have their turn."""
GZIP_LEVEL = 6
_GZIP_BITS = 31
"""A window of 32 KiB and the format of gzip (zlib.h, deflateInit2)."""
ANSWER_LIMIT = 64 * 1024
COMPLAINT_LIMIT = 200
"""Characters of a collector's error message that are kept."""
SECONDS_MOST = 300.0

_RETRIED = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
HINT = "Is url an OTLP/HTTP receiver of logs that takes JSON? Its path is usually /v1/logs"


class OtlpCompression(StrEnum):
    """How a request is packed."""

    GZIP = "gzip"
    NONE = "none"


class LogBody(StrEnum):
    """What stands in the body of a log record; the attributes are the same."""

    MESSAGE = "message"
    """One sentence for a person."""
    EVENT = "event"
    """The native document, for receivers that keep bodies and put attributes aside."""


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """``type = "otlp"``."""

    url: str
    """The receiver. Without a path, ``/v1/logs`` is added."""
    compression: OtlpCompression = OtlpCompression.GZIP
    """Compress requests."""
    headers: tuple[tuple[str, Secret], ...] = ()
    """Headers of each request. Values may be secrets."""
    tls: TlsSettings | None = None
    """For https, optional."""
    seconds: float = 30.0
    """Limit in seconds for a request, from its first byte to the last of the answer."""
    max_records: int = RECORDS
    """Most events in a request."""
    body: LogBody = LogBody.MESSAGE
    """The body of a log record: a sentence, or the native document."""

    def __post_init__(self) -> None:
        try:
            url = HttpUrl.parse(self.url)
        except ValueError as error:
            raise ValueError(f"url: {error}") from error
        if not 0 < self.seconds <= SECONDS_MOST:
            raise ValueError(f"seconds is more than 0 and at most {SECONDS_MOST:g}")
        if not 0 < self.max_records <= RECORDS:
            raise ValueError(f"max_records is between 1 and {RECORDS}")
        if self.tls is not None and not url.secure:
            raise ValueError("the table tls is for an https URL")


class OtlpTransport:
    """Posts batches to one receiver."""

    window = WINDOW

    def __init__(self, settings: OtlpSettings) -> None:
        """Raises ValueError for an URL or headers that cannot be."""
        url = HttpUrl.parse(settings.url)
        self._client = HttpClient(
            url,
            headers=tuple((name, value.reveal()) for name, value in settings.headers),
            settings=settings.tls,
            request_seconds=settings.seconds,
            answer_limit=ANSWER_LIMIT,
        )
        self._target = PATH if url.target == "/" else url.target
        self._body_is_event = settings.body is LogBody.EVENT
        self._packed = settings.compression is OtlpCompression.GZIP
        self.limits = BatchLimits(records=settings.max_records)

    @property
    def connection(self) -> ConnectionStatus:
        """The receiver."""
        return ConnectionStatus(str(self._client.url), self._client.connected)

    async def deliver(self, batch: Batch) -> Outcome:
        """Post the batch and judge the answer. What cannot be read of it is rejected."""
        body, damaged = await encoded(
            batch.records, packed=self._packed, body_is_event=self._body_is_event
        )
        if len(damaged) == len(batch.records):
            return Delivered(damaged)
        headers = [("Content-Type", "application/json")]
        if self._packed:
            headers.append(("Content-Encoding", "gzip"))
        try:
            answer = await self._client.post(body, tuple(headers), target=self._target)
        except HttpFailed as error:
            return Retry(error.reason, credentials=error.credentials)
        return self._judge(answer, damaged)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _judge(self, answer: HttpAnswer, damaged: tuple[Rejection, ...]) -> Outcome:
        said = self._client.excerpt(answer)
        if answer.status in OK_STATUSES:
            return not_a_collector(said) if is_html(answer) else _accepted(answer, said, damaged)
        if answer.status in _RETRIED:
            return Retry(said, after=answer.retry_after())
        if answer.status in CREDENTIAL_STATUSES | CONFIGURATION_STATUSES:
            return by_status(answer, said, HINT)
        return Refused(said, HINT)


async def encoded(
    records: Sequence[Record], *, packed: bool, body_is_event: bool = False
) -> tuple[bytes, tuple[Rejection, ...]]:
    """Return the body of a batch's request, and the records that are not events."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_BITS) if packed else None
    writer = otel.RequestWriter(body_is_event=body_is_event)
    damaged: list[Rejection] = []
    body = bytearray()

    def put(piece: bytes) -> None:
        body.extend(piece if packer is None else packer.compress(piece))

    for number, record in enumerate(records, 1):
        try:
            put(writer.add(read(record)))
        except LineDamaged as error:
            damaged.append(Rejection(record.sequence, str(error), local=True))
        if number % TURN == 0:
            await asyncio.sleep(0)
    put(writer.end())
    if packer is not None:
        body += packer.flush()
    return bytes(body), tuple(damaged)


def _accepted(answer: HttpAnswer, said: str, damaged: tuple[Rejection, ...]) -> Delivered:
    """Return a delivery, with what the receiver says of records that it did not take.

    An empty body is an empty ExportLogsServiceResponse.
    """
    if not answer.body.strip():
        return Delivered(damaged)
    try:
        answered = json.loads(answer.body)
        # A reader of ProtoJSON takes the names of the protocol's definition, too.
        partial = answered.get("partialSuccess") or answered.get("partial_success") or {}
        # A 64-bit integer: a string in JSON, though not every receiver knows that.
        count = partial.get("rejectedLogRecords") or partial.get("rejected_log_records")
        rejected = int(count or 0)
        why = partial.get("errorMessage") or partial.get("error_message")
        complaint = visible(str(why or ""))[:COMPLAINT_LIMIT]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Delivered(damaged, f"{said} is accepted, but no answer of OTLP: check url")
    if rejected > 0:
        complaint = f"the collector rejected {rejected} records: {complaint or 'no reason given'}"
    return Delivered(damaged, complaint or None)


def _make(settings: OtlpSettings, _form: Format, surroundings: Surroundings) -> OtlpTransport:
    try:
        return OtlpTransport(settings)
    except ValueError as error:
        raise ConfigError(
            f"output {surroundings.output}: {error}", "Correct the table headers."
        ) from error


OUTPUT = OutputKind(OtlpSettings, _make, format="otel", formats=("otel",))
