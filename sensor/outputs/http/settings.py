"""``type = "http"``: its keys, and what they may be."""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.outputs.http.elasticsearch import BulkOperation
from sensor.outputs.http.message import HttpUrl
from sensor.outputs.network.tls import TlsSettings
from sensor.settings.secret import Secret

if TYPE_CHECKING:
    from sensor.outputs.http.message import Headers


class Preset(StrEnum):
    """What kind of collector listens."""

    PLAIN = "plain"
    SPLUNK_HEC = "splunk_hec"
    ELASTICSEARCH = "elasticsearch"


class Body(StrEnum):
    """How a plain collector wants a batch."""

    LINES = "lines"
    ARRAY = "array"


_SCHEMES = {Preset.PLAIN: "Bearer", Preset.SPLUNK_HEC: "Splunk", Preset.ELASTICSEARCH: "ApiKey"}


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """``type = "http"``."""

    url: str
    """Where to post. Without a path, the preset's own path is used."""
    preset: Preset = Preset.PLAIN
    """The kind of collector."""
    body: Body = Body.LINES
    """A line for each event, or one JSON array; for the preset ``plain`` only."""
    headers: tuple[tuple[str, Secret], ...] = ()
    """Headers of each request. Values may be secrets."""
    token: Secret | None = None
    """Sent as Authorization: Bearer, Splunk or ApiKey, by the preset."""
    user: str | None = None
    """The user of Authorization: Basic."""
    password: Secret | None = None
    """The password of ``user``."""
    gzip: bool = True
    """Compress requests."""
    tls: TlsSettings | None = None
    """For https, optional."""
    index: str | None = None
    """The index of Splunk or Elasticsearch. There ``{date}`` stands for the event's day."""
    operation: BulkOperation = BulkOperation.CREATE
    """For Elasticsearch: how events are written."""
    sourcetype: str = "castoff:event"
    """For Splunk: the source type."""
    acknowledge: bool = False
    """For Splunk: wait until the indexer acknowledges the events."""

    def __post_init__(self) -> None:
        try:
            url = HttpUrl.parse(self.url)
        except ValueError as error:
            raise ValueError(f"url: {error}") from error
        if self.tls is not None and not url.secure:
            raise ValueError("the table tls is for a url that begins with https://")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.user is not None and (":" in self.user or self.token is not None):
            raise ValueError("user has no colon, and is not set beside token")
        if self.preset is Preset.PLAIN and self.index is not None:
            raise ValueError("index is for the presets splunk_hec and elasticsearch")
        if self.body is Body.ARRAY and self.preset is not Preset.PLAIN:
            raise ValueError("body is for the preset plain")
        if self.acknowledge and self.preset is not Preset.SPLUNK_HEC:
            raise ValueError("acknowledge is for the preset splunk_hec")
        if self.preset is Preset.ELASTICSEARCH and self.index is None and url.target == "/":
            raise ValueError("elasticsearch needs index, or a url that names it: …/INDEX/_bulk")

    def sent(self) -> Headers:
        """Return the headers of each request, secrets and all."""
        headers = tuple((name, value.reveal()) for name, value in self.headers)
        if self.token is not None:
            return (("Authorization", f"{_SCHEMES[self.preset]} {self.token.reveal()}"), *headers)
        if self.user is not None and self.password is not None:
            pair = f"{self.user}:{self.password.reveal()}".encode()
            return (("Authorization", f"Basic {base64.b64encode(pair).decode()}"), *headers)
        return headers
