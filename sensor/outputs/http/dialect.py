"""What collectors that speak HTTP have in common: a request of a batch, and what an answer means.

Pure. A collector's own way is a :class:`Dialect` in a module of its own. Statuses are those of RFC
9110 section 15 and RFC 6585; each group says who can mend it.

=============================  =====================================================================
status                         meaning
=============================  =====================================================================
2xx                            accepted, whichever it is
400, 413, 422                  refused as it is: halved, until the event is found that does not pass
401, 403, 407, 511             credentials: not known or not allowed; long waits
3xx, 404, 405, 415 and others  configuration: a wrong URL or content type; long waits, no event lost
anything else                  again later, after ``Retry-After`` where it is given
=============================  =====================================================================

A 2xx with a page of HTML did not come from a collector that answers in a format of its own (OTLP,
``_bulk``, HEC): it is the configuration's fault. A plain collector may answer as it likes: there it
is a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sensor.dataclass import dataclass
from sensor.outputs.delivery import Delivered, Refused, Retry

if TYPE_CHECKING:
    from sensor.outputs.delivery import Outcome
    from sensor.outputs.http.message import Headers, HttpAnswer
    from sensor.outputs.lines import Lines

OK_STATUSES = range(200, 300)
REDIRECTIONS = range(300, 400)
REFUSED_STATUSES = frozenset({400, 413, 422})
CREDENTIAL_STATUSES = frozenset({401, 403, 407, 511})
CONFIGURATION_STATUSES = frozenset(
    {*REDIRECTIONS, 402, 404, 405, 406, 410, 411, 414, 415, 421, 426, 428, 431, 451, 501, 505}
)
"""Those that say something about the request's form or place, and nothing about its events."""

CONTENT_STATUSES = frozenset({406, 415})

HTML_MARKS = (b"<!doctype html", b"<html", b"<head", b"<body")
HTML_LOOK = 512
"""Bytes of an answer that are looked at."""


@dataclass(frozen=True, slots=True)
class HttpPost:
    """What is posted. ``target`` is path and query."""

    body: bytes
    headers: Headers
    target: str


@dataclass(frozen=True, slots=True)
class Poll:
    """The collector took the request and confirms only later that it is safe: ask for that."""

    request: HttpPost
    id: int


class Dialect(Protocol):
    """How a kind of collector is spoken to."""

    def request(self, batch: Lines) -> HttpPost:
        """Return the request that carries a batch: the same each time."""

    def outcome(self, batch: Lines, answer: HttpAnswer, shown: str) -> Outcome | Poll:
        """Return what an answer says of a batch; ``shown`` is the answer for a person."""

    def confirmed(self, poll: Poll, answer: HttpAnswer, shown: str) -> Outcome | None:
        """Return what an answer to a poll says of the batch; None: ask again."""


def by_status(answer: HttpAnswer, shown: str, hint: str | None = None) -> Outcome:
    """Return what the status alone says; ``hint`` is the setting that may be wrong."""
    if answer.status in OK_STATUSES:
        return Delivered()
    if answer.status in REFUSED_STATUSES:
        return Refused(shown, hint)
    if answer.status in CREDENTIAL_STATUSES:
        return Retry(shown, answer.retry_after(), credentials=True)
    if answer.status in CONFIGURATION_STATUSES:
        if answer.status in REDIRECTIONS:
            shown += ". Redirections are not followed: correct url"
        elif answer.status in CONTENT_STATUSES and hint is not None:
            shown += f". {hint}"
        else:
            shown += ". Check url"
        return Retry(shown, answer.retry_after(), configuration=True)
    return Retry(shown, answer.retry_after())


def is_html(answer: HttpAnswer) -> bool:
    """Return whether an answer is a page for a browser, by its type or by how it begins."""
    kind = (answer.header("content-type") or "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        return bool(answer.body.strip())
    return answer.body[:HTML_LOOK].lstrip().lower().startswith(HTML_MARKS)


def not_a_collector(shown: str) -> Retry:
    """Return what a page of HTML means where a collector should have answered."""
    return Retry(f"{shown}. This is a web page and no collector: check url", configuration=True)
