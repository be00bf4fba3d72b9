"""The port of the topic: messages as Avro bytes, keyed by symbol, acknowledged by all brokers that matter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from corpactions.domain.errors import Unavailable
from corpactions.domain.messages import Message
from corpactions.kafka.publisher import AsyncPublisher, Outgoing
from corpactions.ports.schemas import SchemaSource
from corpactions.serde.audit import AuditCodec
from corpactions.serde.events import EventCodec

SCHEMA_SECONDS = 5.0
"""How long a request waits for the registry, which is needed once in the life of the process."""


class Codecs:
    """The codecs, made when they are first needed: a gateway starts although the registry is away, and says so in its readiness.

    Args:
        source: the registry.
        events_subject: subject of the events topic.
        audit_subject: subject of the audit topic.
    """

    def __init__(self, source: SchemaSource, events_subject: str, audit_subject: str) -> None:
        self._source = source
        self._events_subject = events_subject
        self._audit_subject = audit_subject
        self.known_events: EventCodec | None = None
        self._known_audit: AuditCodec | None = None

    def events(self) -> EventCodec:
        """The codec of the events topic. Raises Unavailable or Fatal as :class:`SchemaSource`."""
        if self.known_events is None:
            self.known_events = EventCodec(self._source, self._source.latest_id(self._events_subject))
        return self.known_events

    def audit(self) -> AuditCodec:
        """The codec of the audit topic. Raises Unavailable or Fatal as :class:`SchemaSource`."""
        if self._known_audit is None:
            self._known_audit = AuditCodec(self._source, self._source.latest_id(self._audit_subject))
        return self._known_audit


class KafkaEventPublisher:
    """``ports.EventPublisher`` on Kafka."""

    def __init__(self, publisher: AsyncPublisher, codecs: Codecs, topic: str) -> None:
        self._publisher = publisher
        self._codecs = codecs
        self._topic = topic

    async def publish(self, message: Message) -> None:
        """See :class:`corpactions.ports.events.EventPublisher`."""
        record = self._record(await self._codec(), message)
        await self._publisher.publish(record.topic, record.key, record.value, record.headers)

    async def publish_many(self, messages: Sequence[Message]) -> list[Exception | None]:
        """See :class:`corpactions.ports.events.EventPublisher`."""
        codec = await self._codec()
        outcomes = await self._publisher.publish_many([self._record(codec, message) for message in messages])
        return [outcome if isinstance(outcome, Exception) else None for outcome in outcomes]

    async def _codec(self) -> EventCodec:
        if (codec := self._codecs.known_events) is not None:
            return codec
        try:
            async with asyncio.timeout(SCHEMA_SECONDS):
                return await asyncio.to_thread(self._codecs.events)
        except TimeoutError:
            raise Unavailable("registry", f"no answer within {SCHEMA_SECONDS:g} s") from None

    def _record(self, codec: EventCodec, message: Message) -> Outgoing:
        headers = [("ca-correlation-id", message.correlation_id.encode())]
        return Outgoing(self._topic, message.symbol.encode(), codec.encode(message), headers)
