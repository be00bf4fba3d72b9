"""Expired keys are removed, but none whose message may still be undecided."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpactions.kafka.inspector import Inspector
from corpactions.persistence.engine import connect
from corpactions.persistence.jobs import PURGE_BATCH, ExpiredKeys, JobLeases, purge
from corpactions.persistence.reservation_store import NewReservation, ReservationStore
from corpactions.ports.reservations import KeyedRequest, Reservation
from corpactions.system import SystemClock, SystemIdSource
from tests.support.gateway import Backing, key

GROUP = "g"


@pytest.fixture
def store(made: Backing) -> Iterator[ReservationStore]:
    engine = connect(made.mysql_config())
    made.sql("DELETE FROM idempotency_keys")
    made.sql("DELETE FROM partition_progress")
    yield ReservationStore(engine, 5.0)
    engine.dispose()


def _reserve(store: ReservationStore, count: int, ids_each: int = 1) -> list[Reservation]:
    ids = SystemIdSource()
    wanted = [NewReservation(KeyedRequest("p", key(), b"\0" * 32), ids.event_id_range(ids_each), ids_each, None) for _ in range(count)]
    return [claim.reservation for claim in store.insert(wanted)]


def _expire(made: Backing, reservations: list[Reservation]) -> None:
    for item in reservations:
        made.sql(
            "UPDATE idempotency_keys SET expires_at = NOW(6) - INTERVAL 1 HOUR, lease_until = NOW(6) - INTERVAL 1 DAY WHERE idempotency_key = %s",
            bytes.fromhex(item.request.key.replace("-", "")),
        )


def _purge(made: Backing, ends: dict[int, int]) -> tuple[int, int]:
    engine = connect(made.mysql_config())
    try:
        return purge(ExpiredKeys(engine, GROUP, made.topic), lambda: ends, SystemClock(), 0.0, lambda: True)
    finally:
        engine.dispose()


def _progress(made: Backing, committed: int) -> None:
    made.sql(
        "REPLACE INTO partition_progress (group_name, topic, `partition`, epoch, owner, acked_offset, committed_offset, summary_seq,"
        " recent_outcomes, updated_at) VALUES (%s, %s, 0, 1, 'w', 0, %s, 0, '', NOW(6))",
        GROUP,
        made.topic,
        committed,
    )


def test_keys_are_kept_until_the_workers_have_passed_the_end(made: Backing, store: ReservationStore) -> None:
    live, *expired = _reserve(store, 4)
    _expire(made, expired)
    assert _purge(made, {0: 10}) == (0, 3)
    _progress(made, 9)
    assert _purge(made, {0: 10}) == (0, 3)
    _progress(made, 10)
    assert _purge(made, {0: 10, 1: 0}) == (3, 0)
    assert made.sql("SELECT event_id FROM idempotency_keys") == [(bytes.fromhex(live.event_id.replace("-", "")),)]


def test_a_filed_version_frees_its_key_and_a_leased_key_stays(made: Backing, store: ReservationStore) -> None:
    filed, unknown, leased, bulk = *_reserve(store, 3), *_reserve(store, 1, ids_each=2)
    _expire(made, [filed, unknown, leased, bulk])
    made.sql(
        "UPDATE idempotency_keys SET lease_until = NOW(6) + INTERVAL 1 MINUTE WHERE event_id = %s",
        bytes.fromhex(leased.event_id.replace("-", "")),
    )
    made.sql(
        "INSERT INTO event_versions (event_id, origin, version, `function`, content_sha256, salt, filed_revision, accepted_at)"
        " VALUES (%s, 'gateway', 1, 'NEWM', %s, %s, 1, NOW(6))",
        bytes.fromhex(filed.event_id.replace("-", "")),
        b"\0" * 32,
        b"\0" * 16,
    )
    assert _purge(made, {0: 10}) == (1, 2)
    assert _purge(made, {}) == (2, 0)
    assert len(made.sql("SELECT 1 FROM idempotency_keys")) == 1


def test_a_backlog_goes_in_bounded_batches(made: Backing, store: ReservationStore) -> None:
    _reserve(store, PURGE_BATCH + 20)
    made.sql("UPDATE idempotency_keys SET expires_at = NOW(6) - INTERVAL 1 HOUR, lease_until = NOW(6) - INTERVAL 1 DAY")
    assert _purge(made, {}) == (PURGE_BATCH + 20, 0)


def test_one_instance_runs_a_job_at_a_time(made: Backing) -> None:
    engine = connect(made.mysql_config())
    first, second = JobLeases(engine, "first"), JobLeases(engine, "second")
    assert first.claim("job")
    assert first.claim("job")
    assert not second.claim("job")
    first.finish("job")
    assert second.claim("job")
    engine.dispose()


def test_the_command_runs_the_job(made: Backing, store: ReservationStore) -> None:
    _expire(made, _reserve(store, 2))
    ends = Inspector(made.endpoints["kafka"]).end_offsets(made.topic, 5.0)
    assert set(ends.values()) == {0}
    mysql = made.endpoints["mysql"]
    environment = os.environ | {
        "CA_KAFKA_BOOTSTRAP": made.endpoints["kafka"],
        "CA_TOPIC_PREFIX": made.prefix,
        "CA_MYSQL_HOST": mysql["host"],
        "CA_MYSQL_PORT": str(mysql["port"]),
        "CA_MYSQL_DATABASE": made.database,
        "CA_MYSQL_USER": mysql["user"],
        "CA_MYSQL_PASSWORD": mysql["password"],
    }
    command = [str(Path(sys.executable).parent / "corpactions"), "jobs", "run", "purge-idempotency-keys", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"job": "purge-idempotency-keys", "ran": True, "deleted": 2, "kept": 0}
