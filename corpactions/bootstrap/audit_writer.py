"""The audit consumer's adapters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from corpactions.bootstrap.mysql import build_engine
from corpactions.bootstrap.pipeline import patiently
from corpactions.kafka.publisher import Publisher, PublisherConfig
from corpactions.kafka.registry import Registry
from corpactions.kafka.source import KafkaSource, SourceConfig
from corpactions.kafka.topics import AUDIT, AUDIT_CHECKPOINTS, subject_of
from corpactions.persistence.audit_log import MysqlAuditLogStore
from corpactions.ports import Clock
from corpactions.serde.audit import AuditCodec
from corpactions.settings import Settings

GROUP: Final = "corporate-actions-audit"
"""The group under which the writer commits offsets, for its lag to be seen; it never joins it."""
_CONNECTIONS: Final = 6
_ACK_MARGIN_SECONDS: Final = 1.0


def build_audit_store(settings: Settings) -> MysqlAuditLogStore:
    """The log on MySQL: one connection for the lock, three for appending, one for looking up, one for the checkpoints."""
    return MysqlAuditLogStore(build_engine(settings, wait_timeout_seconds=10, pool_size=_CONNECTIONS))


def build_audit_codec(settings: Settings, clock: Clock) -> AuditCodec:
    """The codec of audit records. Raises Fatal when the subject is not registered, Unavailable when the registry did not answer for a minute."""
    registry = Registry(settings.registry_url, clock)
    return AuditCodec(registry, patiently(lambda: registry.latest_id(subject_of(settings.topic(AUDIT))), clock))


def build_audit_source(settings: Settings) -> KafkaSource:
    """The audit topic, read from wherever the log says."""
    config = SourceConfig(settings.kafka_bootstrap, GROUP, settings.topic(AUDIT), client_id="corporate-actions-audit")
    return KafkaSource(config)


def build_checkpoint_publisher(settings: Settings) -> Callable[[str, bytes], None]:
    """Puts a checkpoint on its topic and waits for the ack; raises Unavailable when none comes."""
    publisher = Publisher(PublisherConfig(settings.kafka_bootstrap, settings.delivery_timeout_seconds, client_id="corporate-actions-audit"))
    topic = settings.topic(AUDIT_CHECKPOINTS)

    def publish(key: str, note: bytes) -> None:
        publisher.send(topic, key.encode(), note)
        publisher.wait(settings.delivery_timeout_seconds + _ACK_MARGIN_SECONDS)

    return publish
