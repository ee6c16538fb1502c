"""Pushes of clouds: each path has its own proof of who sends.

================  =============================================================
path              proof
================  =============================================================
``/sns``          SNS's signature, over a message of a configured topic
``/event-bridge`` the secret of the API destination's connection
``/event-grid``   the secret of the subscription, after its handshake
``/pub-sub``      a token of Google for us, or the secret of the endpoint
================  =============================================================

A path whose section is not configured does not exist. What was pushed twice is taken once, and is
answered like the first.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.agent.receivers import event_grid
from sensor.agent.receivers.identity_token import GoogleTokens, TokenInvalid
from sensor.agent.receivers.post_server import ListenSettings, Post, PostServer, RefusedPost, Reply
from sensor.agent.receivers.shared_secret import shows
from sensor.agent.receivers.sns import Forged, SnsVerifier
from sensor.bounded import Bounded
from sensor.sources.controlplane.json_text import JsonInvalid, parse, table, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sensor.agent.receivers.fetching import Fetch
    from sensor.agent.receivers.settings import PushSection, PushSettings
    from sensor.settings.secret import Secret

LONGEST = {
    "/sns": 1 << 20,
    "/event-bridge": 4 << 20,
    "/event-grid": 8 << 20,
    "/pub-sub": 16 << 20,
}
"""Bytes of a body. SNS and EventBridge send at most 256 KiB or 1 MiB, Event Grid batches of 1 MiB,
Pub/Sub 10 MB in base64 (their pages on quotas)."""
MESSAGES_LIMIT = 100_000
"""Ids of messages that are remembered; after a restart the events' own ids are the same."""


class CloudPush:
    """Takes pushes. ``take`` gets the records' bytes and whom they came from."""

    def __init__(
        self,
        settings: PushSettings,
        take: Callable[[str, bytes], Awaitable[None]],
        get: Fetch | None = None,
    ) -> None:
        self._settings = settings
        self._take = take
        fetching = {} if get is None else {"get": get}
        self._sns = SnsVerifier(settings.sns.topics, **fetching)
        self._tokens = GoogleTokens(
            settings.pub_sub.audience, settings.pub_sub.accounts, **fetching
        )
        self._known: Bounded[str, None] = Bounded(MESSAGES_LIMIT)
        self.repeated = 0
        self._answers = {
            "/sns": self._from_sns,
            "/event-bridge": self._from_event_bridge,
            "/event-grid": self._from_event_grid,
            "/pub-sub": self._from_pub_sub,
        }

    def server(self) -> PostServer:
        """Return the server."""
        where = listen_settings(self._settings.server)
        return PostServer(where, self.answer, frozenset({"POST", "OPTIONS"}), self.admit)

    def admit(self, post: Post) -> int:
        """Return how long the body of a request may be, by its head. Raises Refused.

        What the head has to prove is proven here, before the body takes memory.
        """
        path = post.path.rstrip("/")
        if path not in self._settings.paths:
            raise RefusedPost(404)
        if post.method == "OPTIONS" and path != "/event-grid":
            raise RefusedPost(405)
        secret, parameter = self._secret(path)
        if secret is not None and not shows(post, secret, parameter):
            raise RefusedPost(401, "the secret is missing or wrong")
        if path == "/pub-sub" and self._settings.pub_sub.audience:
            bearer = post.headers.get("authorization", "").lower().startswith("bearer ")
            if not bearer:
                raise RefusedPost(401, "no token")
        return LONGEST[path]

    def _secret(self, path: str) -> tuple[Secret | None, str | None]:
        """Return the secret that a path wants, and the parameter that may hold it."""
        if path == "/event-bridge":
            return self._settings.event_bridge.secret, None
        if path == "/event-grid":
            return self._settings.event_grid.secret, "code"
        if path == "/pub-sub" and self._settings.pub_sub.secret:
            return self._settings.pub_sub.secret, "token"
        return None, None

    async def answer(self, post: Post) -> Reply:
        """Answer a request once its records are durable. Raises Refused, ValueError."""
        self.admit(post)
        return await self._answers[post.path.rstrip("/")](post)

    async def _from_sns(self, post: Post) -> Reply:
        verifier = self._sns
        try:
            message = await asyncio.to_thread(verifier.message, post.body, time.time())
        except Forged as error:
            raise RefusedPost(403, str(error)) from None
        except OSError as error:
            raise RefusedPost(503, str(error)) from None
        if message.kind == "SubscriptionConfirmation":
            if self._settings.sns.confirm:
                try:
                    await asyncio.to_thread(verifier.confirm, message)
                except OSError as error:
                    raise RefusedPost(503, str(error)) from None
            return Reply()
        if message.kind == "Notification":
            await self._once(f"sns {message.id}", message.topic, message.message.encode())
        return Reply()

    async def _from_event_bridge(self, post: Post) -> Reply:
        await self._take(f"event-bridge {post.peer}", post.body)
        return Reply()

    async def _from_event_grid(self, post: Post) -> Reply:
        reply = event_grid.handshake(post)
        if reply is None:
            await self._take(f"event-grid {post.peer}", post.body)
            reply = Reply()
        return reply

    async def _from_pub_sub(self, post: Post) -> Reply:
        settings = self._settings.pub_sub
        if settings.audience:
            shown = post.headers.get("authorization", "")
            try:
                await asyncio.to_thread(self._tokens.check, shown)
            except TokenInvalid as error:
                raise RefusedPost(401, str(error)) from None
            except OSError as error:
                raise RefusedPost(503, str(error)) from None
        id_, data = _pub_sub_message(post.body)
        await self._once(f"pub-sub {id_}", f"pub-sub {post.peer}", data)
        return Reply()

    async def _once(self, id_: str, origin: str, data: bytes) -> None:
        """Take what a message carries, unless it was taken before. Raises ValueError."""
        if id_ in self._known:
            self.repeated += 1
            return
        await self._take(origin, data)
        # Not before it is durable: a message that failed comes again.
        self._known.put(id_, None)


def _pub_sub_message(body: bytes) -> tuple[str, bytes]:
    """Return id and data of a push. Raises ValueError."""
    try:
        value = parse(body)
    except JsonInvalid as error:
        raise ValueError(str(error)) from None
    message = table(value, "message")
    data, id_ = message.get("data"), text(message, "messageId") or text(message, "message_id")
    if type(data) is not str or id_ is None:
        raise ValueError("no message of Pub/Sub")
    try:
        return id_, base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ValueError("the data is not base64") from None


def listen_settings(section: PushSection) -> ListenSettings:
    """Return where pushes are taken; ``Config.load`` checked it."""
    host, _, port = section.listen.rpartition(":")
    certificate, key = Path(section.certificate), Path(section.key)
    return ListenSettings(host.strip("[]"), int(port), certificate, key, section="push")
