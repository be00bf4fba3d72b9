"""Parking: each rule's interleaving, with the rule and without it."""

from __future__ import annotations

import pytest

from corpactions.domain.change import Policy
from corpactions.domain.messages import Function, VersionRef
from tests.simulation.rules.showing import shows
from tests.simulation.rules.stage import Stage
from tests.support.announcing import canc, decision, dividend, newm, repl, split
from tests.support.lifecycle import header, letters

V1 = VersionRef("gateway", 1)


@pytest.fixture
def stage() -> Stage:
    """AAPL's look-ups fail for now."""
    stage = Stage()
    stage.shop.securities.failing.add("AAPL")
    return stage


@shows("a-failed-look-up-parks-its-symbol")
def test_a_dividend_does_not_overtake_the_split_before_it(stage: Stage) -> None:
    stage.write(newm(split()))
    stage.one.turns(1)
    stage.shop.securities.failing.clear()
    stage.write(newm(event=2))
    stage.one.turns(1)
    assert stage.statuses() == {1: "PENDING"}, "event 2 overtook the event that holds its symbol"
    stage.rest(stage.one)
    stage.check()


@shows("nobody-else-waits")
def test_other_symbols_are_applied_while_one_waits(stage: Stage) -> None:
    stage.write(newm(), newm(event=2, symbol="MSFT"))
    stage.one.turns(3)
    assert stage.statuses().get(2) == "COMPLETED", "MSFT waits for another symbol"
    stage.rest(stage.one)
    stage.check()


@shows("three-attempts")
def test_a_look_up_that_succeeds_the_third_time_is_no_failure(stage: Stage) -> None:
    stage.write(newm())
    stage.one.turns(1)
    stage.one.turns(1, seconds=16)
    stage.shop.securities.failing.clear()
    stage.rest(stage.one)
    assert not letters(stage.log), "a hiccup became a dead letter"
    stage.check()


@shows("attempts-end")
def test_a_look_up_that_never_succeeds_ends_with_a_person(stage: Stage) -> None:
    stage.write(newm())
    stage.one.turns(20, seconds=100)
    assert letters(stage.log), "no person was told"
    stage.write(canc(2))
    stage.rest(stage.one)
    stage.check()


@shows("a-failed-event-keeps-its-symbol")
def test_nothing_overtakes_an_event_that_waits_for_a_person(stage: Stage) -> None:
    stage.write(newm(), newm(event=2))
    stage.one.turns(3, seconds=100)
    stage.shop.securities.failing.clear()
    stage.one.turns(5, seconds=100)
    assert stage.statuses() == {1: "FAILED"}, "event 2 overtook the event that holds its symbol"
    stage.write(repl(2))
    stage.rest(stage.one)
    stage.check()


@shows("identity-before-parking")
def test_a_repetition_does_not_wait_behind_a_failure(stage: Stage) -> None:
    stage.shop.securities.failing.clear()
    stage.write(newm(event=2))
    stage.one.turns(1)
    stage.shop.securities.failing.add("AAPL")
    stage.write(newm(), newm(event=2))
    stage.one.turns(1)
    assert not stage.tables.queue, "a repetition waits"
    stage.rest(stage.one)
    stage.check()


@shows("the-holder-s-own-records-go-first")
def test_a_cancellation_of_the_holder_frees_its_symbol() -> None:
    stage = Stage(Policy(max_attempts=1))
    stage.shop.securities.failing.add("AAPL")
    stage.write(newm(), newm(event=2))
    stage.one.turns(2)
    stage.write(canc(2))
    stage.rest(stage.one)
    stage.check()


@shows("a-queue-keeps-its-order")
def test_a_queued_announcement_is_applied_before_its_queued_amendment(stage: Stage) -> None:
    stage.write(newm(), newm(event=2), repl(2, event=2))
    stage.one.turns(2)
    stage.rest(stage.one)
    stage.check()


@shows("a-queue-is-emptied-before-its-symbol-is-free")
def test_a_queue_is_drained_after_its_holder_is_through(stage: Stage) -> None:
    stage.write(newm(), newm(event=2))
    stage.one.turns(2)
    stage.rest(stage.one)
    stage.check()


@shows("draining-is-not-free")
def test_an_amendment_waits_for_its_announcement_in_a_queue_that_drains(stage: Stage) -> None:
    stage.write(newm(), newm(event=2))
    stage.one.turns(2)
    stage.write(canc(2), repl(2, event=2))
    stage.rest(stage.one)
    stage.check()


@shows("a-new-holder-takes-its-own-records")
def test_a_queued_event_that_fails_is_cancelled_by_its_queued_cancellation() -> None:
    stage = Stage(Policy(max_attempts=1))
    stage.shop.securities.failing.add("AAPL")
    stage.write(newm(), newm(event=2), canc(2, event=2))
    stage.one.turns(2)
    stage.write(canc(2))
    stage.one.turns(5)
    stage.rest(stage.one)
    stage.check()


@shows("all-of-its-own-records")
def test_a_new_holder_takes_all_of_its_records_out_of_the_queue(stage: Stage) -> None:
    stage.write(newm(), newm(event=2), repl(2, event=2), repl(3, dividend("0.60"), event=2))
    stage.one.turns(2)
    stage.write(canc(2))
    stage.one.turns(3)
    stage.write(repl(4, dividend("0.70"), event=2))
    stage.rest(stage.one)
    stage.check()


@shows("a-queue-drains-in-portions")
def test_a_long_queue_is_drained_in_several_transactions(stage: Stage) -> None:
    stage.write(newm(), *(newm(event=number) for number in range(2, 602)))
    stage.one.turns(2)
    waited = len(stage.tables.queue)
    stage.shop.securities.failing.clear()
    stage.write(canc(2))
    stage.one.turns(1)
    released = waited - len(stage.tables.queue)
    assert released <= 500, f"{released} records were released in one transaction"
    stage.rest(stage.one)
    stage.check()


@shows("a-failure-goes-back-to-its-announcement")
def test_a_reprocess_that_fails_again_gives_the_announcement_back() -> None:
    stage = Stage(Policy(max_attempts=1))
    stage.shop.securities.failing.add("AAPL")
    (announced,) = stage.write(newm())
    stage.one.turns(1)
    (decided,) = stage.write(decision(Function.REPROCESS, 1, V1, 1))
    stage.one.turns(3)
    letter = next(letter for letter in letters(stage.log) if header(letter, "ca-revision") == b"2")
    assert letter.value != decided.value, "it is the letter of the decision"
    assert letter.value == announced.value
    stage.write(canc(2))
    stage.rest(stage.one)
    stage.check()
