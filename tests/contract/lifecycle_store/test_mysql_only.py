"""What only a real MySQL can show: locks, lost connections, the size of statements."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from corpactions.domain.errors import Unavailable
from corpactions.persistence import bulk
from corpactions.persistence.unit_of_work import Transaction
from corpactions.ports.lifecycle import Claim, CommitUnknown, RunAgain, Writes
from tests.support.announcing import TOPIC, dividend, newm
from tests.support.storing import Backend, advance, changes_of, queued


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_two_workers_may_claim_a_new_partition_at_the_same_moment(mysql_backend: Backend, threads: ThreadPoolExecutor) -> None:
    for partition in range(5):
        together = threading.Barrier(2)

        def claim(owner: str, number: int = partition, meet: threading.Barrier = together) -> Claim:
            store = mysql_backend.store(owner)
            meet.wait(5)
            (made,) = store.claim(TOPIC, {number: 7})
            return made

        made = list(threads.map(claim, ["one", "two"]))
        assert sorted(found.epoch for found in made) == [1, 2]


def test_a_claim_waits_for_the_transaction_of_the_owner_before_and_then_sees_it(
    mysql_backend: Backend, threads: ThreadPoolExecutor
) -> None:
    (mine,) = mysql_backend.claim(3)
    with mysql_backend.own.transaction([mine]) as transaction:
        taken = threads.submit(mysql_backend.store("heir").claim, TOPIC, {3: 0})
        with pytest.raises(TimeoutError):
            taken.result(0.3)
        transaction.write(Writes(advances=[advance(mine, 9, b"mine")]))
        transaction.commit()
    (claim,) = taken.result(5)
    assert (claim.epoch, claim.committed_offset, claim.summary) == (2, 9, b"mine")


def test_a_lock_that_is_not_had_in_time_runs_the_transaction_again(mysql_backend: Backend, mysql: Engine) -> None:
    mysql_backend.claim(3)
    with mysql.connect() as other:
        other.execute(text("SELECT * FROM partition_progress FOR UPDATE"))
        with pytest.raises(RunAgain):
            mysql_backend.own.claim(TOPIC, {3: 0})


def _kill_others(mysql: Engine) -> None:
    with mysql.connect() as connection:
        found = connection.execute(text("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"))
        for (number,) in found.all():
            connection.execute(text(f"KILL {number}"))


def test_a_connection_lost_before_a_statement_is_a_server_that_is_away(mysql_backend: Backend, mysql: Engine) -> None:
    claims = mysql_backend.claim(3)

    def lose() -> None:
        with mysql_backend.own.transaction(claims) as transaction:
            _kill_others(mysql)
            transaction.events([newm().event_id])

    with pytest.raises(Unavailable):
        lose()
    with mysql_backend.own.transaction(claims) as transaction:
        assert transaction.events([newm().event_id]) == {}


def test_a_connection_lost_at_commit_leaves_the_outcome_unknown(mysql_backend: Backend, mysql: Engine) -> None:
    claims = mysql_backend.claim(3)

    def lose() -> None:
        with mysql_backend.own.transaction(claims) as transaction:
            transaction.write(Writes(changes=changes_of(newm())))
            _kill_others(mysql)
            transaction.commit()

    with pytest.raises(CommitUnknown):
        lose()
    assert mysql_backend.read(newm().event_id) == [], "here it did not happen"


def test_statements_are_cut_at_the_limit(mysql_backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, sent = 16_384, list[int]()
    run = Transaction.run

    def measured(self: Transaction, statement: str) -> int:
        sent.append(len(statement))
        return run(self, statement)

    monkeypatch.setattr(Transaction, "run", measured)
    notes = dividend(attributes='{"note": "' + "n" * 2_000 + '"}')
    changes = [change for number in range(1, 21) for change in changes_of(newm(notes, event=number))]
    mysql_backend.write(Writes(changes=changes, queue=[queued(offset) for offset in range(100)]), store=mysql_backend.store("me", limit))
    assert max(sent) < limit + 2_000, "the heads come on top, and one longer row would go alone"
    assert sum(sent) > 4 * limit
    assert len(mysql_backend.read(*(change.state.event_id for change in changes))) == 20


def test_a_single_row_over_the_limit_goes_alone_for_the_server_to_judge() -> None:
    assert list(bulk.statements("H", ["a" * 5, "b" * 50, "c"], 10, "T")) == ["Haaaaa" + "T", "H" + "b" * 50 + "T", "HcT"]
    assert list(bulk.statements("H", [], 10)) == []
    assert list(bulk.statements("H", ["a", "b", "c"], 4)) == ["Ha,b", "Hc"]
