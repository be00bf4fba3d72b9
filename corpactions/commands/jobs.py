"""`corpactions jobs`: scheduled work. Any scheduler may start it on any number of machines; one instance runs each job at a time."""

from __future__ import annotations

import json
import os
import socket
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(help="Scheduled work.", no_args_is_help=True)

KAFKA_SECONDS = 5.0


class Job(StrEnum):
    """The jobs there are."""

    PURGE_IDEMPOTENCY_KEYS = "purge-idempotency-keys"


@app.callback()
def _group() -> None:
    """Keep `run` a command of its own."""


@app.command()
def run(
    name: Annotated[Job, typer.Argument(help="The job.")],
    wait: Annotated[float, typer.Option(min=0, max=600, help="Seconds that the workers may take to catch up.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Run a job once (as an account that may delete keys). Ends with status 4 when another instance is running it."""
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.kafka.inspector import Inspector
    from corpactions.kafka.topics import EVENTS
    from corpactions.persistence.jobs import ExpiredKeys, JobLeases, purge
    from corpactions.settings import load
    from corpactions.system import SystemClock

    settings = load()
    engine = build_engine(settings)
    leases = JobLeases(engine, settings.instance or f"{socket.gethostname()}:{os.getpid()}")
    if not leases.claim(name):
        print(json.dumps({"job": name, "ran": False}) if as_json else f"{name} is being run by another instance")
        raise typer.Exit(4)
    topic = settings.topic(EVENTS)
    inspector = Inspector(settings.kafka_bootstrap)
    try:
        done = purge(
            ExpiredKeys(engine, settings.consumer_group, topic),
            lambda: inspector.end_offsets(topic, KAFKA_SECONDS),
            SystemClock(),
            wait,
            lambda: leases.claim(name),
        )
    finally:
        leases.finish(name)
    if as_json:
        print(json.dumps({"job": name, "ran": True, "deleted": done.deleted, "kept": done.kept}))
    else:
        print(f"{done.deleted} expired keys removed, {done.kept} kept until their messages are decided")
