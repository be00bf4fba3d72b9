"""gateway.single and gateway.bulk: how many announcements the gateway takes one by one and in bulk, and how long one takes.

The floor of a single announcement is a FastAPI echo of a ten-field model under the same server settings; that of a bulk one is a bare producer that sends
the same bytes to the same topic. Floor and value are measured in turns, so that a neighbour on the machine hits both.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

import uvicorn
from confluent_kafka import Consumer, Producer, TopicPartition
from fastapi import FastAPI
from pydantic import BaseModel

from infra.local.ports import Ports
from tests.benchmarks.load import closed_loop, open_loop, requests
from tests.benchmarks.output import report
from tests.support.gateway import DIVIDEND, Backing, Gateway, backing, gateway

ROUNDS = 3
SECONDS = 4.0
RATE = 200
CONNECTIONS = 32
BULK_EVENTS = 500
BULK_CONNECTIONS = 4


class TenFields(BaseModel):
    """The echo's body."""

    event_type: str
    symbol: str
    isin: str
    source: str
    reference: str
    amount: str
    currency: str
    ex_date: str
    record_date: str
    pay_date: str


ECHO_BODY = json.dumps(dict.fromkeys(TenFields.model_fields, "2026-11-10")).encode()


def _serve_echo(port: int) -> None:
    app = FastAPI()

    @app.post("/echo")
    async def echo(body: TenFields) -> TenFields:
        return body

    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning")


def _symbols() -> Iterator[str]:
    return itertools.cycle(f"SYM{number}" for number in range(1000))


def _singles() -> Iterator[bytes]:
    symbols = _symbols()
    while True:
        yield json.dumps(DIVIDEND | {"symbol": next(symbols)}).encode()


def _bulks() -> Iterator[bytes]:
    symbols = _symbols()
    made = [json.dumps({"events": [DIVIDEND | {"symbol": next(symbols)} for _ in range(BULK_EVENTS)]}).encode() for _ in range(4)]
    return itertools.cycle(made)


def _key() -> str:
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def _must_be(statuses: list[int], expected: int) -> None:
    if wrong := [status for status in statuses if status != expected]:
        raise SystemExit(f"{len(wrong)} of {len(statuses)} answers were not {expected}: {sorted(set(wrong))}")


def single(process: Gateway, echo_port: int, rounds: int, seconds: float) -> None:
    """The most requests a second, and the latencies at a fixed rate."""
    singles = requests("/api/v1/events", _singles(), _key)
    echoes = requests("/echo", itertools.repeat(ECHO_BODY), _key)
    closed_loop(process.port, singles, 8, 1)
    closed_loop(echo_port, echoes, 8, 1)
    rates: list[float] = []
    floors: list[float] = []
    latencies: list[float] = []
    floor_latencies: list[float] = []
    for _ in range(rounds):
        floors.append(closed_loop(echo_port, echoes, CONNECTIONS, seconds)[0])
        rate, statuses = closed_loop(process.port, singles, CONNECTIONS, seconds)
        _must_be(statuses, 201)
        rates.append(rate)
        floor_latencies += open_loop(echo_port, echoes, RATE, seconds)[0]
        found, statuses = open_loop(process.port, singles, RATE, seconds)
        _must_be(statuses, 201)
        latencies += found
    report("gateway.single", median(rates), "requests/s", median(floors))
    for percent in (50, 95, 99):
        value, floor = (quantiles(series, n=100)[percent - 1] * 1000 for series in (latencies, floor_latencies))
        report(f"gateway.single.p{percent}_at_{RATE}", value, "ms", floor, less_is_better=True)


def bulk(process: Gateway, made: Backing, rounds: int, seconds: float) -> None:
    """The most events a second in bulk requests."""
    bulks = requests("/api/v1/events/bulk", _bulks(), _key)
    _must_be(closed_loop(process.port, bulks, 1, 1)[1], 200)
    records = _records(made, 20_000)
    rates: list[float] = []
    floors: list[float] = []
    for _ in range(rounds):
        floors.append(_produce(made, records, seconds))
        rate, statuses = closed_loop(process.port, bulks, BULK_CONNECTIONS, seconds)
        _must_be(statuses, 200)
        rates.append(rate * BULK_EVENTS)
    report("gateway.bulk", median(rates), "events/s", median(floors))


def _records(made: Backing, count: int) -> list[tuple[bytes, bytes]]:
    """Keys and values that the gateway has written."""
    consumer = Consumer({"bootstrap.servers": made.endpoints["kafka"], "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(made.topic, partition, 0) for partition in range(12)])
    found: list[tuple[bytes, bytes]] = []
    while len(found) < count and (batch := consumer.consume(1000, 1.0)):
        found += [(key, value) for record in batch if isinstance(key := record.key(), bytes) and isinstance(value := record.value(), bytes)]
    consumer.close()
    return found


def _produce(made: Backing, records: list[tuple[bytes, bytes]], seconds: float) -> float:
    producer = Producer(
        {
            "bootstrap.servers": made.endpoints["kafka"],
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 0,
        }
    )
    headers: list[tuple[str, str | bytes | None]] = [("ca-correlation-id", _key().encode())]
    started, sent = time.perf_counter(), 0
    while time.perf_counter() < started + seconds:
        for key, value in itertools.islice(itertools.cycle(records), BULK_EVENTS * BULK_CONNECTIONS):
            producer.produce(made.topic, key=key, value=value, headers=headers)
            sent += 1
        producer.flush()
    return sent / (time.perf_counter() - started)


def measure(endpoints: Mapping[str, Any], name: str, *, quick: bool) -> None:
    """Measure and print ``gateway.single`` or ``gateway.bulk``."""
    seconds = 1.0 if quick else SECONDS
    with backing(endpoints) as made, gateway(made) as process:
        if name == "gateway.bulk":
            bulk(process, made, ROUNDS, seconds)
            return
        with _echo() as echo_port:
            single(process, echo_port, ROUNDS, seconds)


@contextmanager
def _echo() -> Iterator[int]:
    """The echo server in a process of its own: its port."""
    port = Ports.free().gateway
    echo = multiprocessing.get_context("spawn").Process(target=_serve_echo, args=(port,), daemon=True)
    echo.start()
    try:
        _wait_for(port)
        yield port
    finally:
        echo.terminate()
        echo.join(10)


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("the echo server did not start")
