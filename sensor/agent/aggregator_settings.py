"""What ``castoff normalize --config`` reads, receives, keeps and ships."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.agent.audit_webhook import listens
from sensor.agent.delivery import DeliverySettings
from sensor.agent.receivers.settings import KafkaSection, PushSettings
from sensor.dataclass import dataclass
from sensor.store.log import StoreSettings

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.agent.config import Config
    from sensor.agent.receivers.post_server import ListenSettings
    from sensor.model.control_plane import RequestSource
    from sensor.sources.controlplane.addresses import Proxies

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class AggregatorSettings:
    """What is read, where it is kept, and where it goes."""

    directories: tuple[Path, ...]
    state_dir: Path
    store: StoreSettings
    shipping: DeliverySettings
    heartbeat_seconds: float
    sources: frozenset[RequestSource] | None = None
    proxies: Proxies = ()
    webhook: ListenSettings | None = None
    push: PushSettings = field(default_factory=PushSettings)
    kafka: KafkaSection = field(default_factory=KafkaSection)

    @property
    def receives(self) -> bool:
        """Whether anything is received beside the directories."""
        return self.webhook is not None or bool(self.push.server.listen) or bool(self.kafka.brokers)

    @classmethod
    def of(
        cls,
        config: Config,
        directories: tuple[Path, ...],
        sources: frozenset[RequestSource] | None,
        proxies: Proxies,
    ) -> AggregatorSettings:
        """Return what a configuration says."""
        return cls(
            directories=directories,
            state_dir=config.agent.state_dir,
            store=StoreSettings(
                sync=config.store.sync,
                max_bytes=config.store.max_mib << 20,
                max_age=config.store.max_age_days * SECONDS_PER_DAY,
                dead_letters=config.delivery.dead_letters,
            ),
            shipping=DeliverySettings.of(config),
            heartbeat_seconds=config.agent.heartbeat_seconds,
            sources=sources,
            proxies=proxies,
            webhook=listens(config.webhook),
            push=config.pushes(),
            kafka=config.kafka,
        )
