"""The worker process: ``python -m consumers.lifecycle``. SIGTERM drains and leaves; a Fatal error says why and ends it with status 1."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType

from consumers.lifecycle.fold import Workshop
from consumers.lifecycle.handler import LifecycleHandler
from consumers.lifecycle.inspection import Inspector
from consumers.lifecycle.letters import Topics
from consumers.lifecycle.securities import GuardedSecurities, RememberedSecurities
from corpactions.bootstrap import pipeline
from corpactions.domain.change import Policy
from corpactions.domain.errors import CorporateActionsError
from corpactions.kafka.worker import Worker
from corpactions.settings import Settings, load
from corpactions.system import SystemClock, SystemIdSource
from corpactions.telemetry import health, logs

_LOG = logging.getLogger("consumers.lifecycle")
GC_THRESHOLD = 100_000
"""Allocations between two looks for garbage cycles, of which this process makes next to none."""
STUCK_SECONDS = 120.0
"""A turn that takes longer than every time-out together: the process is no longer alive in any useful sense."""


def main() -> int:
    """Work until SIGTERM or SIGINT; the exit status."""
    try:
        settings = load()
    except CorporateActionsError as error:
        print(error, file=sys.stderr)
        return 1
    # A claim's owner must differ from every process before it, also where each one is pid 1 of the same host.
    instance = settings.instance or f"{socket.gethostname()}:{os.getpid()}:{SystemIdSource().correlation_id()[:8]}"
    logs.configure("lifecycle", instance, settings.log_level)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        worker = build(settings, instance)
        # A batch allocates tens of thousands of objects that reference counting frees; looking for cycles among them is work for nothing.
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 100)
        if settings.worker_status_port:
            health.serve(settings.worker_status_port, lambda: worker.idle_seconds() < STUCK_SECONDS, worker.health)
        worker.run(stopping.is_set)
    except CorporateActionsError as error:
        _LOG.critical("%s", error)
        return 1
    _LOG.info("stopped")
    return 0


def build(settings: Settings, instance: str) -> Worker:
    """Wire a worker from settings; waits for nothing but the registry, which must know the subjects."""
    clock, ids = SystemClock(), SystemIdSource()
    topics = Topics(
        settings.topic("corporate-actions-events-dlq"),
        settings.topic("corporate-actions-audit"),
        settings.topic("corporate-actions-summaries"),
        settings.consumer_group,
    )
    codecs = pipeline.build_codecs(settings, clock)
    store = pipeline.build_lifecycle_store(settings, clock, instance)
    source = pipeline.build_source(settings)
    workshop = Workshop(
        clock,
        ids,
        Policy(settings.retry_attempts, settings.unknown_symbol == "retry", settings.possible_duplicate == "hold"),
        topics,
        codecs.audit.encode,
        lambda record: codecs.audit.decode(record).recorded_at,
        settings.retry_base_seconds,
    )
    handler = LifecycleHandler(
        store,
        Inspector(codecs.events.decode, pipeline.count_partitions(source, clock)),
        RememberedSecurities(GuardedSecurities(pipeline.build_security_master(settings, clock)), clock),
        workshop,
        codecs.summaries.encode,
    )
    return pipeline.build_worker(settings, clock, source, store, handler)


if __name__ == "__main__":
    raise SystemExit(main())
