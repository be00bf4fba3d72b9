"""The gateway and what it depends on fail between any two steps: reserve, produce, ack, answer. Never two events for a key, never a key that stays stuck."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.gateway import DIVIDEND, Backing, Gateway, backing, gateway, key, post

DELIVERY = "1.0"
LEASE_SECONDS = 6.0
"""The gateway's lease for that delivery time-out."""
NO_TLS = ssl.create_default_context()
"""Made once: reading the system's certificates for each of hundreds of clients would take longer than their requests."""
A_ROUND, AT_ONCE = 100, 25
"""Requests before a kill, and how many of them are on their way: enough that it finds some however fast the gateway is."""


@pytest.fixture
def own(endpoints: dict[str, Any]) -> Iterator[Backing]:
    with backing(endpoints) as found:
        yield found


def _submit(url: str, idempotency_key: str, symbol: str = "AAPL") -> httpx.Response | None:
    with httpx.Client(base_url=url, timeout=20, trust_env=False, verify=NO_TLS) as client:
        try:
            return post(client, "/api/v1/events", DIVIDEND | {"symbol": symbol}, idempotency_key)
        except httpx.TransportError:
            return None


def _repeat_until_accepted(url: str, idempotency_key: str, symbol: str = "AAPL") -> str:
    """Do what the gateway tells: repeat with the key, after the time it names. Returns the event id."""
    deadline = time.monotonic() + 3 * LEASE_SECONDS
    while time.monotonic() < deadline:
        answer = _submit(url, idempotency_key, symbol)
        assert answer is not None
        if answer.status_code == 201 or answer.json()["code"] == "duplicate_request":
            return str(answer.json()["event_id"])
        assert answer.json()["code"] in {"request_in_progress", "outcome_unknown"}, answer.text
        time.sleep(min(float(answer.headers["retry-after"]), 1.0))
    raise AssertionError(f"the key {idempotency_key} is stuck")


@contextmanager
def _silent_server() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    kept.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in kept:
                connection.close()


def _wait_for(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


def test_killed_before_the_reservation(own: Backing) -> None:
    again, locked = key(), own.connection()
    with gateway(own, CA_DELIVERY_TIMEOUT_SECONDS=DELIVERY) as process, ThreadPoolExecutor(1) as pool:
        locked.cursor().execute("LOCK TABLES idempotency_keys WRITE")
        asked = pool.submit(_submit, process.url, again)
        waiting = "SELECT 1 FROM information_schema.processlist WHERE db = %s AND state LIKE 'Waiting for table%%'"
        _wait_for(lambda: own.sql(waiting, own.database, database=""))
        process.kill()
        assert asked.result() is None
        locked.close()
        process.start()
        event_id = _repeat_until_accepted(process.url, again)
    assert [message.event_id for message in own.messages()] == [event_id]


def test_killed_between_reservation_and_produce(own: Backing) -> None:
    again = key()
    with (
        _silent_server() as silent,
        gateway(own, CA_REGISTRY_URL=silent, CA_DELIVERY_TIMEOUT_SECONDS=DELIVERY) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(_submit, process.url, again)
        _wait_for(lambda: own.sql("SELECT 1 FROM idempotency_keys WHERE state = 'RESERVED'"))
        process.kill()
        assert asked.result() is None
    ((reserved,),) = own.sql("SELECT event_id FROM idempotency_keys")
    with gateway(own, CA_DELIVERY_TIMEOUT_SECONDS=DELIVERY) as process:
        own.sql("UPDATE idempotency_keys SET lease_until = NOW(6) + INTERVAL 2 SECOND")  # a slow start may have outlasted it
        first = _submit(process.url, again)
        assert first is not None
        assert (first.status_code, first.json()["code"]) == (409, "request_in_progress")
        assert 0 < int(first.headers["retry-after"]) <= LEASE_SECONDS
        event_id = _repeat_until_accepted(process.url, again)
    assert event_id.replace("-", "") == reserved.hex()
    assert [message.event_id for message in own.messages()] == [event_id]


def test_killed_between_produce_and_ack(own: Backing) -> None:
    again = key()
    own.take_topic_away()
    with gateway(own, CA_DELIVERY_TIMEOUT_SECONDS="5.0") as process, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_submit, process.url, again)
        _wait_for(lambda: own.sql("SELECT 1 FROM idempotency_keys WHERE state = 'RESERVED'"))
        time.sleep(0.5)
        process.kill()
        assert asked.result() is None
    own.bring_topic_back()
    own.sql("UPDATE idempotency_keys SET lease_until = NOW(6) + INTERVAL 1 SECOND")
    with gateway(own, CA_DELIVERY_TIMEOUT_SECONDS=DELIVERY) as process:
        event_id = _repeat_until_accepted(process.url, again)
    assert {message.event_id for message in own.messages()} == {event_id}


def test_no_ack_is_an_unknown_outcome_and_the_key_stays(own: Backing) -> None:
    again = key()
    with gateway(own, CA_DELIVERY_TIMEOUT_SECONDS=DELIVERY) as process:
        own.take_topic_away()
        started = time.monotonic()
        answer = _submit(process.url, again)
        assert time.monotonic() - started < 5
        assert answer is not None
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
        assert again in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) >= 1
        own.bring_topic_back()
        ((accepted_at,),) = own.sql("SELECT accepted_at FROM idempotency_keys")
        assert _repeat_until_accepted(process.url, again) == answer.json()["event_id"]
    messages = own.messages()
    assert {message.event_id for message in messages} == {answer.json()["event_id"]}
    assert {message.accepted_at.replace(tzinfo=None) for message in messages} == {accepted_at}


def test_without_a_broker_the_answer_is_503_in_bounded_time(own: Backing) -> None:
    with gateway(own, CA_KAFKA_BOOTSTRAP="127.0.0.1:9", CA_DELIVERY_TIMEOUT_SECONDS=DELIVERY) as process:
        started = time.monotonic()
        answer = _submit(process.url, key())
        assert time.monotonic() - started < 5
        assert answer is not None
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
        ready = httpx.get(f"{process.url}/health/ready", trust_env=False)
        assert ready.status_code == 503
        assert ready.json()["checks"]["kafka"]
        assert ready.json()["checks"]["mysql"] is None
        assert httpx.get(f"{process.url}/health/live", trust_env=False).status_code == 200


def test_without_a_database_the_answer_is_503_and_nothing_is_published(own: Backing) -> None:
    with gateway(own, CA_MYSQL_PORT="9") as process:
        answer = _submit(process.url, key())
        assert answer is not None
        assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
        assert "retry-after" in answer.headers
        assert httpx.get(f"{process.url}/health/ready", trust_env=False).json()["checks"]["mysql"]
    assert own.messages() == []


def test_a_bulk_request_without_acks_is_repeated_with_the_same_ids(own: Backing) -> None:
    again, body = key(), {"events": [DIVIDEND | {"symbol": f"S{number}"} for number in range(20)]}
    with (
        gateway(own, CA_DELIVERY_TIMEOUT_SECONDS=DELIVERY) as process,
        httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client,
    ):
        own.take_topic_away()
        assert post(client, "/api/v1/events/bulk", body, again).status_code == 503
        own.bring_topic_back()
        _wait_for(
            lambda: (
                (answer := post(client, "/api/v1/events/bulk", body, again)).status_code == 200
                or answer.json()["code"] == "duplicate_request"
            )
        )
    assert len({message.event_id for message in own.messages()}) == 20


def test_killed_at_random_moments_under_load(own: Backing) -> None:
    """Many requests are on their way whenever the process dies, so every step is interrupted; each key still ends as exactly one event."""
    keys = {key(): f"K{number}" for number in range(3 * A_ROUND)}
    answered: dict[str, str] = {}
    with gateway(own, CA_DELIVERY_TIMEOUT_SECONDS=DELIVERY) as process:
        pending = list(keys)
        for _ in range(3):
            part, pending = pending[:A_ROUND], pending[A_ROUND:]
            _round(process, {name: keys[name] for name in part}, answered)
        states = Counter(state for (state,) in own.sql("SELECT state FROM idempotency_keys"))
        assert states["RESERVED"], "a kill should have interrupted something"
        with ThreadPoolExecutor(20) as pool:
            found = dict(zip(keys, pool.map(lambda name: _repeat_until_accepted(process.url, name, keys[name]), keys), strict=True))
    for name, event_id in answered.items():
        assert found[name] == event_id
    symbols: dict[str, set[str]] = {}
    for message in own.messages():
        symbols.setdefault(message.symbol, set()).add(message.event_id)
    assert symbols == {keys[name]: {event_id} for name, event_id in found.items()}


def _round(process: Gateway, part: dict[str, str], answered: dict[str, str]) -> None:
    """Send everything at once and kill the process while it is at work."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {name: pool.submit(_submit, process.url, name, symbol) for name, symbol in part.items()}
        _wait_for(lambda: any(future.done() for future in asked.values()))
        time.sleep(random.uniform(0, 0.03))
        process.kill()
        for name, future in asked.items():
            answer = future.result()
            if answer is not None and answer.status_code == 201:
                answered[name] = answer.json()["event_id"]
    process.start()
