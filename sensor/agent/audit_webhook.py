"""The audit webhook of Kubernetes: batches of audit events over HTTPS with client certificates.

The API server posts an ``EventList`` and tries again until it is answered with 2xx, so a batch is
answered after its events are durable, and never before (``--audit-webhook-config-file``,
``--audit-webhook-mode=batch``). A client without a certificate of the configured authority does not
get past the handshake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.agent.receivers.post_server import ListenSettings, Post, PostServer, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class AuditWebhook(PostServer):
    """Listens. ``take`` gets a body and whom it came from; it returns once that is durable.

    It raises ValueError for a body that cannot be read.
    """

    def __init__(
        self, settings: ListenSettings, take: Callable[[str, bytes], Awaitable[None]]
    ) -> None:
        async def taken(post: Post) -> Reply:
            await take(post.peer, post.body)
            return Reply()

        super().__init__(settings, taken)
