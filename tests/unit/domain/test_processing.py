"""Work on a version: attempts, the unknown symbol, the possible duplicate, and decisions on what failed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from corpactions.domain.audit.records import Action
from corpactions.domain.change import Change, Duplicate, Policy
from corpactions.domain.effects import Flag
from corpactions.domain.errors import Rejected
from corpactions.domain.lifecycle import retry
from corpactions.domain.messages import Function, Message, VersionRef
from corpactions.domain.securities import Lookup, LookupFailure, Security
from corpactions.domain.state import Status
from tests.support.announcing import AAPL, canc, decision, dividend, event_id, newm, repl
from tests.support.circumstances import Bench

FAILURE = LookupFailure("no answer")
V1, V2 = VersionRef("gateway", 1), VersionRef("gateway", 2)
OTHER_ISIN = Security("AAPL", "US67066G1040", "USD", "ACTIVE", None, Decimal(200))


def again(bench: Bench, origin: Message, lookup: Lookup) -> Change:
    return bench.keep(retry(bench.now, origin, bench.around(lookup)))


def failed(said: Message | None = None) -> Bench:
    """An event whose only attempt failed."""
    bench = Bench(Policy(max_attempts=1))
    bench.change(said or newm(), FAILURE)
    return bench


def test_a_failed_lookup_puts_the_event_back_and_counts_an_attempt() -> None:
    bench = Bench()
    change = bench.change(newm(), FAILURE)
    assert [t.to_status for t in change.transitions] == ["PENDING", "PROCESSING", "PENDING"]
    assert (bench.now.attempts, bench.now.error) == (1, "security_lookup_failed: AAPL: no answer")
    assert (change.holds, change.releases, change.dead_letter) == (True, False, False)
    assert change.record is not None
    assert (change.record.action, change.record.code) == (Action.RETRY_SCHEDULED, "security_lookup_failed")


def test_a_retry_that_succeeds_completes_and_releases() -> None:
    bench = Bench()
    bench.change(newm(), FAILURE)
    change = again(bench, newm(), AAPL)
    assert [t.to_status for t in change.transitions] == ["PROCESSING", "COMPLETED"]
    assert (bench.now.revision, bench.now.error, change.releases) == (2, None, True)


def test_the_third_failed_attempt_is_the_last() -> None:
    bench = Bench()
    bench.change(newm(), FAILURE)
    again(bench, newm(), FAILURE)
    change = again(bench, newm(), FAILURE)
    assert (bench.now.status, bench.now.attempts, bench.now.revision) == (Status.FAILED, 3, 3)
    assert (change.holds, change.dead_letter, change.releases) == (True, True, False)
    assert change.record is not None
    assert change.record.action is Action.FAILED


def test_an_unknown_symbol_is_flagged_or_retried_by_policy() -> None:
    flagged = Bench()
    flagged.change(newm(), None)
    assert Flag.UNKNOWN_SYMBOL in flagged.now.flags
    retried = Bench(Policy(retry_unknown_symbol=True))
    retried.change(newm(), None)
    assert (retried.now.status, retried.now.attempts) == (Status.PENDING, 1)
    assert retried.now.error is not None
    assert retried.now.error.startswith("unknown_symbol: ")


def test_a_new_version_that_contradicts_the_security_is_refused() -> None:
    assert Bench().refuse(newm(isin="US0378331005"), OTHER_ISIN).code == "isin_mismatch"


def test_a_filed_version_that_turns_out_to_contradict_fails_instead() -> None:
    bench = Bench()
    bench.change(newm(isin="US0378331005"), FAILURE)
    change = again(bench, newm(isin="US0378331005"), OTHER_ISIN)
    assert (bench.now.status, change.dead_letter, change.releases) == (Status.FAILED, True, True)
    assert change.code == "isin_mismatch"


def test_a_like_event_is_flagged_with_a_link() -> None:
    bench = Bench()
    bench.change(newm(), similar=event_id(8))
    assert Flag.POSSIBLE_DUPLICATE in bench.now.flags
    assert bench.now.effect is not None
    assert bench.now.effect.fields["possible_duplicate_of"] == event_id(8)


def test_a_like_event_is_held_by_policy_until_a_person_says_that_both_are_real() -> None:
    bench = Bench(Policy(hold_possible_duplicate=True))
    change = bench.change(newm(), similar=event_id(8))
    assert (bench.now.status, change.holds, change.dead_letter) == (Status.FAILED, True, True)
    assert bench.now.attempts == 0
    done = bench.change(decision(Function.REPROCESS, 1, V1, 1), similar=event_id(8))
    assert (bench.now.status, done.releases) == (Status.COMPLETED, True)
    assert Flag.POSSIBLE_DUPLICATE not in bench.now.flags


def test_a_like_event_is_held_at_once_although_its_lookup_fails_and_never_again_by_a_later_attempt() -> None:
    bench = Bench(Policy(hold_possible_duplicate=True))
    bench.change(newm(), FAILURE, similar=event_id(8))
    assert (bench.now.status, bench.now.attempts) == (Status.FAILED, 0)
    bench.change(decision(Function.REPROCESS, 1, V1, 1), FAILURE)
    assert (bench.now.status, bench.now.attempts) == (Status.PENDING, 1)
    bench.keep(retry(bench.now, newm(), bench.around(AAPL, similar=event_id(8))))
    assert bench.now.status is Status.COMPLETED, "the person's decision stands"
    assert Flag.POSSIBLE_DUPLICATE in bench.now.flags


def test_reprocess_starts_over_from_the_stored_terms() -> None:
    bench = failed(newm(dividend("0.75")))
    change = bench.change(decision(Function.REPROCESS, 1, V1, 1))
    assert [t.to_status for t in change.transitions] == ["PENDING", "PROCESSING", "COMPLETED"]
    assert (bench.now.attempts, bench.now.revision) == (0, 2)
    assert bench.now.effect is not None
    assert bench.now.effect.fields["cash_per_share"] == "0.75"
    assert change.decision is not None
    assert change.record is not None
    assert change.record.action is Action.REPROCESSED


def test_reprocess_that_fails_again_waits_again() -> None:
    bench = Bench(Policy(max_attempts=2))
    bench.change(newm(), FAILURE)
    again(bench, newm(), FAILURE)
    said = decision(Function.REPROCESS, 1, V1, 2)
    bench.change(said, FAILURE)
    assert (bench.now.status, bench.now.attempts) == (Status.PENDING, 1)
    again(bench, said, AAPL)
    assert bench.now.status is Status.COMPLETED


def test_discard_returns_to_the_version_in_force() -> None:
    bench = Bench(Policy(max_attempts=1))
    announced = newm()
    bench.change(announced)
    posted = bench.now.effect
    bench.change(repl(2), FAILURE)
    change = bench.change(decision(Function.DISCARD, 1, V2, 2))
    assert (bench.now.status, bench.now.ref, bench.now.error) == (Status.COMPLETED, V1, None)
    assert bench.now.effect is posted, "nothing was posted anew"
    assert (bench.now.terms_json, change.effects, change.releases) == (announced.terms_json, [], True)
    assert bench.now.find(V2) is not None


def test_after_a_discard_the_next_version_supersedes_as_usual() -> None:
    bench = Bench(Policy(max_attempts=1))
    bench.change(newm())
    bench.change(repl(2), FAILURE)
    bench.change(decision(Function.DISCARD, 1, V2, 2))
    change = bench.change(repl(3))
    assert (bench.now.status, bench.now.flags) == (Status.COMPLETED, ())
    assert change.versions == [], "version 1 was kept when it was superseded the first time"
    assert [row.kind for row in change.effects] == ["POST", "REVERSAL"]
    assert isinstance(bench.say(repl(2)), Duplicate)


def test_discard_without_a_version_in_force_leaves_the_event_failed_and_frees_the_symbol() -> None:
    bench = failed()
    change = bench.change(decision(Function.DISCARD, 1, V1, 1))
    assert (bench.now.status, change.transitions, change.releases) == (Status.FAILED, [], True)
    assert bench.now.error is not None
    assert list(change.deltas()) == []


def test_a_decision_is_applied_once() -> None:
    bench = failed()
    bench.change(decision(Function.REPROCESS, 1, V1, 1))
    outcome = bench.say(decision(Function.REPROCESS, 1, V1, 1), decided=(event_id(1), 2))
    assert isinstance(outcome, Duplicate)
    assert outcome.revision == 2


def test_a_decision_taken_on_another_event_is_refused() -> None:
    with pytest.raises(Rejected) as refused:
        failed().say(decision(Function.REPROCESS, 1, V1, 1), decided=(event_id(9), 2))
    assert refused.value.code == "decision_reused"


@pytest.mark.parametrize(("seen", "revision"), [(V1, 2), (V2, 1), (None, 1)])
def test_a_decision_on_anything_but_what_was_seen_is_stale(seen: VersionRef | None, revision: int) -> None:
    assert failed().refuse(decision(Function.REPROCESS, 1, seen, revision)).code == "stale_decision"


def test_a_decision_about_nothing_is_stale() -> None:
    assert Bench().refuse(decision(Function.DISCARD, 1, V1, 1)).code == "stale_decision"


def test_a_decision_is_for_a_failed_version() -> None:
    bench = Bench()
    bench.change(newm())
    assert bench.refuse(decision(Function.DISCARD, 1, V1, 1)).code == "wrong_state"


def test_a_decision_names_the_right_symbol() -> None:
    assert failed().refuse(decision(Function.DISCARD, 1, V1, 1, symbol="MSFT")).code == "symbol_mismatch"


def test_a_failed_event_can_be_cancelled() -> None:
    bench = failed()
    change = bench.change(canc(2))
    assert (bench.now.status, bench.now.error, bench.now.attempts) == (Status.CANCELLED, None, 0)
    assert (change.effects, change.releases) == ([], True)
