"""Rules that live in MySQL: each rule's interleaving on the real server, with the rule and without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from corpactions.domain.messages import Function
from corpactions.domain.terms import EventType
from corpactions.persistence.jobs import ExpiredKeys, purge
from corpactions.persistence.reading import MysqlEventReader
from corpactions.persistence.reservation_store import KeyTaken, NewReservation, ReservationStore
from corpactions.persistence.threads import Threads
from corpactions.persistence.unit_of_work import begin
from corpactions.ports.lifecycle import DataRefused, Fenced, RunAgain, Writes
from corpactions.ports.reservations import KeyedRequest, Subject
from corpactions.system import SystemClock
from tests.simulation.rules.house import request
from tests.simulation.rules.mysql import Scratch, scratch
from tests.simulation.rules.showing import shows
from tests.support.announcing import AUDIT, EVENTS, TOPIC, event_id, newm, repl
from tests.support.lifecycle import Desk, Shop, audits
from tests.support.storing import advance, queued

SUBJECT = Subject("AAPL", EventType.DIVIDEND, None, "desk", "R-1")


@pytest.fixture(scope="module")
def database(endpoints: dict[str, Any]) -> Iterator[Scratch]:
    with scratch(endpoints) as made:
        yield made


@pytest.fixture
def mysql(database: Scratch) -> Iterator[Scratch]:
    yield database
    database.empty()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@shows("locks-of-the-stopped-fall", slow=True)
def test_the_locks_of_a_stopped_worker_fall_by_themselves(mysql: Scratch) -> None:
    stopped = mysql.store("stopped", wait_timeout_seconds=2)
    claims = stopped.claim(TOPIC, {3: 0})
    transaction = stopped.transaction(claims)
    transaction.__enter__()
    (claim,) = mysql.store("heir").claim(TOPIC, {3: 0})
    assert claim.epoch == 2


@shows("lock-waits-are-bounded", slow=True)
def test_a_worker_does_not_hang_at_a_lock(mysql: Scratch, threads: ThreadPoolExecutor) -> None:
    holder, waiting = mysql.store("holder"), mysql.store("waiting")
    with holder.transaction(holder.claim(TOPIC, {3: 0})):
        claimed = threads.submit(waiting.claim, TOPIC, {3: 0})
        started = time.monotonic()
        while not claimed.done() and time.monotonic() < started + 8:
            time.sleep(0.05)
        still = not claimed.done()
    assert not still, "the worker still waits after 8 seconds"
    with pytest.raises(RunAgain):
        claimed.result(1)


@shows("a-claim-waits-for-the-old-transaction")
def test_a_claim_reads_what_the_owner_before_was_committing(mysql: Scratch, threads: ThreadPoolExecutor) -> None:
    owner = mysql.store("owner")
    (mine,) = owner.claim(TOPIC, {3: 0})
    with owner.transaction([mine]) as transaction:
        transaction.write(Writes(advances=[advance(mine, 9, b"mine")]))
        taken = threads.submit(mysql.store("heir").claim, TOPIC, {3: 0})
        time.sleep(0.3)
        transaction.commit()
    (claim,) = taken.result(6)
    assert (claim.committed_offset, claim.summary) == (9, b"mine"), "the heir does not know what was committed"


@shows("fenced", breaks="was not fenced")
def test_a_transaction_of_the_owner_before_does_not_begin(mysql: Scratch) -> None:
    owner = mysql.store("owner")
    claims = owner.claim(TOPIC, {3: 0})
    mysql.store("heir").claim(TOPIC, {3: 0})
    try:
        with owner.transaction(claims):
            pass
    except Fenced:
        return
    raise AssertionError("a transaction of the owner before was not fenced")


REFUSED = {
    "a key that is there": "INSERT INTO gateway_versions (event_id, last_version) VALUES (0x01, 1), (0x01, 2)",
    "a number out of range": "INSERT INTO gateway_versions (event_id, last_version) VALUES (0x02, 99999999999)",
    "another character set": "INSERT INTO job_leases (name, owner, lease_until) VALUES (_utf8mb4'\xc3\xa9', 'me', NOW())",
    "too long a text": f"INSERT INTO job_leases (name, owner, lease_until) VALUES ('{'A' * 300}', 'me', NOW())",
    "no JSON": "INSERT INTO events (payload) VALUES ('{')",
}


@shows("refused-data-is-told-from-trouble")
@pytest.mark.parametrize("what", REFUSED)
def test_data_that_mysql_refuses_is_known_as_such(mysql: Scratch, what: str) -> None:
    with pytest.raises(DataRefused), begin(mysql.engine) as transaction:
        transaction.run(REFUSED[what])


@pytest.mark.long
@shows("statements-are-cut")
def test_a_transaction_larger_than_a_packet_is_written(mysql: Scratch) -> None:
    store = mysql.store("one")
    large = [queued(offset, event=offset) for offset in range(1, 71)]
    rows = [item._replace(record=item.record._replace(value=b"x" * 1_000_000)) for item in large]
    with store.transaction(store.claim(TOPIC, {3: 0})) as transaction:
        transaction.write(Writes(queue=rows))
        transaction.commit()
    assert mysql.sql("SELECT COUNT(*) FROM parked_events") == [(70,)]


@shows("history-is-kept-before-it-is-overwritten")
def test_a_revision_that_was_overwritten_is_told_again(mysql: Scratch) -> None:
    desk = Desk(shop=Shop(store=mysql.store("one")))
    records = desk.records(newm(), repl(2))
    first = desk.handle(records[:1])
    desk.handle(records[1:])
    again = [item.value for item in desk.handle(records[:1]) if item.topic == "audit"]
    assert [item.value for item in first if item.topic == "audit"] == again[:1], "revision 1 is gone"


@shows("json-columns-keep-values-not-bytes")
def test_a_retry_commits_to_the_text_that_was_announced(mysql: Scratch) -> None:
    desk = Desk(shop=Shop(store=mysql.store("one")))
    desk.shop.securities.failing.add("AAPL")
    desk.say(newm())
    desk.shop.securities.failing.clear()
    desk.due(16)
    first, second = (told.payload_commitment for told in audits(desk.told))
    assert first == second, "two records of one version commit to different texts"


def _reserve(store: ReservationStore, asked: KeyedRequest, number: int) -> str:
    """What a gateway does: expect a new key, else look what it stands for."""
    wanted = [NewReservation(asked, event_id(number), 1, SUBJECT)]
    try:
        (claim,) = store.insert(wanted)
    except KeyTaken:
        (claim,) = store.insert_or_claim(wanted)
    return claim.reservation.event_id


def _one_event(*ids: str) -> None:
    assert len(set(ids)) == 1, f"one key made {len(set(ids))} events"


@shows("a-key-is-unique")
def test_two_gateways_that_reserve_one_key_reserve_one_event(mysql: Scratch) -> None:
    _one_event(*(_reserve(ReservationStore(mysql.engine, 5.0), request(1), number) for number in (1, 2)))


@shows("amendments-are-numbered-once")
def test_two_amendments_of_one_event_have_two_versions(mysql: Scratch) -> None:
    store = ReservationStore(mysql.engine, 5.0)
    announced = _reserve(store, request(1), 1)
    made = [store.insert_version(request(number), announced, Function.REPL, SUBJECT).reservation.version for number in (2, 3)]
    assert made == [2, 3], f"both amendments are version {made[0]}"


def _purge(mysql: Scratch, ends: dict[int, int]) -> None:
    mysql.sql("UPDATE idempotency_keys SET expires_at = NOW(6) - INTERVAL 1 HOUR")
    purge(ExpiredKeys(mysql.engine, "group", TOPIC), lambda: ends, SystemClock(), 0.0, lambda: True)


@shows("undecided-keys-are-kept")
def test_a_key_whose_record_waits_is_not_purged(mysql: Scratch) -> None:
    store = ReservationStore(mysql.engine, 5.0)
    first = _reserve(store, request(1), 1)
    mysql.sql("UPDATE idempotency_keys SET lease_until = NOW(6) - INTERVAL 1 HOUR")
    _purge(mysql, {3: 1})
    _one_event(first, _reserve(store, request(1), 2))


@shows("leased-keys-are-kept")
def test_a_key_that_is_leased_is_not_purged(mysql: Scratch) -> None:
    store = ReservationStore(mysql.engine, 5.0)
    first = _reserve(store, request(1), 1)
    _purge(mysql, {})
    _one_event(first, _reserve(store, request(1), 2))


@shows("a-lease-outlives-its-produce")
def test_a_key_is_not_purged_while_its_record_may_be_on_its_way(mysql: Scratch) -> None:
    delivery_timeout = 0.5
    store = ReservationStore(mysql.engine, delivery_timeout + 5.0)
    first = _reserve(store, request(1), 1)
    time.sleep(delivery_timeout)
    _purge(mysql, {})
    _one_event(first, _reserve(store, request(1), 2))


@shows("times-are-the-database-s")
def test_a_gateway_s_own_clock_ends_no_lease(mysql: Scratch) -> None:
    store = ReservationStore(mysql.engine, 5.0)
    first = _reserve(store, request(1), 1)
    _purge(mysql, {})
    _one_event(first, _reserve(store, request(1), 2))


@shows("what-was-accepted-can-be-read")
def test_an_event_that_no_worker_has_seen_is_found(mysql: Scratch) -> None:
    announced = _reserve(ReservationStore(mysql.engine, 5.0), request(1), 1)
    reader = MysqlEventReader(mysql.engine, Threads("reading", 1), AUDIT.decode, EVENTS.decode)
    view = asyncio.run(reader.find(announced))
    assert view is not None, f"{announced} is not found"
    assert view.pending
