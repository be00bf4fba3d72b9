"""The gateway process: ``python -m gateway``. Chooses the adapters, serves, and lets requests in flight finish when it is told to stop (SIGTERM)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import FrameType

import uvicorn

from corpactions.auditing.access import AuditAccess
from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.errors import Fatal, Unavailable
from corpactions.kafka.inspector import Inspector
from corpactions.kafka.publisher import AsyncPublisher, PublisherConfig
from corpactions.kafka.registry import Registry
from corpactions.kafka.topics import AUDIT, EVENTS, subject_of
from corpactions.persistence.audit_published import PublishedLog
from corpactions.persistence.audit_verifications import AuditVerifications
from corpactions.persistence.engine import Engine
from corpactions.persistence.idempotency import WRITERS, MysqlReservations
from corpactions.persistence.reading import MysqlEventReader, ping
from corpactions.persistence.reservation_store import ReservationStore
from corpactions.persistence.threads import Threads
from corpactions.ports.ambient import Clock, IdSource
from corpactions.settings import Settings, load
from corpactions.system import SystemClock, SystemIdSource
from corpactions.telemetry import logs
from corpactions.telemetry.metrics import Metrics
from gateway.app import build_app
from gateway.auditing import Auditor
from gateway.handler import LEASE_MARGIN_SECONDS, Handler, Ports
from gateway.health import CHECK_SECONDS, Readiness
from gateway.publishing import Codecs, KafkaEventPublisher
from gateway.services import Auditing, Services
from gateway.verifying import Verifier

DRAIN_SECONDS = 15
"""How long requests in flight may take to finish after SIGTERM: longer than MySQL's and the broker's limits together."""
KEEP_ALIVE_SECONDS = 30
LINGER_SECONDS = 0.0005
"""How long a record waits for others on its partition: those whose reservations shared a transaction come within it, and then share a request to the broker."""
BACKLOG = 2_048
SWITCH_SECONDS = 0.0005
"""How long one thread may hold the interpreter while another waits: the writer's few steps between two answers of MySQL must not wait 5 ms for the loop."""
WARM_SECONDS = 2.0
READERS = 4
"""Threads that read: MySQL answers a look-up in well under a millisecond, so these serve thousands of reads a second."""
AUDITORS = 2
"""Threads that read the audit log's tiles; its pages are verified on one of their own, so that announcements never wait for two of them."""
CONNECTIONS = READERS + AUDITORS + 2 * WRITERS + 3
"""One for each thread that reads, two for each writer (it keeps one for itself), two for amendments, one for the health check."""


def main() -> int:
    """Serve until told to stop; 0 after a clean stop, 1 when the gateway could not start."""
    try:
        settings = load()
    except Fatal as error:
        print(error, file=sys.stderr)
        return 1
    logs.configure("gateway", settings.instance or f"{socket.gethostname()}:{os.getpid()}", settings.log_level)
    sys.setswitchinterval(SWITCH_SECONDS)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    server = uvicorn.Server(_config(settings))
    server.run()
    return 0 if server.started else 1


def _end(_number: int, _frame: FrameType | None) -> None:
    """Before it serves, a signal ends the gateway at once; afterwards uvicorn raises the one that it has obeyed again, which is no failure either."""
    raise SystemExit(0)


def _config(settings: Settings) -> uvicorn.Config:
    clock, ids = SystemClock(), SystemIdSource()
    return uvicorn.Config(
        build_app(lambda: open_services(settings, clock, ids), ids),
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


@asynccontextmanager
async def open_services(settings: Settings, clock: Clock, ids: IdSource) -> AsyncIterator[Services]:
    """The services on the adapters that the settings name; closed in the order that loses nothing.

    Raises:
        Fatal: a topic's schema is not registered, or a public key of the settings cannot be read. A dependency that is merely away is no error here: readiness tells of it.
    """
    topic = settings.topic(EVENTS)
    engine = build_engine(settings, pool_size=CONNECTIONS)
    metrics = Metrics()
    audit = _auditing(settings, engine, metrics, ids, clock)
    registry = Registry(settings.registry_url, clock)
    codecs = Codecs(registry, subject_of(topic), subject_of(settings.topic(AUDIT)))
    await _warm(codecs)
    publisher = AsyncPublisher(
        PublisherConfig(
            settings.kafka_bootstrap,
            settings.delivery_timeout_seconds,
            client_id="corporate-actions-gateway",
            linger_seconds=LINGER_SECONDS,
        )
    )
    await publisher.start()
    readers, probes = Threads("readers", READERS), Threads("probes", 3, CHECK_SECONDS)
    reservations = MysqlReservations(ReservationStore(engine, settings.delivery_timeout_seconds + LEASE_MARGIN_SECONDS))
    reader = MysqlEventReader(engine, readers, lambda record: codecs.audit().decode(record), lambda value: codecs.events().decode(value))
    handler = Handler(Ports(reservations, reader, KafkaEventPublisher(publisher, codecs, topic), ids, clock))
    inspector = Inspector(settings.kafka_bootstrap)
    checks = {
        "mysql": lambda: probes.call(lambda: ping(engine)),
        "kafka": lambda: probes.call(lambda: inspector.partitions(topic, CHECK_SECONDS)),
        "registry": lambda: probes.call(codecs.events),
    }
    try:
        yield Services(handler, reader, Readiness(checks, clock), audit, metrics, clock)
    finally:
        await asyncio.to_thread(audit.verifier.close)
        await publisher.close()
        await reservations.close()
        for threads in (readers, audit.threads, audit.pages, probes):
            threads.close()
        engine.dispose()


def _auditing(settings: Settings, engine: Engine, metrics: Metrics, ids: IdSource, clock: Clock) -> Auditing:
    kept, access = AuditVerifications(engine), AuditAccess(settings)
    return Auditing(
        Threads("auditors", AUDITORS),
        PublishedLog(engine),
        Threads("pages", 1),
        access,
        Auditor(access, metrics),
        kept,
        Verifier(kept, ids, clock),
    )


async def _warm(codecs: Codecs) -> None:
    """Learn the schemas' ids now rather than in the first request; a registry that is away or silent does not hold up the start."""

    def both() -> None:
        codecs.events()
        codecs.audit()

    with suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(WARM_SECONDS):
            await asyncio.to_thread(both)


if __name__ == "__main__":
    raise SystemExit(main())
