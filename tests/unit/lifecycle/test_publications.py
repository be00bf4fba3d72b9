"""What is told of each record: audit records, letters, summaries; and what a redelivery tells again."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpactions.domain.audit.records import Action
from corpactions.domain.change import Policy, minute_of
from corpactions.domain.messages import Function, Message, VersionRef
from corpactions.ports.records import Publication
from tests.support.announcing import TOPIC, canc, decision, dividend, event_id, newm, repl, withdrawn
from tests.support.lifecycle import Desk, audit_ids, audits, header, letters, summaries

V1 = VersionRef("gateway", 1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_each_change_publishes_its_record_under_the_event_s_key(desk: Desk) -> None:
    published = desk.say(newm(), repl(2))
    assert audit_ids(published) == ["1:1", "1:2"]
    assert {item.key for item in published if item.topic == "audit"} == {f"event:{event_id(1)}".encode()}


def test_each_superseded_revision_is_kept_as_it_was_published(desk: Desk) -> None:
    published = [item.value for item in desk.say(newm(), repl(2)) + desk.say(canc(3)) if item.topic == "audit"]
    tables = desk.shop.database.tables
    state = desk.state()
    assert state is not None
    assert [row[4] for row in tables.transitions] + [state.record] == published
    assert [(row[1], row[2]) for row in tables.transitions] == [(1, "COMPLETED"), (2, "COMPLETED")]
    times = [told.recorded_at for told in audits(desk.told)]
    assert [row[3] for row in tables.transitions] == times[:2], "a revision's time is its record's"


def test_a_duplicate_publishes_its_event_s_records_again_from_its_own_revision(desk: Desk) -> None:
    first = desk.say(newm(), repl(2), repl(3))
    again = desk.say(repl(2))
    assert [item.value for item in again if item.topic == "audit"] == [item.value for item in first if item.topic == "audit"][1:]


def test_several_duplicates_in_a_batch_publish_each_record_once(desk: Desk) -> None:
    desk.say(newm(), repl(2))
    assert audit_ids(desk.say(repl(2), newm(), newm())) == ["1:1", "1:2"]


def test_a_duplicate_within_the_batch_of_its_original_changes_nothing(desk: Desk) -> None:
    published = desk.say(newm(), newm())
    assert set(audit_ids(published)) == {"1:1"}
    assert desk.shop.database.tables.transitions == []


def test_records_below_the_committed_offset_are_only_published_again(desk: Desk) -> None:
    records = desk.records(newm(), repl(2), newm(event=2, symbol="AAPL"), canc(3))
    first = desk.handle(records)
    before = desk.shop.database.tables.events
    again = desk.handle(records)
    assert sorted(audit_ids(again)) == sorted(audit_ids(first))
    assert desk.shop.database.tables.events == before
    (summary,) = summaries(again)
    assert (summary.records, summary.rejected, summary.deltas) == (0, 0, ())


def test_a_batch_may_hold_old_and_new_records(desk: Desk) -> None:
    records = desk.records(newm(), repl(2), canc(3))
    desk.handle(records[:2])
    published = desk.handle(records[1:])
    assert audit_ids(published) == ["1:3", "1:2", "1:3"]
    (summary,) = summaries(published)
    assert summary.records == 1


def test_a_decision_delivered_again_publishes_from_its_revision() -> None:
    desk = Desk(Policy(max_attempts=1))
    desk.shop.securities.failing.add("AAPL")
    desk.say(newm())
    desk.shop.securities.failing.clear()
    records = desk.records(decision(Function.REPROCESS, 1, V1, 1))
    desk.handle(records)
    assert audit_ids(desk.handle(records)) == ["1:2"]
    assert audit_ids(desk.say(decision(Function.REPROCESS, 1, V1, 1))) == ["1:2"]


def test_a_record_that_was_queued_has_nothing_to_publish_again(desk: Desk) -> None:
    desk.shop.securities.failing.add("AAPL")
    desk.say(newm())
    records = desk.records(newm(event=2), b"poison")
    desk.handle(records)
    assert audits(desk.handle(records)) == []


@pytest.mark.parametrize("value", [b"", None, b"\x00\x00\x00\x00\x09abc", b"\x00\x00\x00\x00\x01\xff"])
def test_a_rejection_is_told_by_a_letter_and_an_audit_record_that_wait_for_their_acks(desk: Desk, value: bytes | None) -> None:
    published = desk.say(value)
    (letter,) = letters(published)
    (told,) = audits(published)
    assert (told.action, told.record_id, told.resource) == (Action.REJECTED, f"{TOPIC}:9:0", f"record:{TOPIC}:9:0")
    assert (told.actor, told.symbol, told.revision) == ("unknown", None, None)
    assert header(letter, "ca-code").decode() == told.code
    assert all(item.pending_id is not None for item in (letter, *[p for p in published if p.topic == "audit"]))
    assert len(desk.shop.database.tables.pending) == 2
    desk.say(newm())
    assert desk.shop.database.tables.pending == {}, "once acked they are forgotten"


def test_a_rejected_message_is_told_with_what_it_said(desk: Desk) -> None:
    desk.say(newm())
    (told,) = audits(desk.say(newm(dividend("9"))))
    assert (told.actor, told.symbol, told.function, told.origin, told.version) == ("user:ann", "AAPL", "NEWM", "gateway", 1)
    assert told.code == "version_conflict"


def test_the_same_rejected_record_again_gets_the_same_records(desk: Desk) -> None:
    records = desk.records(newm(), newm(dividend("9")))
    first = desk.handle(records)
    twin = Desk()
    twin.shop.clock.advance(3600)
    second = twin.handle(twin.records(newm(), newm(dividend("9"))))
    told = [[p.value for p in published if p.pending_id is not None] for published in (first, second)]
    assert told[0] == told[1], "nothing in them depends on when they were decided"


def test_a_rejected_announcement_is_kept_until_acked_since_no_version_remembers_it(desk: Desk) -> None:
    records = desk.records(newm(dividend("0")), newm())
    published = desk.handle(records)
    assert [told.record_id for told in audits(published) if told.revision == 1] == [f"{event_id(1)}:1"]
    kept = [publication.value for _, publication in desk.shop.database.tables.pending.values()]
    assert any(item.value in kept for item in published if item.topic == "audit" and item.pending_id is not None)
    found_again = set(audit_ids(desk.handle(records))) | {
        f"1:{told.revision}" for told in audits([item for item in published if item.pending_id is not None])
    }
    assert found_again >= {"1:1", "1:2"}, "a crash before the ack loses neither revision"


def test_a_rejected_announcement_is_redecided_only_as_a_rejection_while_its_row_has_no_version(desk: Desk) -> None:
    desk.say(newm(dividend("0")))
    published = desk.say(newm(dividend("0")))
    assert audits(published)[0].record_id.startswith(TOPIC)
    assert len(letters(published)) == 1
    state = desk.state()
    assert state is not None
    assert (state.status, state.revision) == ("FAILED", 1)


def test_the_letter_of_a_failed_version_names_the_revision_and_of_a_rejection_none() -> None:
    desk = Desk(Policy(max_attempts=1))
    (letter,) = letters(desk.say(newm(dividend("0"))))
    assert header(letter, "ca-revision") == b"0"
    desk.shop.securities.failing.add("AAPL")
    (failed,) = letters(desk.say(newm(event=2)))
    assert header(failed, "ca-revision") == b"1"


@pytest.mark.parametrize("together", [True, False])
def test_a_reference_makes_one_event_within_one_batch_and_across(desk: Desk, together: bool) -> None:
    said = [newm(), newm(event=2, source_reference="REF-1"), newm(event=3, source="other", source_reference="REF-1")]
    published = desk.say(*said) if together else [item for one in said for item in desk.say(one)]
    assert [desk.status(number) for number in (1, 2, 3)] == ["COMPLETED", "FAILED", "COMPLETED"]
    (letter,) = letters(published)
    assert header(letter, "ca-code") == b"duplicate_announcement"
    assert event_id(1).encode() in header(letter, "kafka_dlt-exception-message")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("said", "link"),
    [
        ([newm(), newm(event=2)], 1),
        ([newm(), newm(dividend(ex_date=date(2026, 11, 9), record_date=date(2026, 11, 9)), event=2)], None),
        ([newm(), canc(2), newm(event=2)], None),
        ([newm(), repl(2, dividend(ex_date=date(2026, 11, 9), record_date=date(2026, 11, 9))), newm(event=2)], None),
        ([newm(dividend("0")), newm(event=2)], None),
        ([newm(event=3), newm(), newm(event=2)], 1),
    ],
)
def test_a_like_event_is_linked_within_one_batch_as_across(desk: Desk, said: list[Message], link: int | None, together: bool) -> None:
    if together:
        desk.say(*said)
    else:
        for one in said:
            desk.say(one)
    state = desk.state(2)
    assert state is not None
    assert state.effect is not None
    linked = state.effect.fields.get("possible_duplicate_of")
    assert linked == (None if link is None else event_id(link))
    assert ("POSSIBLE_DUPLICATE" in state.flags) == (link is not None)


def test_a_like_event_is_held_by_policy() -> None:
    desk = Desk(Policy(hold_possible_duplicate=True))
    (letter,) = letters(desk.say(newm(), newm(event=2), newm(event=3)))
    assert header(letter, "ca-code") == b"possible_duplicate"
    assert [desk.status(number) for number in (1, 2, 3)] == ["COMPLETED", "FAILED", None]
    desk.say(decision(Function.DISCARD, 1, V1, 1, event=2))
    assert desk.status(2) == "FAILED"


@st.composite
def streams(draw: st.DrawFn) -> list[list[Message]]:
    """Batches of messages about a few events on two symbols."""
    made: list[Message] = []
    for event in range(1, 5):
        symbol = draw(st.sampled_from(["AAPL", "MSFT"]))
        made.append(newm(draw(st.sampled_from([dividend(), dividend("0")])), event=event, symbol=symbol))
        made.extend(
            draw(st.sampled_from([repl, canc, withdrawn]))(version, event=event, symbol=symbol)
            for version in draw(st.lists(st.integers(2, 4), max_size=2, unique=True))
        )
    order = draw(st.permutations([*made, *draw(st.lists(st.sampled_from(made), max_size=3))]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True) if start < end]


@given(streams(), st.sets(st.sampled_from(["AAPL", "MSFT"])))
@settings(max_examples=150, deadline=None)
def test_summaries_add_up_to_the_events_and_every_revision_has_one_record(batches: list[list[Message]], failing: set[str]) -> None:
    desk = Desk()
    desk.shop.securities.failing |= failing
    for batch in batches:
        desk.say(*batch)
    desk.due(11)
    desk.shop.securities.failing.clear()
    for _ in range(20):
        if desk.due(100) is None:
            break
    tables = desk.shop.database.tables
    assert not tables.parked
    assert not tables.queue
    assert _totals(desk.told) == Counter((minute_of(state.created_at), state.event_type, state.status) for state in tables.events.values())
    told = {record.record_id: record for record in audits(desk.told) if record.revision is not None}
    wanted = {f"{state.event_id}:{revision}" for state in tables.events.values() for revision in range(1, state.revision + 1)}
    assert set(told) == wanted
    numbers = sorted((item.partition, item.summary_seq) for item in summaries(desk.told))
    assert len(numbers) == len(set(numbers))
    for partition in {number for number, _ in numbers}:
        assert [seq for number, seq in numbers if number == partition] == list(range(1, desk.claims[partition].summary_seq + 1))


def _totals(published: list[Publication]) -> Counter[tuple[object, str, str]]:
    totals: Counter[tuple[object, str, str]] = Counter()
    for summary in summaries(published):
        for delta in summary.deltas:
            totals[delta.minute, delta.event_type, delta.status] += delta.count
    return +totals
