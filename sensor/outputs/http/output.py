"""``type = "http"``: batches are posted.

To anything that takes lines or an array of JSON, to Splunk's event collector, or to the bulk API of
Elasticsearch and OpenSearch.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

from sensor.errors import ConfigError
from sensor.outputs.delivery import BatchLimits, ConnectionStatus, Delivered, Retry
from sensor.outputs.http import elasticsearch, splunk
from sensor.outputs.http.client import HttpClient, HttpFailed
from sensor.outputs.http.dialect import HttpPost, Poll, by_status, is_html
from sensor.outputs.http.elasticsearch import Elasticsearch
from sensor.outputs.http.message import HttpUrl
from sensor.outputs.http.settings import Body, HttpSettings, Preset
from sensor.outputs.http.splunk import Splunk
from sensor.outputs.lines import lines_of
from sensor.outputs.registry import OutputKind

if TYPE_CHECKING:
    from sensor.outputs.delivery import Batch, Format, Outcome
    from sensor.outputs.http.dialect import Dialect
    from sensor.outputs.http.message import HttpAnswer
    from sensor.outputs.lines import Lines
    from sensor.outputs.registry import Surroundings

LINES_TYPE = "application/x-ndjson"
POLL_FIRST_SECONDS, POLL_MOST_SECONDS = 0.5, 5.0
"""Waits between two questions whether a batch is indexed."""
CONFIRM_SECONDS = 120.0
"""How long that may take."""
GZIP_LEVEL = 6
STICKY = "Behind a load balancer, let one indexer answer both (sticky sessions)"

_HINTS = {
    Body.LINES: (
        f'The body is {LINES_TYPE}. Receivers that take one JSON document need body = "array" '
        "(Fluent Bit's http input is one); a few do not take gzip = true"
    ),
    Body.ARRAY: (
        'The body is one JSON array. Receivers that take a line an event need body = "lines"; '
        "a few do not take gzip = true"
    ),
}
"""What to look at when a plain collector refuses everything."""


class Plain:
    """Any server that takes events as lines or as one array."""

    def __init__(self, *, content_type: str, target: str, body: Body) -> None:
        self._content_type = content_type
        self._target = target
        self._body = body
        self._hint = _HINTS[body]

    def request(self, batch: Lines) -> HttpPost:
        """Return the batch; its id is in a header, by which a server may recognise a repetition."""
        if self._body is Body.ARRAY:
            body = b"[" + b",\n".join(line.text for line in batch.lines) + b"]"
        else:
            body = b"".join(line.text + b"\n" for line in batch.lines)
        headers = (("Content-Type", self._content_type), ("X-Batch-Id", batch.id.hex()))
        return HttpPost(body, headers, self._target)

    def outcome(self, batch: Lines, answer: HttpAnswer, shown: str) -> Outcome:
        """Return what the status says; a plain collector may answer with whatever it likes."""
        del batch
        outcome = by_status(answer, shown, self._hint)
        if isinstance(outcome, Delivered) and is_html(answer):
            return Delivered(warning=f"{shown}. The answer is a web page: check url")
        return outcome

    def confirmed(self, poll: Poll, answer: HttpAnswer, shown: str) -> Outcome:
        """Nothing is asked later: an answer has the last word."""
        del poll
        return by_status(answer, shown, self._hint)


class HttpTransport:
    """Posts batches in a collector's dialect, one at a time: so the log's order is kept."""

    window = 1
    limits = BatchLimits()

    def __init__(self, client: HttpClient, dialect: Dialect, form: Format, *, packed: bool) -> None:
        self._client = client
        self._dialect = dialect
        self._form = form
        self._packed = packed

    @property
    def connection(self) -> ConnectionStatus:
        """The URL without its query."""
        return ConnectionStatus(str(self._client.url), self._client.connected)

    async def deliver(self, batch: Batch) -> Outcome:
        """Post a batch and, where the collector confirms only later, wait until it is safe."""
        lines = lines_of(batch, self._form)
        if not lines.lines:
            return Delivered(lines.damaged)
        try:
            answer = await self._post(self._dialect.request(lines))
            outcome = self._dialect.outcome(lines, answer, self._client.excerpt(answer))
            if isinstance(outcome, Poll):
                outcome = await self._confirm(outcome)
        except HttpFailed as error:
            return Retry(error.reason, credentials=error.credentials)
        return lines.outcome_of(outcome)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _post(self, request: HttpPost) -> HttpAnswer:
        headers, body = request.headers, request.body
        if self._packed:
            headers = (*headers, ("Content-Encoding", "gzip"))
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
        return await self._client.post(body, headers, target=request.target)

    async def _confirm(self, poll: Poll) -> Outcome:
        pause = POLL_FIRST_SECONDS
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                while True:
                    answer = await self._post(poll.request)
                    outcome = self._dialect.confirmed(poll, answer, self._client.excerpt(answer))
                    if outcome is not None:
                        return outcome
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, POLL_MOST_SECONDS)
        except TimeoutError:
            return Retry(f"not acknowledged by the indexer within {CONFIRM_SECONDS:g} s. {STICKY}")


def _make(settings: HttpSettings, form: Format, surroundings: Surroundings) -> HttpTransport:
    url = HttpUrl.parse(settings.url)
    if settings.body is Body.ARRAY and form.document is None:
        problem = f"output {surroundings.output}: the format {form.name} is text, no JSON"
        raise ConfigError(problem, 'Use body = "lines".')
    try:
        client = HttpClient(url, headers=settings.sent(), settings=settings.tls)
    except ValueError as error:
        problem = f"output {surroundings.output}: {error}"
        raise ConfigError(problem, "Correct the table headers, token or password.") from error
    dialect: Dialect
    if settings.preset is Preset.SPLUNK_HEC:
        dialect = Splunk(
            is_text=form.document is None,
            target=_target(url, splunk.EVENT_PATH),
            host=surroundings.host.name,
            sourcetype=settings.sourcetype,
            index=settings.index,
            acknowledge=settings.acknowledge,
        )
    elif settings.preset is Preset.ELASTICSEARCH:
        if form.document is None:
            problem = f"output {surroundings.output}: the format {form.name} is text, no JSON"
            raise ConfigError(problem, 'Use format = "native", "ecs" or "ocsf".')
        dialect = Elasticsearch(
            target=_target(url, elasticsearch.BULK_PATH),
            index=settings.index,
            operation=settings.operation,
        )
    else:
        dialect = Plain(
            content_type=_content_type(settings.body, form), target=url.target, body=settings.body
        )
    return HttpTransport(client, dialect, form, packed=settings.gzip)


def _content_type(body: Body, form: Format) -> str:
    if body is Body.ARRAY:
        return "application/json"
    return form.content_type if form.document is None else LINES_TYPE


def _target(url: HttpUrl, path: str) -> str:
    """Return the URL's own path and query, or the preset's path where it has none."""
    return path if url.target == "/" else url.target


OUTPUT = OutputKind(HttpSettings, _make)
