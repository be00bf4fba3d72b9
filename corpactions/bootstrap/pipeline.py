"""The event pipeline's adapters: topics, codecs, the worker's store and loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.errors import Unavailable
from corpactions.kafka.publisher import Publisher, PublisherConfig
from corpactions.kafka.registry import Registry
from corpactions.kafka.source import KafkaSource, SourceConfig
from corpactions.kafka.topics import AUDIT, EVENTS, SUMMARIES, subject_of
from corpactions.kafka.worker import Worker, WorkerConfig
from corpactions.persistence.lifecycle import MysqlLifecycleStore
from corpactions.persistence.securities import MysqlSecurityMaster
from corpactions.persistence.securities_http import HttpSecurityMaster
from corpactions.ports import Clock, SecurityMaster
from corpactions.ports.handler import Handler
from corpactions.serde.audit import AuditCodec
from corpactions.serde.events import EventCodec
from corpactions.serde.summaries import SummaryCodec
from corpactions.settings import Settings

Result = TypeVar("Result")
STARTUP_SECONDS = 60.0
"""How long a starting service waits for a dependency that is not there yet, before it gives up with a message."""


class Codecs(NamedTuple):
    """One codec per topic of ours, writing the newest schema that the registry knows."""

    events: EventCodec
    audit: AuditCodec
    summaries: SummaryCodec


def build_codecs(settings: Settings, clock: Clock) -> Codecs:
    """Codecs whose schema ids come from the registry, once.

    Raises:
        Fatal: a subject is not registered.
        Unavailable: the registry did not answer for a minute.
    """
    registry = Registry(settings.registry_url, clock)

    def newest(topic: str) -> int:
        return patiently(lambda: registry.latest_id(subject_of(settings.topic(topic))), clock)

    return Codecs(EventCodec(registry, newest(EVENTS)), AuditCodec(registry, newest(AUDIT)), SummaryCodec(registry, newest(SUMMARIES)))


def build_lifecycle_store(settings: Settings, clock: Clock, owner: str) -> MysqlLifecycleStore:
    """The worker's store: one connection, whose locks fall ten seconds after its process has stopped."""
    return MysqlLifecycleStore(build_engine(settings, wait_timeout_seconds=10, pool_size=1), settings.consumer_group, owner, clock)


def build_security_master(settings: Settings, clock: Clock) -> SecurityMaster:
    """The bank's own security master when its address is set, else the MySQL table."""
    if settings.security_master_url:
        return HttpSecurityMaster(settings.security_master_url, clock)
    return MysqlSecurityMaster(build_engine(settings, pool_size=2))


def build_source(settings: Settings) -> KafkaSource:
    """The events topic, as a member of the consumer group."""
    return KafkaSource(
        SourceConfig(settings.kafka_bootstrap, settings.consumer_group, settings.topic(EVENTS), settings.session_timeout_seconds)
    )


def count_partitions(source: KafkaSource, clock: Clock) -> int:
    """How many partitions the events topic has; waits a minute for the broker. Raises Unavailable, or Fatal when there is no such topic."""
    return patiently(source.count_partitions, clock)


def patiently(call: Callable[[], Result], clock: Clock) -> Result:
    """Services start in any order: what is not there yet is waited for, but not for ever."""
    deadline = clock.monotonic() + STARTUP_SECONDS
    while True:
        try:
            return call()
        except Unavailable:
            if clock.monotonic() > deadline:
                raise
            clock.sleep(0.5)


def build_worker(settings: Settings, clock: Clock, source: KafkaSource, store: MysqlLifecycleStore, handler: Handler) -> Worker:
    """The loop around a handler."""
    publisher = Publisher(
        PublisherConfig(
            settings.kafka_bootstrap, settings.delivery_timeout_seconds, linger_seconds=0.002, client_id="corporate-actions-worker"
        )
    )
    config = WorkerConfig(
        settings.topic(SUMMARIES),
        settings.batch_records,
        breaker_failures=settings.breaker_failures,
        breaker_window=settings.breaker_window_seconds,
    )
    return Worker(source, store, handler, publisher, clock, config)
