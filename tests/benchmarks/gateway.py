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
from tests.benchmarks.flame import Flames
from tests.benchmarks.load import closed_loop, open_loop, requests
from tests.benchmarks.machine import Meter, Usage, listener
from tests.benchmarks.output import report
from tests.support.gateway import DIVIDEND, Backing, Gateway, backing, gateway

ROUNDS = 3
SECONDS = 4.0
FLAME_SECONDS = 8.0
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


class Closed:
    """A closed loop against one server: its rates, and what every process took of the machine meanwhile.

    Args:
        port: of the server.
        prepared: requests without end.
        expected: the status that every answer must have.
        groups: the processes to watch, by what they are; the load generator is added.
        events: in one request.
    """

    def __init__(self, port: int, prepared: Iterator[bytes], expected: int, groups: Mapping[str, list[int]], events: int = 1) -> None:
        self.rates: list[float] = []
        self.usage = Usage()
        self._port = port
        self._prepared = prepared
        self._expected = expected
        self._meter = Meter({**groups, "generator": [os.getpid()]})
        self._events = events

    def run(self, connections: int, seconds: float) -> None:
        """One interval that counts."""
        before = self._meter.read()
        rate, statuses = closed_loop(self._port, self._prepared, connections, seconds)
        self.usage.add(before, self._meter.read(), len(statuses) * self._events)
        _must_be(statuses, self._expected)
        self.rates.append(rate * self._events)

    def warm_up(self, connections: int, seconds: float) -> None:
        """One that does not."""
        _must_be(closed_loop(self._port, self._prepared, connections, seconds)[1], self._expected)


def _must_be(statuses: list[int], expected: int) -> None:
    if wrong := [status for status in statuses if status != expected]:
        raise SystemExit(f"{len(wrong)} of {len(statuses)} answers were not {expected}: {sorted(set(wrong))}")


def single(line: Line, echo_port: int, seconds: float) -> None:
    """The most requests a second, and the latencies at a fixed rate."""
    prepared = requests("/api/v1/events", _singles(), _key)
    echo_prepared = requests("/echo", itertools.repeat(ECHO_BODY), _key)
    announcing = Closed(line.port, prepared, 201, line.groups)
    echoing = Closed(echo_port, echo_prepared, 200, {"echo": [listener(echo_port)]})
    latencies: list[float] = []
    echo_latencies: list[float] = []
    for loop in (announcing, echoing):
        loop.warm_up(8, 1)
    for _ in range(ROUNDS):
        echoing.run(CONNECTIONS, seconds)
        announcing.run(CONNECTIONS, seconds)
        echo_latencies += open_loop(echo_port, echo_prepared, RATE, seconds)[0]
        found, statuses = open_loop(line.port, prepared, RATE, seconds)
        _must_be(statuses, 201)
        latencies += found
    more = {**announcing.usage.keys(), "floor_cpu_us_per_event": echoing.usage.per_event()}
    report("gateway.single", median(announcing.rates), "requests/s", median(echoing.rates), **more)
    for percent in (50, 95, 99):
        value, floor = (quantiles(series, n=100)[percent - 1] * 1000 for series in (latencies, echo_latencies))
        report(f"gateway.single.p{percent}_at_{RATE}", value, "ms", floor, less_is_better=True)
    line.draw("gateway.single", announcing, CONNECTIONS)


def bulk(line: Line, seconds: float) -> None:
    """The most events a second in bulk requests."""
    announcing = Closed(line.port, requests("/api/v1/events/bulk", _bulks(), _key), 200, line.groups, BULK_EVENTS)
    announcing.warm_up(1, 1)
    records = _records(line.made, 20_000)
    floors: list[float] = []
    for _ in range(ROUNDS):
        floors.append(_produce(line.made, records, seconds))
        announcing.run(BULK_CONNECTIONS, seconds)
    report("gateway.bulk", median(announcing.rates), "events/s", median(floors), **announcing.usage.keys())
    line.draw("gateway.bulk", announcing, BULK_CONNECTIONS)


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


class Line:
    """A gateway, the servers behind it, and where flame graphs go."""

    def __init__(self, made: Backing, process: Gateway, flames: Flames) -> None:
        assert process.process is not None, "it serves"
        self.made = made
        self.port = process.port
        self._pid = process.process.pid
        self._flames = flames

    @property
    def groups(self) -> dict[str, list[int]]:
        """The processes, by what they are."""
        servers = {"mysqld": self.made.endpoints["mysql"]["port"], "kafka": int(self.made.endpoints["kafka"].rpartition(":")[2])}
        return {"gateway": [self._pid], **{name: [listener(port)] for name, port in servers.items()}}

    def draw(self, name: str, loop: Closed, connections: int) -> None:
        """The gateway's flame graph, if one is wanted."""
        if self._flames:
            with self._flames.of(name, [self._pid]):
                loop.warm_up(connections, FLAME_SECONDS)


def measure(endpoints: Mapping[str, Any], name: str, flames: Flames, *, quick: bool) -> None:
    """Measure and print ``gateway.single`` or ``gateway.bulk``."""
    seconds = 1.0 if quick else SECONDS
    with backing(endpoints) as made, gateway(made) as process:
        line = Line(made, process, flames)
        if name == "gateway.bulk":
            bulk(line, seconds)
            return
        with _echo() as echo_port:
            single(line, echo_port, seconds)


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
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("the echo server did not start")
