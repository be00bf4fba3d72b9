"""Retention's adapters: its store, and the way its deeds are told to the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from corpactions.bootstrap.audit_writer import build_audit_codec
from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.audit.records import AuditRecord
from corpactions.kafka.publisher import Publisher, PublisherConfig
from corpactions.kafka.topics import AUDIT
from corpactions.persistence.audit_retention import RetentionStore
from corpactions.ports import Clock
from corpactions.ports.audit_retention import Publish
from corpactions.settings import Settings

_ACK_MARGIN_SECONDS: Final = 1.0


def build_retention(settings: Settings) -> RetentionStore:
    """The store, whose exports and removals are in the name of the account that does them."""
    return RetentionStore(build_engine(settings), settings.mysql_user)


def build_publish(settings: Settings, clock: Clock) -> Publish:
    """Sends records to the audit topic, keyed by their resource, and waits for the acks; connects with the first record."""

    def publish(records: Sequence[AuditRecord]) -> None:
        if not records:
            return
        codec = build_audit_codec(settings, clock)
        config = PublisherConfig(settings.kafka_bootstrap, settings.delivery_timeout_seconds, client_id="corporate-actions-retention")
        publisher = Publisher(config)
        for record in records:
            publisher.send(settings.topic(AUDIT), record.resource.encode(), codec.encode(record))
        publisher.wait(settings.delivery_timeout_seconds + _ACK_MARGIN_SECONDS)

    return publish
