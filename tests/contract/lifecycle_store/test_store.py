"""The contract of ``ports.lifecycle.LifecycleStore``, kept by MySQL and by the memory store that the worker's tests run on."""

from __future__ import annotations

import uuid
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from corpactions.domain.messages import Function, Message, VersionRef
from corpactions.domain.terms import Merger
from corpactions.ports.lifecycle import DataRefused, Fenced, LikenessKey, Parked, ReferenceKey, Writes
from tests.support.announcing import EX_DATE, START, TOPIC, canc, decision, decision_id, dividend, event_id, newm, repl, split
from tests.support.circumstances import Bench
from tests.support.deliveries import deliveries
from tests.support.storing import Backend, advance, changes_of, comparable, encoded, parked, pending, queued


def test_a_partition_never_seen_starts_at_the_topic_s_first_offset(backend: Backend) -> None:
    first, second = backend.own.claim(TOPIC, {3: 17, 5: 0})
    assert (first.partition, first.epoch, first.acked_offset, first.committed_offset, first.reached) == (3, 1, 17, 17, 17)
    assert (first.summary_seq, first.recent, first.paused, first.summary, first.to_publish) == (0, 0, False, None, [])
    assert (second.partition, second.acked_offset) == (5, 0)


def test_every_claim_raises_the_epoch_and_keeps_the_progress(backend: Backend) -> None:
    (claim,) = backend.claim(3)
    claim.acked_offset = 40
    with backend.own.transaction([claim]) as transaction:
        transaction.write(Writes(advances=[advance(claim, 50, b"sum\x00", recent=(1 << 999) | 1, pause=True)]))
        transaction.commit()
    (again,) = backend.store("heir").claim(TOPIC, {3: 0})
    assert (again.epoch, again.acked_offset, again.committed_offset, again.reached) == (2, 40, 50, 40)
    assert (again.summary_seq, again.recent, again.paused, again.summary) == (1, (1 << 999) | 1, True, b"sum\x00")


def test_a_start_position_that_moves_alone_leaves_the_last_summary_where_it_is(backend: Backend) -> None:
    first, second = backend.claim(3, 5)
    with backend.own.transaction([first, second]) as transaction:
        transaction.write(Writes(advances=[advance(first, 1, b"one"), advance(second, 1, b"two")]))
        transaction.commit()
    first.acked_offset = 1
    with backend.own.transaction([first, second]) as transaction:
        transaction.write(Writes(advances=[advance(first, 1), advance(second, 2, b"three")]))
        transaction.commit()
    found = [(claim.summary_seq, claim.summary, claim.acked_offset) for claim in backend.claim(3, 5)]
    assert found == [(1, b"one", 1), (2, b"three", 0)]


def test_a_claim_by_another_owner_fences_the_one_before(backend: Backend) -> None:
    claims = backend.claim(3, 5)
    backend.store("heir").claim(TOPIC, {5: 0})
    with pytest.raises(Fenced), backend.own.transaction(claims):
        pass
    with backend.own.transaction(claims[:1]):
        pass


def test_a_newer_claim_by_the_same_owner_fences_the_older_one_too(backend: Backend) -> None:
    old = backend.claim(3)
    backend.claim(3)
    with pytest.raises(Fenced), backend.own.transaction(old):
        pass


def test_what_is_not_committed_never_happened(backend: Backend) -> None:
    claims = backend.claim(3)
    with backend.own.transaction(claims) as transaction:
        transaction.write(Writes(changes=changes_of(newm())))
        assert set(transaction.events([newm().event_id])) == {newm().event_id}, "a transaction sees what it wrote"
    with pytest.raises(DataRefused), backend.own.transaction(claims) as transaction:
        transaction.write(Writes(changes=changes_of(newm()), queue=[queued(1), queued(1)]))
    with backend.own.transaction(claims) as transaction:
        assert transaction.events([newm().event_id]) == {}
        assert transaction.queued(["AAPL"]) == set()


@pytest.mark.parametrize(
    "messages",
    [
        [newm()],
        [newm(isin="US0378331005", source_reference=None)],
        [newm(dividend(attributes='{"a": "é\\u0000 \'\\\\ 1.10", "b": 1.10}'))],
        [newm(split(3, 7))],
        [newm(Merger("X", EX_DATE, None, None, 3, 2))],
        [newm(dividend("12345678901234567890123456.123456789012", announcement_date=None))],
        [newm(), repl(2), repl(5)],
        [newm(), repl(2), canc(3), repl(4)],
        [canc(2), newm(isin="US0378331005"), canc(1, origin="vendor")],
        [newm(isin="US0378331005"), canc(3, isin=None), canc(2, isin=None)],
        [newm(dividend("0"))],
        [newm(dividend("0")), canc(2)],
        [newm(dividend("0")), newm(), repl(3)],
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_an_event_reads_back_as_it_was_written(backend: Backend, messages: list[Message], together: bool) -> None:
    changes = changes_of(*messages)
    assert len(changes) == len(messages)
    for batch in [changes] if together else [[change] for change in changes]:
        backend.write(Writes(changes=batch))
    (found,) = backend.read(newm().event_id)
    assert comparable(found) == comparable(changes[-1].state)


@given(deliveries())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_state_survives_storing_between_any_two_messages(backend: Backend, delivered: list[Message]) -> None:
    number = str(uuid.uuid4())
    bench = Bench()
    for said in delivered:
        own = said._replace(event_id=number, source_reference=None)
        before = len(bench.changes)
        bench.fold([own])
        if len(bench.changes) > before:
            assert bench.state is not None
            backend.write(Writes(changes=encoded(bench.changes[before:])))
            (found,) = backend.read(number)
            assert comparable(found) == comparable(bench.state)
            bench.state = found


def test_references_name_their_holder(backend: Backend) -> None:
    backend.write(Writes(changes=changes_of(newm()) + changes_of(newm(event=2, source="vendor"))))
    wanted = ReferenceKey("AAPL", "manual", "REF-1")
    with backend.own.transaction(backend.claim(3)) as transaction:
        assert transaction.holders([wanted, ReferenceKey("AAPL", "manual", "ref-1"), ReferenceKey("MSFT", "manual", "REF-1")]) == {
            wanted: event_id(1)
        }
        assert transaction.holders([]) == {}


def test_alike_are_the_events_of_symbol_type_and_day_that_were_accepted_and_not_cancelled(backend: Backend) -> None:
    other_day = dividend(ex_date=date(2026, 11, 9), record_date=date(2026, 11, 9))
    stories = [
        [newm()],
        [newm(event=2)],
        [newm(event=3), canc(2, event=3)],
        [newm(dividend("0"), event=4)],
        [newm(split(), event=5)],
        [newm(other_day, event=6)],
        [newm(event=7, symbol="MSFT")],
    ]
    backend.write(Writes(changes=[change for story in stories for change in changes_of(*story)]))
    key = LikenessKey("AAPL", "DIVIDEND", EX_DATE)
    with backend.own.transaction(backend.claim(3)) as transaction:
        found = transaction.alike([key, LikenessKey("IBM", "DIVIDEND", EX_DATE)])
        assert {name: sorted(ids) for name, ids in found.items()} == {key: [event_id(1), event_id(2)]}
        assert transaction.alike([]) == {}


def test_a_decision_is_found_with_its_event_and_the_revision_it_made_and_cannot_be_stored_twice(backend: Backend) -> None:
    def decided(number: int) -> Writes:
        (change,) = changes_of(newm(event=number))
        change.decision = decision(Function.DISCARD, 1, VersionRef("gateway", 1), 1).decision
        return Writes(changes=[change])

    backend.write(decided(1))
    with backend.own.transaction(backend.claim(3)) as transaction:
        assert transaction.decided([decision_id(1), decision_id(2)]) == {decision_id(1): (event_id(1), 1)}
        assert transaction.decided([]) == {}
    with pytest.raises(DataRefused):
        backend.write(decided(2))


@pytest.mark.parametrize("waiting", [parked(), parked(seconds=None, state="HELD"), parked(state="DRAINING")])
def test_a_parked_symbol_reads_back_until_it_is_freed(backend: Backend, waiting: Parked) -> None:
    backend.write(Writes(park={"AAPL": parked("AAPL", seconds=9)}))
    backend.write(Writes(park={"AAPL": waiting}))
    with backend.own.transaction(backend.claim(3)) as transaction:
        assert transaction.parked(["AAPL", "MSFT"]) == {"AAPL": waiting}
        assert transaction.parked([]) == {}
    backend.write(Writes(unpark={"AAPL"}))
    with backend.own.transaction(backend.claim(3)) as transaction:
        assert transaction.parked(["AAPL"]) == {}


def test_due_are_the_symbols_of_these_partitions_whose_time_has_come_longest_waiting_first(backend: Backend) -> None:
    rows = [
        parked("LATE", seconds=60),
        parked("SECOND", seconds=20),
        parked("FIRST", seconds=10),
        parked("HELD", seconds=None, state="HELD"),
        parked("FOREIGN", seconds=0, partition=4),
        parked("THIRD", seconds=30),
    ]
    backend.write(Writes(park={row.symbol: row for row in rows}))
    claims = backend.claim(3)
    now = START + timedelta(seconds=30)
    assert [row.symbol for row in backend.own.due(claims, now, 10)] == ["FIRST", "SECOND", "THIRD"]
    assert [row.symbol for row in backend.own.due(claims, now, 2)] == ["FIRST", "SECOND"]
    assert backend.own.due([], now, 10) == []


def test_a_queue_gives_its_records_in_offset_order_byte_for_byte(backend: Backend) -> None:
    rows = [queued(30, event=1), queued(4, event=2), queued(200, event=1), queued(5, symbol="MSFT", event=3)]
    backend.write(Writes(queue=rows))
    with backend.own.transaction(backend.claim(3)) as transaction:
        assert transaction.queue("AAPL", 10) == [rows[1].record, rows[0].record, rows[2].record]
        assert transaction.queue("AAPL", 2) == [rows[1].record, rows[0].record]
        assert transaction.queue("AAPL", 10, event_id(1)) == [rows[0].record, rows[2].record]
        assert transaction.queued(["AAPL", "MSFT", "IBM"]) == {"AAPL", "MSFT"}
        assert transaction.queued([]) == set()
    backend.write(Writes(dequeue=[rows[0].record, rows[1].record, rows[2].record]))
    with backend.own.transaction(backend.claim(3)) as transaction:
        assert transaction.queue("AAPL", 10) == []
        assert transaction.queued(["AAPL", "MSFT"]) == {"MSFT"}


def test_a_record_is_queued_once(backend: Backend) -> None:
    backend.write(Writes(queue=[queued(1)]))
    with pytest.raises(DataRefused):
        backend.write(Writes(queue=[queued(1)]))


def test_audit_records_are_read_from_a_revision_on(backend: Backend) -> None:
    one, two = changes_of(newm(), repl(2), repl(3)), changes_of(newm(event=2), repl(2, event=2))
    told = [change.state.record for change in (*one, *two)]
    backend.write(Writes(changes=[*one, *two]))
    with backend.own.transaction(backend.claim(3)) as transaction:
        found = transaction.records({event_id(1): 2, event_id(2): 1, event_id(3): 1})
        assert found == [(event_id(1), told[1]), (event_id(1), told[2]), (event_id(2), told[3]), (event_id(2), told[4])]
        assert transaction.records({event_id(1): 4}) == []
        assert transaction.records({}) == []


def test_pending_publications_wait_for_their_partition_s_next_owner_until_published(backend: Backend) -> None:
    waiting = [pending(), pending("dlq", 3)]
    first, second = backend.write(Writes(pending=waiting))
    (claim,) = backend.store("heir").claim(TOPIC, {3: 0})
    assert claim.to_publish == [
        waiting[0][1]._replace(pending_id=first),
        waiting[1][1]._replace(pending_id=second),
    ]
    backend.write(Writes(published=[first]))
    (claim,) = backend.claim(3)
    assert [item.pending_id for item in claim.to_publish] == [second]
    (elsewhere,) = backend.claim(4)
    assert elsewhere.to_publish == []


def test_a_paused_partition_is_resumed_by_an_operator(backend: Backend) -> None:
    claims = backend.claim(3, 5)
    with backend.own.transaction(claims) as transaction:
        transaction.write(Writes(advances=[advance(claim, 1, pause=True) for claim in claims]))
        transaction.commit()
    with backend.own.transaction(claims) as transaction:
        transaction.write(Writes(advances=[advance(claim, 2) for claim in claims]))
        transaction.commit()
    assert backend.own.resumed(claims) == []
    backend.resume(5)
    assert backend.own.resumed(claims) == claims[1:]
    assert backend.own.resumed([]) == []


def test_a_row_that_is_there_already_is_refused(backend: Backend) -> None:
    backend.write(Writes(changes=changes_of(newm())))
    with pytest.raises(DataRefused):
        backend.write(Writes(changes=changes_of(newm(source_reference="other"))))
    with pytest.raises(DataRefused):
        backend.write(Writes(changes=changes_of(newm(event=2, source_reference="REF-1"))))


def test_a_value_too_long_is_refused(backend: Backend) -> None:
    with pytest.raises(DataRefused):
        backend.write(Writes(changes=changes_of(newm(source_reference="r" * 129))))
    backend.write(Writes(changes=changes_of(newm(source_reference="é" * 128))))
