"""The audit webhook of Kubernetes: batches of audit events over HTTPS with client certificates.

The API server posts an ``EventList`` and tries again until it is answered with 2xx
(``--audit-webhook-config-file``, ``--audit-webhook-mode=batch``). ``castoff normalize`` answers a
batch after its events are durable. An agent keeps no requests, and answers once it has taken them
for explanations. A client without a certificate of the configured authority does not
get past the handshake.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensor.agent.receivers.post_server import ListenSettings, Post, PostServer, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sensor.agent.config import WebhookSection


class AuditWebhook(PostServer):
    """Listens. ``take`` gets a body and whom it came from; the answer goes out once it returns.

    It raises ValueError for a body that cannot be read.
    """

    def __init__(
        self, settings: ListenSettings, take: Callable[[str, bytes], Awaitable[None]]
    ) -> None:
        async def taken(post: Post) -> Reply:
            await take(post.peer, post.body)
            return Reply()

        super().__init__(settings, taken)


def listens(section: WebhookSection) -> ListenSettings | None:
    """Return where the webhook listens, None where it is off; ``Config.load`` checked it."""
    if not section.listen:
        return None
    host, _, port = section.listen.rpartition(":")
    certificate, key, client_ca = map(Path, (section.certificate, section.key, section.client_ca))
    return ListenSettings(host.strip("[]"), int(port), certificate, key, client_ca)
