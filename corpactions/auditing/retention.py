"""Retention's adapters: its store, the bundles that must lie safely before anything is removed, and the way its deeds are told to the log."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from corpactions.auditing.bundles import export_segment
from corpactions.bootstrap.audit_writer import build_audit_codec
from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.audit.records import AuditRecord
from corpactions.domain.audit.retention import Segment
from corpactions.domain.errors import Fatal
from corpactions.kafka.publisher import Publisher, PublisherConfig
from corpactions.kafka.topics import AUDIT
from corpactions.persistence.audit_retention import RetentionStore
from corpactions.ports import Clock
from corpactions.ports.audit_retention import Bundle, ExportSegment, Publish
from corpactions.settings import Settings

_ACK_MARGIN_SECONDS: Final = 1.0


def build_retention(settings: Settings) -> RetentionStore:
    """The store, whose exports and removals are in the name of the account that does them."""
    return RetentionStore(build_engine(settings), settings.mysql_user)


def build_export(settings: Settings) -> ExportSegment:
    """Writes bundles to CA_AUDIT_EXPORTS and verifies them there, on disk for good, with a key that was not read from the log itself.

    Raises:
        Fatal: CA_AUDIT_TRUSTED_KEY is not set.
    """
    if not settings.audit_trusted_key:
        raise Fatal(
            "CA_AUDIT_TRUSTED_KEY is not set; what is removed for good must verify with a key that you had from elsewhere than the log"
        )

    def export(segment: Segment) -> Bundle:
        location, sha256 = export_segment(settings, segment.log_id, segment.first, segment.end, settings.audit_exports)
        for path in (Path(location), settings.audit_exports):
            _to_disk(path)
        return Bundle(location, sha256)

    return export


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


def _to_disk(path: Path) -> None:
    """What a removal rests on must survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
