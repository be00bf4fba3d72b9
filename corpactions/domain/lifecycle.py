"""The state machine: what one message, decision or timed retry makes of an event.

Invariant: for messages of one origin and without decisions the outcome (status, cancel function, current version, terms, net effect) is a function of the
set of messages, whatever their order and duplication. Between origins the topic's order decides. Everything the rules need is in the arguments, so the
worker, a replay and the tests run the very same code.
"""

from __future__ import annotations

from collections.abc import Iterable

from corpactions.domain.audit.records import Action
from corpactions.domain.change import Change, Circumstances, Duplicate, Outcome, begin, close
from corpactions.domain.errors import Rejected
from corpactions.domain.identity import content_sha256
from corpactions.domain.messages import CANCELLING, DECISIONS, Function, Message
from corpactions.domain.processing import process
from corpactions.domain.rules import problems_of
from corpactions.domain.state import EventState, FiledVersion, Status


def apply(state: EventState | None, message: Message, around: Circumstances) -> Outcome:
    """Fold one message into an event.

    Args:
        state: the event as it stands; None when it has no row.
        message: a message whose key, symbol and partition were found to agree.
        around: what the decision depends on besides: times, salt, the security, the reference's holder, a like event.

    Returns:
        A Change to store and publish, or a Duplicate, which changes nothing.

    Raises:
        Rejected: the message can never be applied; the event stays as it is.
    """
    if message.function in DECISIONS:
        return _decide(state, message, around)
    digest = content_sha256(message)
    if state is None or state.current is None:
        return _first(state, message, digest, around)
    _check_same_event(state, message)
    if (filed := state.find(message.ref)) is not None:
        if filed.content_sha256 == digest:
            return Duplicate(state, filed.filed_revision)
        raise Rejected(
            "version_conflict",
            f"version {message.ref} of event {message.event_id} was already filed with other content; send the correction as a new version",
        )
    if message.based_on is not None and message.based_on != state.ref:
        raise Rejected(
            "stale_version", f"the message is based on version {message.based_on}, but {state.ref} is current; look again and resend"
        )
    version = _file(message, digest, state.revision + 1, around)
    if state.status is Status.CANCELLED:
        return _after_cancellation(state, message, version, around)
    if message.function in CANCELLING:
        return _cancel(state, message, version, around)
    _check_terms(message)
    if message.function is Function.NEWM or message.version < state.highest(message.origin):
        return _file_only(state, message, version, around)
    change = begin(state, message, around)
    _supersede(change, version)
    if message.version > state.highest(message.origin) + 1:
        change.state.flags = ("VERSION_GAP",)
    return process(change, Action.APPLIED, around)


def reject_announcement(message: Message, error: Rejected, around: Circumstances) -> Change:
    """The FAILED row that a rejected NEWM of an event without a row makes: it can be found, and holds no version, hash or reference."""
    change = begin(None, message, around)
    state = change.state
    state.source_reference = None
    state.error = f"{error.code}: {error.reason}"
    change.move(Status.PENDING, message.accepted_at)
    change.move(Status.FAILED, around.started_at)
    change.code, change.reason = error.code, error.reason
    return close(change, Action.REJECTED, around.started_at)


def retry(state: EventState, origin: Message, around: Circumstances) -> Change:
    """A timed retry of a pending event; ``origin`` stands for the message whose version is tried again."""
    change = begin(state, origin, around)
    return process(change, Action.APPLIED, around)


def _first(state: EventState | None, message: Message, digest: bytes, around: Circumstances) -> Change:
    """The first version of an event: a row is made, or a row that held only a rejection is revived."""
    if message.based_on is not None:
        raise Rejected("stale_version", f"the message is based on version {message.based_on}, which was not filed; look again and resend")
    if around.holder is not None and around.holder != message.event_id:
        raise Rejected(
            "duplicate_announcement",
            f"source_reference={message.source_reference!r} of {message.symbol} from {message.source} already belongs to event {around.holder};"
            " amend that event, or correct the reference",
        )
    if state is not None:
        _check_symbol(state, message)
    if message.function not in CANCELLING:
        _check_terms(message)
    change = begin(state, message, around)
    fresh = change.state
    fresh.event_type, fresh.source, fresh.source_reference, fresh.created_at = (
        message.event_type,
        message.source,
        message.source_reference,
        message.accepted_at,
    )
    fresh.current = _file(message, digest, fresh.revision, around)
    change.move(Status.PENDING, message.accepted_at)
    if message.function in CANCELLING:
        # A revived row still shows the terms that were rejected; nothing but this cancellation was ever accepted.
        _adopt_terms(fresh, None)
        fresh.error = None
        fresh.cancel_function = message.function
        change.move(Status.CANCELLED, around.now())
        return close(change, Action.CANCELLED)
    _adopt_terms(fresh, fresh.current)
    if message.version > 1:
        fresh.flags = ("VERSION_GAP",)
    return process(change, Action.APPLIED, around)


def _cancel(state: EventState, message: Message, version: FiledVersion, around: Circumstances) -> Change:
    """CANC or WITH, in any state: the effect in force is reversed, the event ends."""
    change = begin(state, message, around)
    after = change.state
    change.archive_current()
    after.current = version
    after.cancel_function = message.function
    after.attempts, after.error = 0, None
    _adopt_terms(after, _cancelled_terms(after.versions(), version))
    now = around.now()
    change.reverse_effect(now)
    change.releases = True
    change.move(Status.CANCELLED, now)
    return close(change, Action.CANCELLED)


def _after_cancellation(state: EventState, message: Message, version: FiledVersion, around: Circumstances) -> Change:
    """A message for a cancelled event is filed only; a lower cancellation of the same origin becomes the one that counts."""
    change = begin(state, message, around)
    after = change.state
    assert after.current is not None, "a cancelled event has a current version"
    current = after.current
    if message.function in CANCELLING and current.ref.origin == version.ref.origin and version.ref.version < current.ref.version:
        change.archive_current()
        after.current = version
        after.cancel_function = message.function
    else:
        if message.terms is not None:
            _check_terms(message)
        after.older[version.ref] = version
        change.versions.append(version)
    _adopt_terms(after, _cancelled_terms(after.versions(), after.current))
    return close(change, Action.FILED, around.now())


def _file_only(state: EventState, message: Message, version: FiledVersion, around: Circumstances) -> Change:
    """A version that came too late to matter is kept, and nothing else changes."""
    change = begin(state, message, around)
    change.state.older[version.ref] = version
    change.versions.append(version)
    return close(change, Action.FILED, around.now())


def _decide(state: EventState | None, message: Message, around: Circumstances) -> Outcome:
    """REPROCESS or DISCARD, exactly on what the deciding person saw, and once."""
    decision = message.decision
    assert decision is not None, "a decision carries what was seen"
    if around.decided is not None:
        event_id, revision = around.decided
        if state is None or event_id != message.event_id:
            raise Rejected(
                "decision_reused",
                f"decision {decision.decision_id} was taken on event {event_id}; take a new decision on {message.event_id}",
            )
        return Duplicate(state, revision)
    if state is None or (state.ref, state.revision) != (decision.seen, decision.seen_revision):
        found = "it does not exist" if state is None else f"it is at version {state.ref}, revision {state.revision}"
        raise Rejected(
            "stale_decision",
            f"{message.function} was decided on version {decision.seen}, revision {decision.seen_revision} of the event, but {found}; look again and decide anew",
        )
    _check_symbol(state, message)
    if state.status is not Status.FAILED or state.current is None:
        raise Rejected("wrong_state", f"{message.function} is for a failed version; the event is {state.status} at version {state.ref}")
    change = begin(state, message, around)
    change.decision = decision
    if message.function is Function.DISCARD:
        return _discard(change, around)
    change.state.attempts = 0
    change.move(Status.PENDING, around.started_at)
    return process(change, Action.REPROCESSED, around)


def _discard(change: Change, around: Circumstances) -> Change:
    """The failed version ends; the version in force is current again, or the event stays FAILED with nothing to wait for."""
    after = change.state
    now = around.now()
    change.releases = True
    after.attempts = 0
    if after.effect is not None and after.current is not None:
        in_force = after.older[after.effect.ref]
        change.archive_current()
        after.current = in_force
        after.error = None
        after.flags = ()
        _adopt_terms(after, in_force)
        after.completed_at = after.effect.posted_at
        change.move(Status.COMPLETED, now)
    return close(change, Action.DISCARDED, now)


def _supersede(change: Change, version: FiledVersion) -> None:
    """Make a version the current one at PENDING; the older effect stays in force until the new one completes."""
    after = change.state
    change.archive_current()
    after.current = version
    after.attempts, after.error, after.flags = 0, None, ()
    _adopt_terms(after, version)
    change.move(Status.PENDING, change.started_at)


def _file(message: Message, digest: bytes, revision: int, around: Circumstances) -> FiledVersion:
    terms = message.terms
    return FiledVersion(
        message.ref,
        message.function,
        None if terms is None else message.isin,
        message.terms_json,
        None if terms is None else terms.key_date,
        digest,
        around.salt(),
        revision,
        message.accepted_at,
    )


def _adopt_terms(state: EventState, version: FiledVersion | None) -> None:
    state.isin = None if version is None else version.isin
    state.terms_json = None if version is None else version.terms_json
    state.key_date = None if version is None else version.key_date


def _cancelled_terms(versions: Iterable[FiledVersion], cancel: FiledVersion) -> FiledVersion | None:
    """Which terms a cancelled event shows: the highest below the cancellation in its own origin, else the last of another origin filed before it."""
    announced = [version for version in versions if version.terms_json is not None]
    own = [version for version in announced if version.ref.origin == cancel.ref.origin]
    below = [version for version in own if version.ref.version < cancel.ref.version]
    if below:
        return max(below, key=lambda version: version.ref.version)
    foreign = [
        version for version in announced if version.ref.origin != cancel.ref.origin and version.filed_revision < cancel.filed_revision
    ]
    return max(foreign, key=lambda version: version.filed_revision, default=None)


def _check_terms(message: Message) -> None:
    assert message.terms is not None, "NEWM and REPL carry terms"
    if problems := problems_of(message.terms):
        raise Rejected("invalid_terms", "; ".join(str(problem) for problem in problems[:5]))


def _check_symbol(state: EventState, message: Message) -> None:
    if state.symbol != message.symbol:
        raise Rejected(
            "symbol_mismatch",
            f"symbol={message.symbol!r}, but event {message.event_id} is on {state.symbol}; an event never changes its symbol",
        )


def _check_same_event(state: EventState, message: Message) -> None:
    _check_symbol(state, message)
    for name, given, kept in (
        ("event_type", message.event_type, state.event_type),
        ("source", message.source, state.source),
        ("source_reference", message.source_reference, state.source_reference),
    ):
        if given != kept:
            raise Rejected(
                "identity_changed",
                f"{name}={given!r}, but event {message.event_id} was announced with {kept!r}; it never changes by amendment",
            )
