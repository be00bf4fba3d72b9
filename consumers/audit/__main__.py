"""The audit consumer: ``python -m consumers.audit``. SIGTERM stores what was read, signs a last checkpoint and leaves; a Fatal error says why and ends it with status 1."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType

from consumers.audit.checkpoints import Cadence, Checkpointer
from consumers.audit.handler import Handler
from consumers.audit.writer import Config, Parts, Writer
from corpactions.bootstrap import audit_writer, pipeline
from corpactions.domain.errors import CorporateActionsError
from corpactions.security.published import read_key
from corpactions.security.signing import load_keys, verify
from corpactions.security.witness import WitnessClient
from corpactions.serde.canonical import encode
from corpactions.settings import Settings, load
from corpactions.system import SystemClock, SystemIdSource
from corpactions.telemetry import health, logs

_LOG = logging.getLogger("consumers.audit")
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
    instance = settings.instance or f"{socket.gethostname()}:{os.getpid()}:{SystemIdSource().correlation_id()[:8]}"
    logs.configure("audit", instance, settings.log_level)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        writer = build(settings, instance)
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 100)
        if settings.audit_status_port:
            health.serve(settings.audit_status_port, lambda: writer.idle_seconds() < STUCK_SECONDS, writer.health)
        writer.run(stopping.is_set)
    except CorporateActionsError as error:
        _LOG.critical("%s", error)
        return 1
    _LOG.info("stopped")
    return 0


def build(settings: Settings, instance: str) -> Writer:
    """Wire a writer from settings; waits for nothing but the registry and the broker."""
    clock = SystemClock()
    store = audit_writer.build_audit_store(settings)
    source = audit_writer.build_audit_source(settings)
    codec = audit_writer.build_audit_codec(settings, clock)
    witness = None
    if settings.witness_url:
        key = read_key(settings.witness_vkey, "CA_WITNESS_VKEY")
        witness = WitnessClient(settings.witness_url, [] if key is None else [key.vkey])
    else:
        _LOG.warning("CA_WITNESS_URL is empty: nobody outside this database will notice if the whole log is rewritten")
    cadence = Cadence(settings.audit_checkpoint_entries, settings.audit_checkpoint_seconds)
    checkpointer = Checkpointer(store, witness, audit_writer.build_checkpoint_publisher(settings), clock, cadence)
    signers = load_keys(settings.audit_keys, settings.audit_origin)
    parts = Parts(store, source, Handler(codec.content, store.known, encode), checkpointer, signers, verify, encode, clock)
    config = Config(settings.audit_origin, instance, settings.audit_batch_records)
    return Writer(parts, config, pipeline.count_partitions(source, clock))


if __name__ == "__main__":
    raise SystemExit(main())
