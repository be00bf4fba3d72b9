"""Effectively once: each rule's interleaving, with the rule and without it."""

from __future__ import annotations

import pytest

from corpactions.domain.change import Policy
from corpactions.domain.messages import Function, VersionRef
from tests.simulation.rules.showing import shows
from tests.simulation.rules.stage import Stage
from tests.support.announcing import canc, decision, dividend, newm, repl

V1, V2 = VersionRef("gateway", 1), VersionRef("gateway", 2)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@shows("what-was-decided-is-not-decided-again")
def test_a_stale_amendment_stays_rejected_although_it_looks_fresh_after_a_discard() -> None:
    stage = Stage(Policy(max_attempts=1))
    stage.write(newm())
    stage.one.turns(3)
    stage.shop.securities.failing.add("AAPL")
    stage.write(repl(2), repl(3, based_on=V1), decision(Function.DISCARD, 1, V2, 2))
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("a-revision-for-each-change")
def test_two_changes_of_one_batch_have_two_records(stage: Stage) -> None:
    stage.write(newm(), repl(2))
    stage.rest(stage.one)
    stage.check()


@shows("told-again-byte-for-byte")
def test_an_heir_tells_again_in_the_same_bytes(stage: Stage) -> None:
    stage.write(newm(), repl(2), canc(3))
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one, sent=2))
    stage.check()


@shows("a-redelivery-tells-again")
def test_a_redelivered_record_is_told_of_again(stage: Stage) -> None:
    stage.write(newm(), repl(2))
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("what-no-record-drives-is-kept")
def test_a_retry_is_told_of_although_its_record_was_acknowledged_long_ago(stage: Stage) -> None:
    stage.shop.securities.failing.add("AAPL")
    stage.write(newm(), newm(event=2))
    stage.one.turns(5)
    stage.shop.securities.failing.clear()
    stage.one.sender.full = True
    stage.one.turns(1, seconds=20)
    assert stage.statuses() == {1: "COMPLETED"}
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("a-failed-row-s-record-is-kept")
def test_a_rejected_announcement_that_is_mended_at_once_is_told_of_twice(stage: Stage) -> None:
    stage.write(newm(dividend("0")), newm())
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("letters-are-kept")
def test_a_letter_outlives_the_worker_that_wrote_it(stage: Stage) -> None:
    stage.write(newm(), newm(dividend("9")))
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("rejections-are-kept")
def test_the_record_of_a_rejection_outlives_the_worker_that_wrote_it(stage: Stage) -> None:
    stage.write(b"poison")
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()
