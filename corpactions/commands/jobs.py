"""`corpactions jobs`: scheduled work. Any scheduler may start it on any number of machines; one instance runs each job at a time."""

from __future__ import annotations

import json
import os
import socket
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpactions.settings import Settings

app = typer.Typer(help="Scheduled work.", no_args_is_help=True)

KAFKA_SECONDS = 5.0


class Job(StrEnum):
    """The jobs there are."""

    PURGE_IDEMPOTENCY_KEYS = "purge-idempotency-keys"
    AUDIT_RETENTION = "audit-retention"


class Done(NamedTuple):
    """What a job did: for programs and for people."""

    fields: dict[str, object]
    text: str


@app.callback()
def _group() -> None:
    """Keep `run` a command of its own."""


@app.command()
def run(
    name: Annotated[Job, typer.Argument(help="The job.")],
    wait: Annotated[
        float, typer.Option(min=0, max=600, help="purge-idempotency-keys: seconds that the workers may take to catch up.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Run a job once. Ends with status 4 when another instance is running it.

    purge-idempotency-keys removes expired keys (as ca_operator); audit-retention exports and removes entries that are past seven years (as ca_retention).
    """
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.persistence.jobs import JobLeases
    from corpactions.settings import load

    settings = load()
    leases = JobLeases(build_engine(settings), settings.instance or f"{socket.gethostname()}:{os.getpid()}")
    if not leases.claim(name):
        print(json.dumps({"job": name, "ran": False}) if as_json else f"{name} is being run by another instance")
        raise typer.Exit(4)
    try:
        if name is Job.AUDIT_RETENTION:
            done = _audit_retention(settings, lambda: leases.claim(name))
        else:
            done = _purge_keys(settings, wait, lambda: leases.claim(name))
    finally:
        leases.finish(name)
    print(json.dumps({"job": name, "ran": True, **done.fields}) if as_json else done.text)


def _purge_keys(settings: Settings, wait: float, renew: Callable[[], bool]) -> Done:
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.kafka.inspector import Inspector
    from corpactions.kafka.topics import EVENTS
    from corpactions.persistence.jobs import ExpiredKeys, purge
    from corpactions.system import SystemClock

    topic = settings.topic(EVENTS)
    inspector = Inspector(settings.kafka_bootstrap)
    keys = ExpiredKeys(build_engine(settings), settings.consumer_group, topic)
    purged = purge(keys, lambda: inspector.end_offsets(topic, KAFKA_SECONDS), SystemClock(), wait, renew)
    return Done(purged._asdict(), f"{purged.deleted} expired keys removed, {purged.kept} kept until their messages are decided")


def _audit_retention(settings: Settings, renew: Callable[[], bool]) -> Done:
    from corpactions.auditing.retention import build_export, build_publish, build_retention
    from corpactions.persistence.audit_retention import retire
    from corpactions.system import SystemClock

    store, export, publish = build_retention(settings), build_export(settings), build_publish(settings, SystemClock())
    try:
        retired = retire(store, export, renew)
    finally:
        publish(store.untold())  # also what an earlier run could not tell, and what this one did before it failed
    removed = [{"log": segment.origin, "first": segment.first, "end": segment.end} for segment in retired.removed]
    waiting = [{"log": standing.origin, "waits_for": standing.waits_for} for standing in retired.standing]
    lines = [f"{segment.origin}: entries {segment.first} to {segment.end - 1} exported and removed" for segment in retired.removed]
    lines += [f"{standing.origin}: the next removal waits for {standing.waits_for}" for standing in retired.standing if standing.waits_for]
    return Done({"removed": removed, "waiting": waiting}, "\n".join(lines) or "there is no audit log yet")
