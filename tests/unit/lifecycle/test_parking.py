"""Parking: a symbol waits with its order kept, and nobody else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumers.lifecycle import handler as handler_module
from corpactions.domain.change import Policy
from corpactions.domain.messages import Function, Message, VersionRef
from corpactions.ports.lifecycle import Parked
from tests.support.announcing import canc, decision, dividend, newm, repl
from tests.support.lifecycle import Desk, audits, header, letters

V1 = VersionRef("gateway", 1)


@pytest.fixture
def desk() -> Desk:
    """A desk where AAPL's look-ups fail for now."""
    desk = Desk()
    desk.shop.securities.failing.add("AAPL")
    return desk


def heal(desk: Desk) -> None:
    desk.shop.securities.failing.clear()


def parked(desk: Desk) -> Parked:
    return desk.shop.database.tables.parked["AAPL"]


def free(desk: Desk) -> bool:
    tables = desk.shop.database.tables
    return not tables.parked and not tables.queue


def test_a_failed_attempt_parks_the_symbol_with_its_record_and_the_time_of_the_next(desk: Desk) -> None:
    (record,) = desk.records(newm())
    desk.handle([record])
    held = parked(desk)
    assert (held.event_id, held.state, held.record) == (newm().event_id, "RETRY", record)
    assert held.next_attempt_at is not None
    assert (held.next_attempt_at - held.parked_at).total_seconds() == pytest.approx(10.0)
    assert held.reason.startswith("security_lookup_failed")


def test_backoff_doubles_and_jitter_spreads_it_from_half_to_one_and_a_half(desk: Desk) -> None:
    desk.shop.ids.spread = 0.0
    desk.say(newm())
    assert desk.due(4.9) is None
    desk.shop.ids.spread = 0.999
    assert desk.due(0.2) is not None
    assert desk.due(29.0) is None
    assert desk.due(1.0) is not None


def test_other_events_of_the_symbol_queue_without_a_row_and_other_symbols_go_on(desk: Desk) -> None:
    published = desk.say(newm(), newm(event=2), newm(event=3, symbol="MSFT"))
    assert [desk.status(number) for number in (1, 2, 3)] == ["PENDING", None, "COMPLETED"]
    assert desk.queued_offsets() == [1]
    assert len(audits(published)) == 2


def test_records_of_the_held_event_are_applied_at_once_in_order(desk: Desk) -> None:
    desk.say(newm(), newm(event=2), repl(2), repl(3))
    state = desk.state()
    assert state is not None
    assert (state.ref, state.status, state.attempts) == (VersionRef("gateway", 3), "PENDING", 1)
    assert parked(desk).record.offset == 3, "the newest version's record is the one that is tried again"


def test_a_retry_that_succeeds_frees_a_symbol_with_an_empty_queue(desk: Desk) -> None:
    desk.say(newm())
    heal(desk)
    desk.due(11)
    assert desk.status() == "COMPLETED"
    assert free(desk)


def test_a_queue_drains_in_the_order_of_the_topic_and_then_frees_the_symbol(desk: Desk) -> None:
    desk.say(newm(), newm(event=2), repl(2, event=2), newm(event=3))
    heal(desk)
    desk.due(11)
    assert parked(desk).state == "DRAINING"
    assert desk.status(2) is None, "a transaction of its own drains"
    published = desk.due()
    assert published is not None
    assert [(told.resource[-1], told.revision) for told in audits(published)] == [("2", 1), ("2", 2), ("3", 1)]
    assert free(desk)
    assert desk.due() is None


def test_while_the_queue_drains_new_records_of_the_symbol_join_its_end(desk: Desk) -> None:
    desk.say(newm(), newm(event=2))
    heal(desk)
    desk.due(11)
    desk.say(repl(2), newm(event=3))
    assert desk.queued_offsets() == [1, 2, 3]
    desk.due()
    assert [desk.status(number) for number in (1, 2, 3)] == ["COMPLETED"] * 3
    assert free(desk)


def test_a_queue_is_drained_in_bounded_transactions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_module, "DRAIN_RECORDS", 2)
    desk.say(newm(), *(newm(event=number) for number in range(2, 6)))
    heal(desk)
    desk.due(11)
    waiting = []
    while not free(desk):
        waiting.append(len(desk.queued_offsets()))
        assert desk.due() is not None
    assert waiting == [4, 2, 0], "the one that finds the queue empty frees the symbol"


def test_a_queued_event_that_fails_becomes_the_holder_and_takes_its_own_records_first(desk: Desk) -> None:
    desk.say(newm(), newm(event=2), newm(event=3), repl(2, dividend("0.60"), event=2))
    desk.say(canc(2))
    assert parked(desk).state == "DRAINING"
    desk.due()
    state = desk.state(2)
    assert state is not None
    assert (state.ref, state.status) == (VersionRef("gateway", 2), "PENDING"), "its amendment overtook event 3"
    assert parked(desk).event_id == state.event_id
    assert desk.queued_offsets() == [2]
    heal(desk)
    desk.due(21)
    desk.due()
    assert [desk.status(number) for number in (2, 3)] == ["COMPLETED"] * 2
    assert free(desk)


def test_a_queued_event_that_fails_and_is_cancelled_in_the_queue_lets_the_rest_go_on(desk: Desk) -> None:
    desk.say(newm(), newm(event=2), newm(event=3), canc(2, event=2))
    desk.say(canc(2))
    desk.due()
    assert desk.status(2) == "CANCELLED"
    assert parked(desk).state == "DRAINING"
    heal(desk)
    desk.due()
    assert desk.status(3) == "COMPLETED"
    assert free(desk)


def test_after_the_third_attempt_the_event_has_failed_its_letter_is_kept_and_the_symbol_stays_held(desk: Desk) -> None:
    (record,) = desk.records(newm())
    desk.handle([record])
    desk.due(11)
    published = desk.due(21)
    assert published is not None
    assert desk.status() == "FAILED"
    (letter,) = letters(published)
    assert (letter.value, letter.key) == (record.value, record.key)
    assert (header(letter, "ca-code"), header(letter, "ca-revision")) == (b"security_lookup_failed", b"3")
    assert parked(desk).state == "HELD"
    assert desk.due(1_000_000) is None
    assert all(item.pending_id is not None for item in published if item.topic != "summaries"), "no unacked record drives them"


@pytest.mark.parametrize("function", [Function.REPROCESS, Function.DISCARD])
def test_a_decision_about_the_held_event_ends_the_waiting(function: Function) -> None:
    desk = Desk(Policy(max_attempts=1))
    desk.shop.securities.failing.add("AAPL")
    desk.say(newm(), newm(event=2))
    heal(desk)
    desk.say(decision(function, 1, V1, 1))
    desk.due()
    assert desk.status() == ("COMPLETED" if function is Function.REPROCESS else "FAILED")
    assert desk.status(2) == "COMPLETED"
    assert free(desk)


def test_a_letter_after_a_reprocess_goes_back_to_the_announcement() -> None:
    desk = Desk(Policy(max_attempts=1))
    desk.shop.securities.failing.add("AAPL")
    (announced,) = desk.records(newm())
    desk.handle([announced])
    (letter,) = letters(desk.say(decision(Function.REPROCESS, 1, V1, 1)))
    assert letter.value == announced.value
    assert parked(desk).record == announced


@pytest.mark.parametrize("said", [repl(2), canc(2)])
def test_an_amendment_or_a_cancellation_of_the_held_event_ends_the_waiting(said: Message) -> None:
    desk = Desk(Policy(max_attempts=1))
    desk.shop.securities.failing.add("AAPL")
    desk.say(newm())
    heal(desk)
    desk.say(said)
    assert free(desk)


def test_a_duplicate_needs_no_queue(desk: Desk) -> None:
    desk.say(newm(event=2, symbol="AAPL"))
    heal(desk)
    desk.due(11)
    desk.shop.securities.failing.add("AAPL")
    desk.say(newm())
    published = desk.say(newm(event=2))
    assert desk.queued_offsets() == []
    assert [told.revision for told in audits(published)] == [1, 2]


def test_a_conflicting_version_needs_no_queue_either(desk: Desk) -> None:
    heal(desk)
    desk.say(newm(event=2))
    desk.shop.securities.failing.add("AAPL")
    desk.say(newm())
    (letter,) = letters(desk.say(newm(dividend("9"), event=2)))
    assert header(letter, "ca-code") == b"version_conflict"
    assert desk.queued_offsets() == []


def test_a_decision_about_a_queued_event_waits_its_turn(desk: Desk) -> None:
    desk.say(newm())
    desk.say(decision(Function.DISCARD, 1, V1, 1, event=2))
    assert desk.queued_offsets() == [1]
    heal(desk)
    desk.due(11)
    (letter,) = letters(desk.due() or [])
    assert header(letter, "ca-code") == b"stale_decision"


def test_a_rejected_announcement_in_the_queue_makes_its_failed_row_and_the_rest_goes_on(desk: Desk) -> None:
    desk.say(newm(), newm(dividend("0"), event=2), newm(event=3))
    heal(desk)
    desk.due(11)
    desk.due()
    assert [desk.status(number) for number in (2, 3)] == ["FAILED", "COMPLETED"]
    assert free(desk)


def test_a_poison_record_is_rejected_although_its_symbol_waits(desk: Desk) -> None:
    desk.say(newm())
    (letter,) = letters(desk.say(b"poison"))
    assert header(letter, "ca-code") == b"not_avro"
    assert desk.queued_offsets() == []


def test_a_retry_whose_event_is_through_only_settles_the_symbol(desk: Desk) -> None:
    desk.say(newm())
    heal(desk)
    tables = desk.shop.database.tables
    kept = tables.parked["AAPL"]
    desk.due(11)
    desk.shop.database.tables.parked["AAPL"] = kept
    published = desk.due()
    assert audits(published or []) == []
    assert free(desk)


def test_a_queued_record_that_the_database_refuses_is_rejected_and_the_rest_goes_on(desk: Desk) -> None:
    desk.say(newm(), *(newm(event=number) for number in (2, 3, 4)))
    heal(desk)
    desk.due(11)
    desk.shop.database.refuse_events.add(newm(event=3).event_id)
    told = []
    while not free(desk):
        published = desk.due()
        assert published is not None
        told += letters(published)
    assert [desk.status(number) for number in (2, 3, 4)] == ["COMPLETED", None, "COMPLETED"]
    (letter,) = told
    assert header(letter, "ca-code") == b"refused_by_database"


def test_a_retry_that_the_database_refuses_is_given_up_and_the_symbol_waits_for_a_person(desk: Desk) -> None:
    desk.say(newm(), newm(event=2, symbol="MSFT"))
    desk.shop.database.refuse_events.add(newm().event_id)
    heal(desk)
    (letter,) = letters(desk.due(11) or [])
    assert header(letter, "ca-code") == b"refused_by_database"
    assert parked(desk).state == "HELD"
    assert desk.due(1_000) is None


def test_a_held_record_that_can_no_longer_be_read_is_given_up_and_its_queue_is_kept(desk: Desk) -> None:
    desk.say(newm(), newm(event=2))
    tables = desk.shop.database.tables
    tables.parked["AAPL"] = replace(parked(desk), record=parked(desk).record._replace(value=b"of another age"))
    (letter,) = letters(desk.due(11) or [])
    assert header(letter, "ca-code") == b"not_avro"
    assert parked(desk).state == "HELD"
    assert desk.queued_offsets() == [1]
    heal(desk)
    desk.say(canc(2))
    desk.due()
    assert desk.status(2) == "COMPLETED"
