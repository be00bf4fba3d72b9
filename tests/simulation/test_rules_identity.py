"""Order, identity, announcements and decisions: each rule's interleaving, with the rule and without it."""

from __future__ import annotations

from datetime import date

import pytest

from corpactions.domain.change import Policy
from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Function, Message, VersionRef
from gateway.handler import Precondition
from gateway.problems import Code
from producers.feed import lines
from producers.feed.reader import Line
from tests.simulation.rules.house import House, amendment, event_view, request
from tests.simulation.rules.showing import shows
from tests.simulation.rules.stage import HOME, Stage
from tests.support.announcing import PARTITIONS, START, canc, decision, dividend, event_id, newm, repl
from tests.support.lifecycle import header, letters

V1 = VersionRef("gateway", 1)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def _codes(stage: Stage) -> list[str]:
    return [header(letter, "ca-code").decode() for letter in letters(stage.log)]


@shows("place-is-checked")
def test_an_amendment_in_another_partition_is_refused(stage: Stage) -> None:
    stage.write(newm())
    stage.write(repl(2), partition=(HOME + 1) % PARTITIONS)
    stage.rest(stage.one)
    stage.check()


@shows("key-is-the-symbol")
def test_an_amendment_under_another_key_is_refused(stage: Stage) -> None:
    stage.write(newm())
    stage.write(repl(2), key=b"MSFT", partition=partition_of(b"MSFT", PARTITIONS))
    stage.rest(stage.one)
    stage.check()


@shows("an-event-keeps-its-symbol")
def test_an_id_used_on_another_symbol_stays_with_the_first(stage: Stage) -> None:
    stage.write(newm(symbol="MSFT"))
    stage.one.turns(1)
    stage.write(repl(2))
    stage.rest(stage.one)
    stage.check()


@shows("decided-in-order")
def test_an_amendment_is_decided_after_its_announcement(stage: Stage) -> None:
    stage.write(newm(), repl(2))
    stage.rest(stage.one)
    stage.check()


@shows("the-same-again-is-a-duplicate")
def test_a_repetition_that_had_landed_before_changes_nothing(stage: Stage) -> None:
    stage.write(newm(), newm())
    stage.rest(stage.one)
    stage.check()


@shows("the-hash-covers-what-is-said")
def test_a_repetition_with_another_stamp_is_a_repetition(stage: Stage) -> None:
    stage.write(newm(), newm(accepted_at=START, correlation_id=event_id(77)))
    stage.rest(stage.one)
    stage.check()


@shows("other-content-is-a-conflict")
def test_a_correction_under_the_same_version_reaches_a_person(stage: Stage) -> None:
    stage.write(newm(), newm(dividend("0.52")))
    stage.rest(stage.one)
    stage.check()


@shows("a-late-version-is-only-filed")
def test_a_version_that_was_overtaken_does_not_come_into_force(stage: Stage) -> None:
    stage.write(newm(), repl(3), repl(2, dividend("0.20")))
    stage.rest(stage.one)
    stage.check()


@shows("a-gap-is-flagged")
def test_a_version_that_never_came_leaves_a_flag(stage: Stage) -> None:
    stage.write(newm(), repl(3))
    stage.rest(stage.one)
    stage.check()
    assert stage.tables.events[event_id(1)].flags == ("VERSION_GAP",), "the gap is not flagged"


@shows("origins-number-for-themselves")
def test_the_vendor_s_first_word_counts_after_the_desk_s_fifth(stage: Stage) -> None:
    stage.write(newm(), repl(5), repl(1, dividend("0.40"), origin="vendor"))
    stage.rest(stage.one)
    stage.check()


@shows("based-on-is-decided-by-the-worker")
def test_of_two_amendments_of_what_both_saw_the_second_is_refused(stage: Stage) -> None:
    stage.write(newm(), repl(2, based_on=V1), repl(3, dividend("0.60"), based_on=V1))
    stage.rest(stage.one)
    stage.check()


@shows("based-on-travels")
def test_what_two_authors_saw_decides_between_them_at_the_worker(stage: Stage) -> None:
    house = House()
    house.reader.view = event_view("AAPL", V1)
    for number in (1, 2):
        house.change(amendment(Precondition(V1)), request(number))
    announced = newm(event_id=house.topic.messages[0].event_id, source="desk", source_reference="R-1", isin="US0378331005")
    stage.write(announced, *house.topic.messages)
    stage.rest(stage.one)
    assert _codes(stage) == ["stale_version"], "nobody told the second author"


@shows("if-match-is-checked")
def test_an_amendment_of_what_is_no_longer_current_is_refused_at_once() -> None:
    house = House()
    house.reader.view = event_view("AAPL", VersionRef("gateway", 2))
    answer = house.change(amendment(Precondition(V1)), request(1))
    assert answer is Code.STALE_VERSION, "an amendment of a version that is gone was accepted"


@shows("identity-never-changes")
def test_an_amendment_cannot_take_another_reference(stage: Stage) -> None:
    stage.write(newm(), repl(2, source_reference="REF-9"))
    stage.rest(stage.one)
    stage.check()


@shows("a-reference-has-one-event")
def test_the_same_announcement_under_another_id_is_refused_and_can_be_asked_for(stage: Stage) -> None:
    stage.write(newm())
    stage.one.turns(1)
    stage.write(newm(event=2, source_reference="REF-1"))
    stage.rest(stage.one)
    stage.check()


@shows("references-count-within-a-batch")
def test_two_announcements_of_one_batch_cannot_share_a_reference(stage: Stage) -> None:
    stage.write(newm(), newm(event=2, source_reference="REF-1"))
    stage.rest(stage.one)
    stage.check()
    assert stage.one.handler.batches == [[0, 1]], "the transaction failed and was taken apart"


@shows("a-reference-is-held-for-ever")
def test_a_cancelled_announcement_cannot_come_back_under_a_new_id(stage: Stage) -> None:
    stage.write(newm(), canc(2))
    stage.one.turns(1)
    stage.write(newm(event=2, source_reference="REF-1"))
    stage.rest(stage.one)
    stage.check()


@shows("a-rejected-announcement-holds-nothing")
def test_a_wrong_announcement_does_not_block_the_right_one(stage: Stage) -> None:
    stage.write(newm(dividend("0")))
    stage.one.turns(1)
    stage.write(newm(event=2, source_reference="REF-1"))
    stage.rest(stage.one)
    stage.check()


@shows("a-like-announcement-is-linked")
def test_one_dividend_from_two_vendors_is_linked(stage: Stage) -> None:
    stage.write(newm(), newm(event=2, source="other"))
    stage.rest(stage.one)
    stage.check()
    effect = stage.tables.events[event_id(2)].effect
    assert effect is not None
    assert effect.fields.get("possible_duplicate_of") == event_id(1), "nothing links the two"


def _fed(function: str | None, version: str | None, amount: str, ex_date: str) -> Message:
    fields: dict[str, object] = {"event_type": "DIVIDEND", "symbol": "AAPL", "source": "feed", "source_reference": "R-1"}
    if function is not None and version is not None:
        fields |= {"function": function, "version": version}
    terms: dict[str, object] = {"amount_per_share": amount, "currency": "USD", "ex_date": ex_date, "record_date": ex_date}
    message = lines.to_message(Line(1, fields, terms), lines.Stamp(START, event_id(800)))
    assert isinstance(message, Message), message
    return message


@shows("feed-ids-never-come-from-terms")
def test_an_amendment_in_a_file_finds_its_event_although_the_ex_date_has_moved(stage: Stage) -> None:
    stage.write(_fed(None, None, "0.25", "2026-11-10"), _fed("REPL", "2", "0.25", "2026-11-12"))
    stage.rest(stage.one)
    stage.check()
    assert [state.key_date for state in stage.tables.events.values()] == [date(2026, 11, 12)], "the amendment did not find its event"


@shows("the-feed-guesses-nothing")
def test_an_old_file_fed_again_does_not_bring_its_terms_back(stage: Stage) -> None:
    for amount in ("0.25", "0.30", "0.25"):
        stage.write(_fed(None, None, amount, "2026-11-10"))
    stage.rest(stage.one)
    stage.check()
    (state,) = stage.tables.events.values()
    assert state.ref == VersionRef("feed", 1), "the feed amended by itself"
    assert _codes(stage) == ["version_conflict"]


@pytest.fixture
def strict() -> Stage:
    """A stage where the first attempt is the last."""
    return Stage(Policy(max_attempts=1))


@shows("a-decision-names-what-was-seen")
def test_a_decision_about_a_version_that_was_amended_meanwhile_is_refused(strict: Stage) -> None:
    strict.shop.securities.failing.add("AAPL")
    strict.write(newm(), repl(2), decision(Function.DISCARD, 1, V1, 1))
    strict.one.turns(2)
    assert _codes(strict)[-1:] == ["stale_decision"], "decided on what nobody saw"
    strict.write(canc(3))
    strict.rest(strict.one)
    strict.check()


@shows("a-decision-counts-once")
def test_a_decision_survives_the_death_of_the_worker_and_a_second_click(strict: Stage) -> None:
    strict.shop.securities.failing.add("AAPL")
    strict.write(newm())
    strict.one.turns(2)
    strict.shop.securities.failing.clear()
    strict.write(*[decision(Function.REPROCESS, 1, V1, 1)] * 2)
    strict.one.turns(1)
    strict.rest(strict.kill(strict.one))
    assert strict.statuses() == {1: "COMPLETED"}
    strict.check()


@shows("a-decision-belongs-to-one-event")
def test_a_decision_s_id_cannot_be_used_on_another_event(strict: Stage) -> None:
    strict.shop.securities.failing |= {"AAPL", "MSFT"}
    strict.write(newm(), newm(event=2, symbol="MSFT"))
    strict.one.turns(2)
    strict.shop.securities.failing.clear()
    strict.write(decision(Function.REPROCESS, 1, V1, 1))
    strict.one.turns(1)
    strict.write(decision(Function.REPROCESS, 1, V1, 1, event=2, symbol="MSFT"))
    strict.one.turns(2)
    assert "decision_reused" in _codes(strict), "the second decision disappeared"
    strict.write(decision(Function.REPROCESS, 2, V1, 1, event=2, symbol="MSFT"))
    strict.rest(strict.one)
    strict.check()


@shows("created-is-the-acceptance-time")
def test_a_replay_makes_every_event_at_the_time_it_was_accepted(stage: Stage) -> None:
    said = [newm(), newm(event=2), repl(2)]
    stage.write(*said)
    stage.rest(stage.one)
    replay = Stage()
    replay.shop.clock.advance(86_400 * 365)
    replay.write(*said)
    replay.rest(replay.one)
    made = [{number: state.created_at for number, state in world.tables.events.items()} for world in (stage, replay)]
    assert made[0] == made[1], "made at another time"
