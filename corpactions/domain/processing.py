"""The work on a version: look-up checked, effect computed, and what happens when that fails.

Invariant: PENDING → PROCESSING → COMPLETED, or back to PENDING with one attempt more, or FAILED; the older effect stays in force until COMPLETED.
"""

from __future__ import annotations

from corpactions.domain.audit.records import Action
from corpactions.domain.change import Change, Circumstances, close
from corpactions.domain.effects import EffectFields, Flag, compute
from corpactions.domain.errors import Rejected, Retryable
from corpactions.domain.securities import LookupFailure
from corpactions.domain.state import Effect, Status
from corpactions.domain.terms import from_json


def process(change: Change, action: Action, around: Circumstances) -> Change:
    """Carry the current version as far as it goes now.

    Args:
        change: a change whose state's current version is to be worked on, at PENDING.
        action: what the audit record calls it when it completes.
        around: holds the security master's answer for the version's symbol and key date.

    Raises:
        Rejected: a version that this very message brings contradicts what is known. (One that was filed before becomes FAILED instead.)
    """
    change.move(Status.PROCESSING, around.started_at)
    change.state.processing_at = around.started_at
    new = change.state.current is not None and change.state.current.filed_revision == change.state.revision
    # Held once, when it is filed: a person who lets it go on must not find it held again by a later attempt.
    held = new and around.policy.hold_possible_duplicate and around.similar is not None
    try:
        fields, flags = _work(change, action, around)
    except Retryable as error:
        return _hold(change, around) if held else _failed_attempt(change, error, around)
    except Rejected as error:
        if new:
            raise
        change.dead_letter = change.releases = True
        return _fail(change, error, around)
    if held:
        return _hold(change, around)
    if around.similar is not None and action is not Action.REPROCESSED:
        flags.append(Flag.POSSIBLE_DUPLICATE)
        fields["possible_duplicate_of"] = around.similar
    return _complete(change, action, fields, flags, around)


def _work(change: Change, action: Action, around: Circumstances) -> tuple[EffectFields, list[str]]:
    state, found = change.state, around.lookup
    if isinstance(found, LookupFailure):
        raise Retryable("security_lookup_failed", f"{state.symbol}: {found.reason}")
    if found is None and around.policy.retry_unknown_symbol:
        raise Retryable(
            "unknown_symbol",
            f"the security master does not know {state.symbol} on {state.key_date}; load the security, or correct the symbol",
        )
    terms = change.message.terms
    if terms is None or action is Action.REPROCESSED:
        assert state.terms_json is not None, "a version that is worked on has terms"
        terms = from_json(state.event_type, state.terms_json)
    return compute(terms, state.isin, found)


def _complete(change: Change, action: Action, fields: EffectFields, flags: list[str], around: Circumstances) -> Change:
    state = change.state
    now = around.now()
    number = change.reverse_effect(now)
    assert state.current is not None, "only a version can complete"
    state.effect = Effect(number, state.current.ref, now, fields)
    state.flags = (*(flag for flag in state.flags if flag == Flag.VERSION_GAP), *flags)
    state.error = None
    state.completed_at = now
    change.releases = True
    change.move(Status.COMPLETED, now)
    return close(change, action)


def _failed_attempt(change: Change, error: Retryable, around: Circumstances) -> Change:
    state = change.state
    state.attempts += 1
    change.holds = True
    if state.attempts >= around.policy.max_attempts:
        change.dead_letter = True
        return _fail(change, error, around)
    state.error = f"{error.code}: {error.reason}"
    change.code, change.reason = error.code, error.reason
    change.move(Status.PENDING, around.now())
    return close(change, Action.RETRY_SCHEDULED)


def _fail(change: Change, error: Retryable | Rejected, around: Circumstances) -> Change:
    change.state.error = f"{error.code}: {error.reason}"
    change.code, change.reason = error.code, error.reason
    change.move(Status.FAILED, around.now())
    return close(change, Action.FAILED)


def _hold(change: Change, around: Circumstances) -> Change:
    state = change.state
    change.dead_letter = change.holds = True
    error = Rejected(
        "possible_duplicate",
        f"{state.symbol} already has event {around.similar} of type {state.event_type} on {state.key_date} under another reference;"
        " REPROCESS this event if both are real, DISCARD it if not",
    )
    return _fail(change, error, around)
