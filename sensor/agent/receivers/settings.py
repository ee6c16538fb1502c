"""``[push…]`` and ``[kafka]``: what ``castoff normalize --config`` receives. Off by default."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.settings.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Mistake = tuple[str, str, str, str]
"""Section, key, problem and fix of a value that no type refuses."""

PORT_MOST = 65535
SECRET_LEAST = 16
"""Characters of a shared secret."""
TOPICS_MOST = 64
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]{1,256}")
_NOTHING = Secret("")


def listen_mistakes(section: str, listen: str, files: Mapping[str, str]) -> Iterator[Mistake]:
    """Yield what a section lacks to listen over TLS. ``files`` are its PEM files by their keys."""
    if not listen:
        return
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > PORT_MOST:
        yield section, "listen", f"is {listen!r}", "Write HOST:PORT, as 0.0.0.0:8443."
    for key, path in files.items():
        if not path:
            yield section, key, "is missing", f"Name a PEM file, or leave {section}.listen out."


@dataclass(frozen=True, slots=True)
class PushSection:
    """``[push]``: where ``castoff normalize`` takes pushes of clouds."""

    listen: str = ""
    """HOST:PORT. Empty: it does not listen."""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class SnsSection:
    """``[push_sns]``: SNS proves itself by its signature, and the topic says whose it is."""

    topics: tuple[str, ...] = ()
    """ARNs. Every customer can have messages of its own topic signed, so that only these count."""
    confirm: bool = True
    """Confirm the subscription of these topics: SNS sends nothing before that."""


@dataclass(frozen=True, slots=True)
class EventBridgeSection:
    """``[push_event_bridge]``: an API destination shows the secret of its connection."""

    secret: Secret = _NOTHING
    """The value of its API key, or ``USER:PASSWORD`` of its basic authentication."""


@dataclass(frozen=True, slots=True)
class EventGridSection:
    """``[push_event_grid]``."""

    secret: Secret = _NOTHING
    """In the query of the subscription's endpoint, as ``code=SECRET``, or in ``authorization``."""


@dataclass(frozen=True, slots=True)
class PubSubSection:
    """``[push_pub_sub]``: a token of Google's, or a secret in the query."""

    audience: str = ""
    """``aud`` of the tokens of an authenticated subscription."""
    accounts: tuple[str, ...] = ()
    """The service accounts whose tokens are taken. Every customer can get a token of Google."""
    secret: Secret = _NOTHING
    """In the query of the push endpoint, as ``token=SECRET``."""


@dataclass(frozen=True, slots=True)
class KafkaSection:
    """``[kafka]``: topics that ``castoff normalize`` consumes. Event Hubs speak Kafka."""

    brokers: tuple[str, ...] = ()
    """HOST:PORT. Empty: nothing is consumed."""
    topics: tuple[str, ...] = ()
    group: str = "castoff"
    encrypted: bool = True
    """Speak TLS."""
    ca: str = ""
    """A PEM file; empty for the authorities that the host trusts."""
    certificate: str = ""
    key: str = ""
    user: str = ""
    """``$ConnectionString`` for Event Hubs."""
    password: Secret = _NOTHING
    mechanism: str = "PLAIN"

    def mistakes(self) -> Iterator[Mistake]:
        """Yield section, key, problem and fix of each value that no type refuses."""
        if self.brokers and not self.topics:
            yield "kafka", "topics", "is missing", "Name the topics to consume."
        if not self.group:
            yield "kafka", "group", "is empty", "Name the consumer group."
        if bool(self.user) != bool(self.password):
            yield "kafka", "user", "goes with password", "Give both, or none."
        if self.mechanism not in MECHANISMS:
            fix = f"Use one of {', '.join(MECHANISMS)}."
            yield "kafka", "mechanism", f"is {self.mechanism!r}", fix


@dataclass(frozen=True, slots=True)
class PushSettings:
    """All sections of pushes."""

    server: PushSection = field(default_factory=PushSection)
    sns: SnsSection = field(default_factory=SnsSection)
    event_bridge: EventBridgeSection = field(default_factory=EventBridgeSection)
    event_grid: EventGridSection = field(default_factory=EventGridSection)
    pub_sub: PubSubSection = field(default_factory=PubSubSection)

    @property
    def paths(self) -> frozenset[str]:
        """The paths that are configured."""
        wanted = {
            "/sns": bool(self.sns.topics),
            "/event-bridge": bool(self.event_bridge.secret),
            "/event-grid": bool(self.event_grid.secret),
            "/pub-sub": bool(self.pub_sub.audience or self.pub_sub.secret),
        }
        return frozenset(path for path, is_wanted in wanted.items() if is_wanted)

    def mistakes(self) -> Iterator[Mistake]:
        """Yield section, key, problem and fix of each value that no type refuses."""
        server, topics = self.server, self.sns.topics
        files = {"certificate": server.certificate, "key": server.key}
        yield from listen_mistakes("push", server.listen, files)
        if server.listen and not self.paths:
            fix = "Configure push_sns, push_event_bridge, push_event_grid or push_pub_sub."
            yield "push", "listen", "is set, and no sender is configured", fix
        if len(topics) > TOPICS_MOST or not all(map(_ARN.fullmatch, topics)):
            fix = f"Give up to {TOPICS_MOST} of arn:aws:sns:REGION:ACCOUNT:NAME."
            yield "push_sns", "topics", "has what is not the ARN of a topic", fix
        if bool(self.pub_sub.audience) != bool(self.pub_sub.accounts):
            fix = "Give both: every customer of Google can get a token."
            yield "push_pub_sub", "accounts", "goes with audience", fix
        for name, secret in (
            ("push_event_bridge", self.event_bridge.secret),
            ("push_event_grid", self.event_grid.secret),
            ("push_pub_sub", self.pub_sub.secret),
        ):
            if 0 < len(secret.reveal()) < SECRET_LEAST:
                yield name, "secret", "is short", f"Use at least {SECRET_LEAST} characters."
