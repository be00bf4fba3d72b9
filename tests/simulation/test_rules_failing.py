"""Rejections, outages, floods and letters: each rule's interleaving, with the rule and without it."""

from __future__ import annotations

import pytest

from consumers.lifecycle.securities import NOBODY
from corpactions.domain.change import Policy
from corpactions.domain.securities import LookupFailure
from corpactions.ports.lifecycle import RunAgain
from tests.simulation.rules.showing import shows
from tests.simulation.rules.stage import HOME, Stage
from tests.support.announcing import canc, dividend, event_id, newm, repl
from tests.support.lifecycle import letters

HEADROOM = 131_072
"""Bytes that the dead-letter topic takes above its source."""


@pytest.fixture
def stage() -> Stage:
    return Stage()


@shows("poison-is-set-aside")
def test_the_record_behind_a_poison_is_decided(stage: Stage) -> None:
    stage.write(b'{"symbol": "AAPL"}', newm())
    stage.rest(stage.one)
    stage.check()


@shows("a-rejection-changes-no-row")
def test_a_wrong_amendment_leaves_its_event_as_it_is(stage: Stage) -> None:
    stage.write(newm(), repl(2, dividend("0")))
    stage.rest(stage.one)
    stage.check()


@shows("a-rejected-announcement-can-be-found")
def test_a_rejected_announcement_leaves_a_row_that_says_why(stage: Stage) -> None:
    stage.write(newm(dividend("0")))
    stage.rest(stage.one)
    stage.check()


@shows("a-failed-row-holds-no-version")
def test_a_mended_announcement_is_applied_as_the_first(stage: Stage) -> None:
    stage.write(newm(dividend("0")), newm())
    stage.rest(stage.one)
    stage.check()


@shows("refused-data-is-bisected")
def test_of_a_batch_only_the_record_is_rejected_that_the_database_refuses(stage: Stage) -> None:
    refused = event_id(5)
    stage.shop.database.refuse_events.add(refused)
    stage.write(*(newm(event=number) for number in range(1, 10)))
    stage.rest(stage.one)
    stage.check(unstorable={refused})


@shows("deadlocks-run-again")
def test_a_deadlock_is_no_reason_to_stop(stage: Stage) -> None:
    stage.one.handler.faults["handle"].append(RunAgain("1213: deadlock found"))
    stage.write(newm())
    stage.rest(stage.one)
    stage.check()


@shows("an-outage-spends-no-attempt")
def test_an_outage_of_ten_minutes_fails_no_event(stage: Stage) -> None:
    stage.shop.securities.away = True
    stage.write(newm(), newm(event=2, symbol="MSFT"))
    stage.one.turns(20, seconds=30)
    stage.rest(stage.one)
    stage.check()


@shows("a-breaker-paces-the-probes")
def test_a_service_that_is_away_is_left_in_peace(stage: Stage) -> None:
    stage.shop.securities.away = True
    stage.write(newm())
    stage.one.turns(600, seconds=1)
    asked = len(stage.shop.securities.calls)
    assert asked < 50, f"asked the service that is away {asked} times in ten minutes"
    stage.rest(stage.one)
    stage.check()


@shows("polling-goes-on")
def test_a_rebalance_during_an_outage_is_heard(stage: Stage) -> None:
    stage.shop.securities.away = True
    stage.write(newm())
    stage.one.turns(1)
    stage.one.source.rebalance("revoked", {HOME})
    stage.one.turns(1)
    assert HOME not in stage.one.source.owned, "the worker did not hear the group"
    stage.rest()
    stage.check()


@shows("held-partitions-are-paused")
def test_an_outage_fetches_nothing_into_memory(stage: Stage) -> None:
    stage.shop.securities.away = True
    stage.write(newm())
    stage.one.turns(1)
    stage.write(*(newm(event=number) for number in range(2, 52)))
    stage.one.turns(50, seconds=0.001)
    held = len(stage.one.worker._held)
    assert held == 1, f"{held - 1} records were fetched during the outage"
    stage.rest(stage.one)
    stage.check()


@shows("a-poisonous-symbol-is-isolated")
def test_a_symbol_that_breaks_its_look_up_is_its_own_failure() -> None:
    stage = Stage(guarded=True)
    stage.shop.securities.poison.add("BAD")
    stage.write(newm(event=2, symbol="BAD"), newm())
    stage.one.turns(5, seconds=5)
    assert stage.statuses().get(1) == "COMPLETED", "AAPL waits for a symbol that breaks its look-up"
    stage.rest(stage.one)
    stage.check()


@shows("a-symbol-of-nobody-is-asked-for")
def test_a_symbol_that_breaks_its_look_up_and_comes_alone_is_told_from_an_outage() -> None:
    stage = Stage(guarded=True)
    stage.shop.securities.poison.add("BAD")
    stage.write(newm(symbol="BAD"))
    stage.one.turns(3, seconds=2)
    assert stage.tables.parked, "the symbol is taken for an outage"
    stage.rest(stage.one)
    stage.check()


@shows("a-probe-waits-for-company")
def test_a_symbol_that_breaks_its_look_up_and_comes_first_is_told_from_an_outage() -> None:
    stage = Stage(guarded=True)
    stage.shop.securities.poison |= {"BAD", NOBODY}
    stage.write(newm(event=2, symbol="BAD"))
    stage.one.turns(5, seconds=5)
    stage.write(newm())
    stage.one.turns(2, seconds=60)
    assert stage.statuses().get(1) == "COMPLETED", "AAPL waits for a symbol that breaks its look-up"
    stage.rest(stage.one)
    stage.check()


def _flood(stage: Stage, records: int, *, redriven: bool = False) -> None:
    headers = (("ca-redrive-of", b"letter"),) if redriven else ()
    stage.write(*[b"poison"] * records, headers=headers)
    stage.one.turns(4)


@shows("half-rejected-pauses")
def test_a_bad_deployment_does_not_empty_the_topic_into_the_dead_letters(stage: Stage) -> None:
    _flood(stage, 500)
    _flood(stage, 500)
    told = len(letters(stage.log))
    assert told == 500, f"{told} records went to the dead letters"


@shows("redrives-do-not-count")
def test_letters_that_are_redriven_too_early_stop_nobody(stage: Stage) -> None:
    _flood(stage, 500, redriven=True)
    stage.write(newm())
    stage.rest(stage.one)
    assert stage.statuses() == {1: "COMPLETED"}, "the partition is paused by redrives"
    stage.check()


@shows("rejections-are-counted-across-restarts")
def test_a_bad_deployment_that_crashes_is_stopped_as_well(stage: Stage) -> None:
    _flood(stage, 300)
    stage.one = stage.kill(stage.one)
    _flood(stage, 300)
    assert stage.tables.progress[HOME].paused, "a restart forgot the rejections"


@shows("paused-is-paused-for-every-owner")
def test_a_restart_resumes_no_partition(stage: Stage) -> None:
    _flood(stage, 500)
    stage.one = stage.kill(stage.one)
    _flood(stage, 100)
    told = len(letters(stage.log))
    assert told == 500, f"{told} records went to the dead letters"


@shows("letters-carry-the-original")
def test_a_letter_gives_back_what_was_sent(stage: Stage) -> None:
    stage.write(b"poison", headers=(("traceparent", b"00-1"), ("empty", None)))
    stage.rest(stage.one)
    stage.check()


@shows("letters-keep-the-partition")
def test_a_letter_stands_in_the_partition_of_its_original(stage: Stage) -> None:
    stage.write(newm(), key=b"MSFT", partition=HOME)
    stage.rest(stage.one)
    stage.check()


@shows("letters-name-their-failure")
def test_the_letter_of_a_failed_event_is_none_of_a_rejected_record() -> None:
    stage = Stage(Policy(max_attempts=1))
    stage.shop.securities.failing.add("AAPL")
    stage.write(newm())
    stage.one.turns(3)
    stage.write(canc(2))
    stage.rest(stage.one)
    stage.check()


@shows("letters-leave-out-what-no-topic-carries")
def test_a_record_that_no_topic_carries_is_named_and_left_where_it_is(stage: Stage) -> None:
    stage.one.sender.largest = 1_048_576 + HEADROOM
    stage.write(b"\x00" * 3_000_000, newm())
    stage.rest(stage.one)
    stage.check()


@shows("error-texts-are-bounded")
def test_a_page_of_html_for_an_error_fits_into_a_letter() -> None:
    stage = Stage(Policy(max_attempts=1))
    stage.shop.securities.known["AAPL"] = LookupFailure("<html>" * 50_000)
    stage.write(newm())
    stage.one.turns(3)
    (letter,) = letters(stage.log)
    size = sum(len(name) + len(value or b"") for name, value in letter.headers)
    assert size < HEADROOM, f"the letter has {size} bytes of headers"
    stage.shop.securities.known.clear()
    stage.write(canc(2))
    stage.rest(stage.one)
    stage.check()
