"""The feed's connections, from the settings."""

from __future__ import annotations

from typing import Final

from corpactions.kafka.publisher import Publisher, PublisherConfig
from corpactions.kafka.registry import Registry
from corpactions.kafka.topics import subject_of
from corpactions.ports import Clock
from corpactions.serde.events import EventCodec
from corpactions.settings import Settings
from producers.feed.feeder import TopicWriter

TOPIC: Final = "corporate-actions-events"
LINGER_SECONDS: Final = 0.005
"""A feed is after throughput: records wait this long for company."""


def open_publisher(settings: Settings) -> Publisher:
    """The producer. It connects by itself; a broker that is away is noticed at the first wait."""
    return Publisher(PublisherConfig(settings.kafka_bootstrap, settings.delivery_timeout_seconds, LINGER_SECONDS, "corporate-actions-feed"))


def open_codec(settings: Settings, clock: Clock) -> EventCodec:
    """The codec for the events topic's newest schema.

    Raises:
        Unavailable: the registry does not answer.
        Fatal: the schema is not registered.
    """
    registry = Registry(settings.registry_url, clock)
    return EventCodec(registry, registry.latest_id(subject_of(settings.topic(TOPIC))))


def open_writer(settings: Settings, clock: Clock) -> TopicWriter:
    """Codec and producer as one writer for the events topic. Raises as :func:`open_codec`."""
    return TopicWriter(settings.topic(TOPIC), open_codec(settings, clock), open_publisher(settings))
