"""The state machine row by row: what one more message makes of an event."""

from __future__ import annotations

from datetime import date

import pytest

from corpactions.domain.audit.records import Action, Transition
from corpactions.domain.change import Change, Duplicate, Policy, minute_of
from corpactions.domain.errors import Rejected
from corpactions.domain.lifecycle import reject_announcement
from corpactions.domain.messages import Function, Message, VersionRef
from corpactions.domain.securities import LookupFailure
from corpactions.domain.state import Status
from tests.support.announcing import START, canc, dividend, event_id, newm, repl, split, withdrawn
from tests.support.circumstances import Bench

FAILURE = LookupFailure("no answer")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def statuses(change: Change) -> list[str]:
    return [transition.to_status for transition in change.transitions]


def test_an_announcement_goes_from_pending_through_processing_to_completed(bench: Bench) -> None:
    said = newm()
    change = bench.change(said)
    assert [(t.from_status, t.to_status) for t in change.transitions] == [
        (None, "PENDING"),
        ("PENDING", "PROCESSING"),
        ("PROCESSING", "COMPLETED"),
    ]
    assert change.transitions[0].at == said.accepted_at, "pending since it was accepted"
    assert bench.now.created_at == said.accepted_at
    assert (bench.now.revision, bench.now.attempts, bench.now.error) == (1, 0, None)
    assert bench.now.completed_at == change.transitions[-1].at
    assert bench.now.effect is not None
    assert bench.now.effect.number == 1


def test_the_audit_record_tells_the_whole_change(bench: Bench) -> None:
    change = bench.change(newm(reason="first notice"))
    told = change.record
    assert told is not None
    assert told.record_id == f"{event_id(1)}:1"
    assert (told.actor, told.action, told.resource) == ("user:ann", Action.APPLIED, f"event:{event_id(1)}")
    assert (told.function, told.origin, told.version, told.revision) == ("NEWM", "gateway", 1, 1)
    assert (told.before, told.after, told.reason) == (None, "COMPLETED", "first notice")
    assert told.transitions == tuple(change.transitions)
    assert told.position == change.position
    assert told.payload_commitment is not None
    assert len(told.payload_commitment) == 32


def test_an_amendment_reverses_the_effect_and_posts_anew(bench: Bench) -> None:
    bench.change(newm())
    change = bench.change(repl(2, dividend("0.30")))
    assert statuses(change) == ["PENDING", "PROCESSING", "COMPLETED"]
    assert [(row.number, row.kind, row.reverses) for row in change.effects] == [(1, "POST", None), (2, "REVERSAL", 1)]
    assert bench.now.effect is not None
    assert (bench.now.effect.number, bench.now.effect.fields["cash_per_share"]) == (3, "0.3")
    assert [version.ref.version for version in change.versions] == [1], "the version superseded is kept"


def test_an_amendment_that_waits_leaves_the_older_effect_in_force(bench: Bench) -> None:
    bench.change(newm())
    change = bench.change(repl(2), FAILURE)
    assert bench.now.status is Status.PENDING
    assert change.effects == []
    assert bench.now.effect is not None
    assert bench.now.effect.ref == VersionRef("gateway", 1)


def test_an_amendment_revives_a_failed_event() -> None:
    bench = Bench(Policy(max_attempts=1))
    bench.change(newm(), FAILURE)
    assert bench.now.status is Status.FAILED
    change = bench.change(repl(2))
    assert (bench.now.status, bench.now.attempts, bench.now.error) == (Status.COMPLETED, 0, None)
    assert change.releases


@pytest.mark.parametrize(("said", "function"), [(canc(2), Function.CANC), (withdrawn(2), Function.WITH)])
def test_a_cancellation_reverses_the_effect_and_ends_the_event(bench: Bench, said: Message, function: Function) -> None:
    announced = newm()
    bench.change(announced)
    change = bench.change(said)
    assert (bench.now.status, bench.now.cancel_function) == (Status.CANCELLED, function)
    assert [(row.number, row.kind, row.reverses) for row in change.effects] == [(1, "POST", None), (2, "REVERSAL", 1)]
    assert bench.now.effect is None
    assert bench.now.terms_json == announced.terms_json, "it still shows what was cancelled"
    assert change.releases
    assert change.record is not None
    assert change.record.action is Action.CANCELLED


def test_a_cancellation_may_come_before_its_event(bench: Bench) -> None:
    change = bench.change(canc(2))
    assert statuses(change) == ["PENDING", "CANCELLED"]
    late = newm()
    filed = bench.change(late)
    assert filed.transitions == []
    assert filed.record is not None
    assert filed.record.action is Action.FILED
    assert (bench.now.status, bench.now.terms_json) == (Status.CANCELLED, late.terms_json)
    assert bench.now.effect is None


def test_an_amendment_may_come_before_its_event_and_the_announcement_is_filed_behind_it(bench: Bench) -> None:
    bench.change(repl(2, dividend("0.30")))
    assert bench.now.flags == ("VERSION_GAP",)
    change = bench.change(newm())
    assert change.transitions == []
    assert bench.now.ref == VersionRef("gateway", 2)
    assert [version.ref.version for version in change.versions] == [1]


def test_after_the_end_messages_are_filed_only(bench: Bench) -> None:
    bench.change(newm())
    bench.change(canc(3))
    change = bench.change(repl(4))
    assert (bench.now.status, change.transitions) == (Status.CANCELLED, [])
    assert bench.now.find(VersionRef("gateway", 4)) is not None


def test_the_lowest_cancellation_of_an_origin_is_the_one_that_counts(bench: Bench) -> None:
    bench.change(newm())
    bench.change(canc(5))
    change = bench.change(withdrawn(3))
    assert (bench.now.cancel_function, bench.now.ref) == (Function.WITH, VersionRef("gateway", 3))
    assert [version.ref.version for version in change.versions] == [5]


def test_between_origins_the_order_of_the_topic_decides(bench: Bench) -> None:
    bench.change(newm())
    bench.change(repl(5))
    bench.change(repl(1, dividend("0.40"), origin="vendor"))
    assert (bench.now.ref, bench.now.flags) == (VersionRef("vendor", 1), ())
    bench.change(canc(2, origin="vendor"))
    later = bench.change(withdrawn(1, origin="desk"))
    assert bench.now.cancel_function is Function.CANC, "the first origin to cancel has the say"
    assert later.record is not None
    assert later.record.action is Action.FILED


def test_a_cancelled_event_shows_the_last_terms_of_another_origin_when_its_own_has_none(bench: Bench) -> None:
    announced = newm()
    bench.change(announced)
    bench.change(canc(1, origin="vendor"))
    assert bench.now.terms_json == announced.terms_json


def test_a_gap_in_the_versions_is_flagged(bench: Bench) -> None:
    bench.change(newm())
    assert bench.change(repl(3)).state.flags == ("VERSION_GAP",)
    assert bench.change(repl(4)).state.flags == ()


def test_the_same_again_is_a_duplicate_whatever_differs_around_it(bench: Bench) -> None:
    bench.change(newm())
    outcome = bench.say(newm(accepted_at=START, correlation_id=event_id(7), actor="user:bob"))
    assert isinstance(outcome, Duplicate)
    assert outcome.revision == 1


def test_the_same_version_with_other_content_is_a_conflict(bench: Bench) -> None:
    bench.change(newm())
    assert bench.refuse(newm(dividend("0.26"))).code == "version_conflict"


def test_an_amendment_of_what_is_no_longer_current_is_stale(bench: Bench) -> None:
    bench.change(newm())
    bench.change(repl(2))
    assert bench.refuse(repl(3, based_on=VersionRef("gateway", 1))).code == "stale_version"
    bench.change(repl(3, based_on=VersionRef("gateway", 2)))


def test_an_amendment_based_on_a_version_of_an_unknown_event_is_stale(bench: Bench) -> None:
    assert bench.refuse(repl(2, based_on=VersionRef("gateway", 1))).code == "stale_version"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (repl(2, symbol="MSFT"), "symbol_mismatch"),
        (repl(2, source="other"), "identity_changed"),
        (repl(2, source_reference="other"), "identity_changed"),
        (repl(2, source_reference=None), "identity_changed"),
        (repl(2, split()), "identity_changed"),
        (repl(2, dividend("0")), "invalid_terms"),
        (repl(2, isin="US67066G1040"), "isin_mismatch"),
    ],
)
def test_what_can_never_be_applied_changes_nothing(bench: Bench, said: Message, code: str) -> None:
    bench.change(newm())
    before = bench.now
    assert bench.refuse(said).code == code
    assert bench.state is before


def test_invalid_terms_are_refused_after_the_end_too(bench: Bench) -> None:
    bench.change(canc(2))
    assert bench.refuse(newm(dividend("-1"))).code == "invalid_terms"


def test_a_reference_that_another_event_holds_is_a_duplicate_announcement(bench: Bench) -> None:
    error = bench.refuse(newm(), holder=event_id(9))
    assert error.code == "duplicate_announcement"
    assert event_id(9) in error.reason
    bench.change(newm(), holder=event_id(1))


def rejected(bench: Bench, said: Message) -> Change:
    return bench.keep(reject_announcement(said, Rejected("invalid_terms", "amount"), bench.around()))


def test_a_rejected_announcement_makes_a_failed_row_without_version_or_reference(bench: Bench) -> None:
    change = rejected(bench, newm(dividend("0")))
    assert statuses(change) == ["PENDING", "FAILED"]
    assert (bench.now.status, bench.now.current, bench.now.source_reference) == (Status.FAILED, None, None)
    assert bench.now.error == "invalid_terms: amount"
    assert change.record is not None
    assert (change.record.action, change.record.code, change.record.payload_commitment) == (Action.REJECTED, "invalid_terms", None)


def test_the_next_announcement_revives_a_rejected_row_as_the_first(bench: Bench) -> None:
    rejected(bench, newm(dividend("0")))
    change = bench.change(newm())
    assert change.transitions[0] == Transition("FAILED", "PENDING", newm().accepted_at)
    assert (bench.now.status, bench.now.revision, bench.now.source_reference) == (Status.COMPLETED, 2, "REF-1")
    assert bench.now.error is None
    assert bench.now.find(VersionRef("gateway", 1)) is not None


def test_a_revived_row_may_become_what_the_new_message_says(bench: Bench) -> None:
    rejected(bench, newm(dividend("0")))
    bench.change(newm(split(), source="vendor"))
    assert (bench.now.event_type, bench.now.source) == ("STOCK_SPLIT", "vendor")


def test_a_revived_row_stays_on_its_symbol(bench: Bench) -> None:
    rejected(bench, newm(dividend("0")))
    assert bench.refuse(newm(symbol="MSFT")).code == "symbol_mismatch"


def test_a_cancellation_of_a_rejected_announcement_shows_no_terms(bench: Bench) -> None:
    rejected(bench, newm(dividend("0")))
    bench.change(canc(2))
    assert (bench.now.status, bench.now.terms_json, bench.now.key_date, bench.now.error) == (Status.CANCELLED, None, None, None)


def test_counts_move_with_the_status_and_with_the_minute_of_creation(bench: Bench) -> None:
    first = rejected(bench, newm(dividend("0"), accepted_at=START))
    assert [(d.minute, d.status, d.count) for d in first.deltas()] == [(START, "FAILED", 1)]
    revived = bench.change(newm())
    assert [(d.minute, d.status, d.count) for d in revived.deltas()] == [
        (START, "FAILED", -1),
        (minute_of(newm().accepted_at), "COMPLETED", 1),
    ]
    amended = bench.change(repl(2))
    assert list(amended.deltas()) == []


def test_a_state_is_a_value_that_later_changes_leave_alone(bench: Bench) -> None:
    bench.change(newm())
    first = bench.now
    bench.change(repl(2))
    bench.change(canc(3))
    assert (first.status, first.revision, first.older) == (Status.COMPLETED, 1, {})
    assert first.effect is not None


def test_a_merger_of_terms_and_dates_is_looked_up_by_its_own_key_date(bench: Bench) -> None:
    bench.change(newm())
    bench.change(repl(2, dividend("0.30", ex_date=date(2026, 11, 9), record_date=date(2026, 11, 9))))
    assert bench.now.key_date == date(2026, 11, 9)
