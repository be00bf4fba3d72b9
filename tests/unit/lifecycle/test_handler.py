"""The handler's side of the loop's contract: barrier, positions, the share of rejections, records that the database refuses."""

from __future__ import annotations

import pytest

from corpactions.domain.errors import Unavailable
from corpactions.ports.lifecycle import Claim, DataRefused, Fenced
from tests.support.announcing import TOPIC, newm, record, repl
from tests.support.lifecycle import Desk, Shop, audits, header, letters, summaries
from tests.support.memory_store import MemoryLifecycleStore


@pytest.fixture
def desk() -> Desk:
    return Desk()


def aapl(desk: Desk) -> Claim:
    return desk.claims[record(0, newm()).partition]


def test_nothing_is_written_while_acks_are_out(desk: Desk) -> None:
    def out() -> list[int]:
        raise Unavailable("kafka", "no ack")

    with pytest.raises(Unavailable):
        desk.shop.handler.handle(desk.records(newm()), desk.claims, out)
    assert desk.state() is None


def test_nothing_is_decided_under_a_lost_claim(desk: Desk) -> None:
    MemoryLifecycleStore(desk.shop.database, "another").claim(TOPIC, dict.fromkeys(desk.claims, 0))
    with pytest.raises(Fenced):
        desk.say(newm())


def test_a_security_master_that_is_away_holds_the_batch_before_the_fence_is_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_claims: object) -> None:
        raise AssertionError("a transaction was begun")

    monkeypatch.setattr(desk.shop.store, "transaction", never)
    desk.shop.securities.away = True
    with pytest.raises(Unavailable):
        desk.say(newm())


def test_the_offsets_move_behind_the_last_record_of_each_partition(desk: Desk) -> None:
    said = [newm(), newm(event=2, symbol="MSFT")]
    records = desk.records(*said)
    desk.handle(records)
    progress = desk.shop.database.tables.progress
    assert {records[0].partition: 1, records[1].partition: 2} == {
        partition: row.committed_offset for partition, row in progress.items() if row.committed_offset
    }


def test_a_takeover_follows_behind_what_was_decided_before(desk: Desk) -> None:
    records = desk.records(newm(), repl(2), repl(3))
    result = desk.shop.handler.handle(records, desk.claims, list)
    (advance,) = result.advances
    assert (advance.committed_offset, advance.reached) == (3, 3)
    heir = Desk(shop=desk.shop)
    claim = aapl(heir)
    assert (claim.acked_offset, claim.reached, claim.committed_offset) == (0, 0, 3)
    (advance,) = heir.shop.handler.handle(records[:1], heir.claims, list).advances
    assert (advance.committed_offset, advance.reached) == (3, 1), "records 1 and 2 are not published again yet"


@pytest.mark.parametrize("work", ["settle", "due"])
def test_other_transactions_do_not_run_ahead_of_what_was_published_again(desk: Desk, work: str) -> None:
    desk.shop.securities.failing.add("AAPL")
    desk.shop.handler.handle(desk.records(newm()), desk.claims, list)
    heir = Desk(shop=desk.shop)
    heir.shop.clock.advance(11)
    handler = heir.shop.handler
    result = handler.settle([aapl(heir)], list) if work == "settle" else handler.due([aapl(heir)], list)
    assert result is not None
    (advance,) = result.advances
    assert (advance.committed_offset, advance.reached) == (1, 0)


def test_settling_writes_the_position_and_no_summary(desk: Desk) -> None:
    desk.say(newm())
    assert desk.settle() == []
    row = desk.shop.database.tables.progress[aapl(desk).partition]
    assert (row.acked_offset, row.summary_seq) == (1, 1)
    assert row.summary is not None


def test_half_of_the_last_thousand_records_rejected_pauses_the_partition(desk: Desk) -> None:
    desk.say(*[newm()] * 400)
    desk.say(*[b"poison"] * 499)
    assert not desk.shop.database.tables.progress[aapl(desk).partition].paused
    desk.say(b"poison")
    assert desk.shop.database.tables.progress[aapl(desk).partition].paused


def test_rejections_older_than_a_thousand_records_are_forgotten(desk: Desk) -> None:
    desk.say(*[b"poison"] * 400)
    desk.say(*[newm()] * 900)
    desk.say(*[b"poison"] * 399)
    assert not desk.shop.database.tables.progress[aapl(desk).partition].paused


def test_redrives_and_redeliveries_do_not_count_but_what_comes_with_them_does(desk: Desk) -> None:
    redrives = desk.records(*[b"poison"] * 600, headers=(("ca-redrive-of", b"1"),))
    desk.handle([*redrives, *desk.records(b"poison")])
    assert aapl(desk).recent == 1
    desk.handle(redrives)
    assert aapl(desk).recent == 1


def test_a_summary_counts_records_and_rejections(desk: Desk) -> None:
    (summary,) = summaries(desk.say(newm(), b"poison", newm()))
    assert (summary.records, summary.rejected, summary.summary_seq) == (3, 1, 1)
    assert [(delta.status, delta.count) for delta in summary.deltas] == [("COMPLETED", 1)]


def test_a_record_that_the_database_refuses_alone_is_rejected_with_its_message_named(desk: Desk) -> None:
    desk.shop.database.refuse_events.add(newm().event_id)
    (refused,) = desk.records(newm())
    with pytest.raises(DataRefused):
        desk.handle([refused])
    result = desk.shop.handler.refuse(refused, desk.claims, list, "1406: too long")
    (letter,) = letters(result.publications)
    assert (header(letter, "ca-code"), letter.value) == (b"refused_by_database", refused.value)
    (told,) = audits(result.publications)
    assert (told.symbol, told.reason) == ("AAPL", "1406: too long")
    assert desk.state() is None


def test_a_record_that_is_none_is_refused_for_that_reason(desk: Desk) -> None:
    (refused,) = desk.records(b"poison")
    (letter,) = letters(desk.shop.handler.refuse(refused, desk.claims, list, "whatever").publications)
    assert header(letter, "ca-code") == b"not_avro"


def test_nothing_due_is_no_transaction() -> None:
    shop = Shop()
    assert shop.handler.due(shop.store.claim(TOPIC, {0: 0}), list) is None
