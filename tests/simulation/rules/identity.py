"""Order and identity: one symbol, one writer; one version, one content; one announcement, one event."""

from __future__ import annotations

from collections import Counter
from typing import Any

from consumers.lifecycle import fold as folding
from consumers.lifecycle.fold import Fold
from consumers.lifecycle.handler import LifecycleHandler
from consumers.lifecycle.inspection import Inspector
from corpactions.domain import lifecycle
from corpactions.domain.change import Change, Circumstances, Duplicate
from corpactions.domain.errors import Rejected
from corpactions.domain.identity import feed_event_id
from corpactions.domain.messages import Function, Message
from corpactions.domain.state import EventState, Status
from gateway import handler as gateway
from producers.feed import lines
from tests.simulation.rules.rule import Rule, Switch, replaced, together, wrapped
from tests.support.announcing import EX_DATE


def _only_the_key_counts(_self: Inspector, record: Any, message: Message) -> None:
    if record.key != message.symbol.encode():
        raise Rejected("key_mismatch", "the key is not the symbol")


def _only_the_partition_counts(self: Inspector, record: Any, _message: Message) -> None:
    if self._partition_of(record.key or b"") != record.partition:
        raise Rejected("wrong_partition", "the key belongs elsewhere")


def _backwards(handle: Any) -> Any:
    def handled(self: LifecycleHandler, records: Any, claims: Any, barrier: Any) -> Any:
        return handle(self, records[::-1], claims, barrier)

    return handled


def _messages_lose(**gone: Any) -> Switch:
    """The worker does not see some of a message's fields."""
    return wrapped(folding, "apply", lambda apply: lambda state, message, around: apply(state, message._replace(**gone), around))


def _again_is_a_conflict(apply: Any) -> Any:
    def applied(state: EventState | None, message: Message, around: Circumstances) -> Any:
        outcome = apply(state, message, around)
        if isinstance(outcome, Duplicate):
            raise Rejected("version_conflict", "there is that version already")
        return outcome

    return applied


def _hash_of(recipe: Any) -> Switch:
    return together(wrapped(lifecycle, "content_sha256", recipe), wrapped(folding, "content_sha256", recipe))


def _with_the_time(sha256: Any) -> Any:
    return lambda message: sha256(message._replace(reason=None, correlation_id="", symbol=f"{message.symbol}{message.accepted_at}"))


def _of_the_name_alone(sha256: Any) -> Any:
    return lambda message: sha256(message._replace(terms=None, terms_json=None, isin=None))


def _gap_unseen(apply: Any) -> Any:
    def applied(state: EventState | None, message: Message, around: Circumstances) -> Any:
        outcome = apply(state, message, around)
        if isinstance(outcome, Change):
            outcome.state.flags = tuple(flag for flag in outcome.state.flags if flag != "VERSION_GAP")
        return outcome

    return applied


def _highest_of_all(state: EventState, _origin: str) -> int:
    return max((version.ref.version for version in state.versions()), default=0)


def _around_without(**changes: Any) -> Switch:
    def wrap(around: Any) -> Any:
        def found(self: Fold, *arguments: Any) -> Circumstances:
            made: Circumstances = around(self, *arguments)
            for name, value in changes.items():
                setattr(made, name, value)
            return made

        return found

    return wrapped(Fold, "_around", wrap)


def _cancelled_hold_nothing(around: Any) -> Any:
    def found(self: Fold, *arguments: Any) -> Circumstances:
        made: Circumstances = around(self, *arguments)
        if made.holder is not None:
            holder = self._transaction.events([made.holder]).get(made.holder)
            if holder is not None and holder.status is Status.CANCELLED:
                made.holder = None
        return made

    return found


def _batch_forgotten(remember: Any) -> Any:
    def remembered(self: Fold, change: Change) -> None:
        before = dict(self._holders)
        remember(self, change)
        self._holders = before

    return remembered


def _rejected_holds(announcement: Any) -> Any:
    def made(message: Message, error: Rejected, around: Circumstances) -> Change:
        change: Change = announcement(message, error, around)
        change.state.source_reference = message.source_reference
        return change

    return made


def _id_from_the_terms(to_message: Any) -> Any:
    def made(*arguments: Any) -> Any:
        message = to_message(*arguments)
        return message._replace(event_id=feed_event_id(EX_DATE, message.symbol, message.source, message.terms_json or ""))

    return made


def _amendment_guessed(to_message: Any) -> Any:
    seen: Counter[str] = Counter()

    def made(*arguments: Any) -> Any:
        message = to_message(*arguments)
        seen[message.event_id] += 1
        again = seen[message.event_id]
        return message if again == 1 else message._replace(function=Function.REPL, version=again)

    return made


def _unseen_decided(decide: Any) -> Any:
    def decided(state: EventState | None, message: Message, around: Circumstances) -> Any:
        if state is not None and message.decision is not None:
            message = message._replace(decision=message.decision._replace(seen=state.ref, seen_revision=state.revision))
        return decide(state, message, around)

    return decided


def _any_event_s_decision(decide: Any) -> Any:
    def decided(state: EventState | None, message: Message, around: Circumstances) -> Any:
        if around.decided is not None and state is not None:
            return Duplicate(state, state.revision)
        return decide(state, message, around)

    return decided


def _decisions_forgotten(load: Any) -> Any:
    def loaded(self: Fold, messages: Any) -> None:
        load(self, messages)
        self._decided.clear()

    return loaded


def _time_of_applying(apply: Any) -> Any:
    return lambda state, message, around: apply(state, message._replace(accepted_at=around.started_at), around)


ORDER = (
    Rule(
        "place-is-checked",
        "A record in another partition than its key's is rejected.",
        "An upstream keeps librdkafka's default partitioner: its amendment goes elsewhere.",
        "Two workers write one event, each in its own order.",
        replaced((Inspector, "_check_place", _only_the_key_counts)),
        "verdicts: .* must be rejected and has no letter",
    ),
    Rule(
        "key-is-the-symbol",
        "A record whose key is not its symbol is rejected.",
        "An upstream keys by event id, or by another symbol.",
        "The symbol has a second writer in another partition.",
        replaced((Inspector, "_check_place", _only_the_partition_counts)),
        "verdicts: .* must be rejected and has no letter",
    ),
    Rule(
        "an-event-keeps-its-symbol",
        "A record whose event stands on another symbol is rejected.",
        "An id is used again for another symbol, in that symbol's partition.",
        "Two partitions' owners write one row.",
        replaced((lifecycle, "_check_symbol", lambda _state, _message: None)),
        "verdicts: .* must be rejected and has no letter",
    ),
    Rule(
        "decided-in-order",
        "A partition's records are decided in the order of their offsets.",
        "An announcement and its amendment share a batch.",
        "The amendment comes first.",
        wrapped(LifecycleHandler, "handle", _backwards),
        r"order: .* was changed in the order of offsets \[1, 0\]",
    ),
)
IDENTITY = (
    Rule(
        "the-same-again-is-a-duplicate",
        "The same version with the same content is a duplicate, and nothing happens.",
        "A produce times out and has landed; its sender repeats it.",
        "The repetition goes to the dead letters and somebody is woken.",
        wrapped(folding, "apply", _again_is_a_conflict),
        "verdicts: .* must be duplicate and was rejected",
    ),
    Rule(
        "the-hash-covers-what-is-said",
        "A version's hash covers what it says, never acceptance time, correlation id or headers.",
        "An upstream repeats an announcement and stamps it anew.",
        "A repetition looks like a conflict.",
        _hash_of(_with_the_time),
        "verdicts: .* must be duplicate and was rejected",
    ),
    Rule(
        "other-content-is-a-conflict",
        "The same version with other content is rejected.",
        "A source corrects an amount and forgets to count the version up.",
        "The correction is taken for a repetition and disappears.",
        _hash_of(_of_the_name_alone),
        "verdicts: .* must be rejected and has no letter",
    ),
    Rule(
        "a-late-version-is-only-filed",
        "Within an origin a lower version than its highest is filed as superseded.",
        "Version 3 overtakes version 2 on its way.",
        "The older terms come into force.",
        replaced((EventState, "highest", lambda _self, _origin: 0)),
        r"events: .* is at version gateway\.2, must be at gateway\.3",
    ),
    Rule(
        "a-gap-is-flagged",
        "A version that skips one is flagged.",
        "Version 2 is lost at its source.",
        "Nobody learns that an amendment is missing.",
        wrapped(folding, "apply", _gap_unseen),
        "the gap is not flagged",
    ),
    Rule(
        "origins-number-for-themselves",
        "Versions are compared within one origin; between origins the topic's order decides.",
        "The desk amends at version 5; the vendor then sends its own version 1.",
        "The later word is filed as superseded.",
        replaced((EventState, "highest", _highest_of_all)),
        r"events: .* must be at vendor\.1",
    ),
    Rule(
        "based-on-is-decided-by-the-worker",
        "A message based on a version that is no longer current is rejected by the worker.",
        "Two people amend what they saw, before either amendment is applied.",
        "The second one overwrites what its author never saw.",
        _messages_lose(based_on=None),
        "verdicts: .* must be rejected and has no letter",
    ),
    Rule(
        "based-on-travels",
        "What `If-Match` named travels with the message.",
        "Two people amend what they saw at two gateways; both are answered 202.",
        "The worker cannot know, and the second one overwrites the first.",
        wrapped(gateway, "_change", lambda change: lambda *arguments: change(*arguments)._replace(based_on=None)),
        "nobody told the second author",
    ),
    Rule(
        "if-match-is-checked",
        "`If-Match` is compared with the current version at the gateway.",
        "A person amends a page opened yesterday.",
        "202, and a dead letter later instead of 412 at once.",
        wrapped(gateway, "_check_changeable", lambda check: lambda event, _precondition: check(event, None)),
        "was accepted",
    ),
    Rule(
        "identity-never-changes",
        "Symbol, type, source and source reference never change by amendment.",
        "An amendment carries another reference.",
        "The event lets its reference go, and the announcement it stood for can be made a second time.",
        replaced((lifecycle, "_check_same_event", lifecycle._check_symbol)),
        "verdicts: .* must be rejected and has no letter",
    ),
)
ANNOUNCEMENTS = (
    Rule(
        "a-reference-has-one-event",
        "A record that would make an event whose reference another one holds is rejected, naming the holder.",
        "Two systems send the same announcement under different ids.",
        "Only the unique index is left, which names no holder and leaves no row to ask for.",
        _around_without(holder=None),
        "events: .* has messages and no row",
    ),
    Rule(
        "references-count-within-a-batch",
        "A reference is held from the record on that makes the event, within its batch too.",
        "Both announcements come in one batch.",
        "The transaction fails on the unique index and is taken apart record by record; a hostile source slows every batch.",
        wrapped(Fold, "_remember", _batch_forgotten),
        "the transaction failed and was taken apart",
    ),
    Rule(
        "a-reference-is-held-for-ever",
        "A cancelled event keeps its reference.",
        "A cancelled announcement is sent again under a new id.",
        "As above.",
        wrapped(Fold, "_around", _cancelled_hold_nothing),
        "events: .* has messages and no row",
    ),
    Rule(
        "a-rejected-announcement-holds-nothing",
        "The row of a rejected announcement holds no reference.",
        "A source sends an announcement with a wrong amount, then the right one under a new id.",
        "The right one is rejected as a duplicate of the wrong one.",
        wrapped(folding, "reject_announcement", _rejected_holds),
        "verdicts: .* must be filed and was rejected",
    ),
    Rule(
        "a-like-announcement-is-linked",
        "Same symbol, type and key date under another reference is flagged, with a link.",
        "Two vendors announce one dividend under their own references.",
        "It is paid twice, and nothing shows.",
        _around_without(similar=None),
        "nothing links the two",
    ),
    Rule(
        "feed-ids-never-come-from-terms",
        "The feed makes an event's id from symbol, source and reference, never from the terms.",
        "The corrected file moves the ex date.",
        "The amendment finds no event and is rejected.",
        wrapped(lines, "to_message", _id_from_the_terms),
        "the amendment did not find its event",
    ),
    Rule(
        "the-feed-guesses-nothing",
        "A line without function and version is NEWM, 1; the feed never makes an amendment of it.",
        "Yesterday's file is fed again after today's.",
        "Yesterday's terms come back into force.",
        wrapped(lines, "to_message", _amendment_guessed),
        "the feed amended by itself",
    ),
)
DECISIONS = (
    Rule(
        "a-decision-names-what-was-seen",
        "REPROCESS and DISCARD carry the version and revision that the person saw; anything else there now is rejected.",
        "An amendment fails while somebody decides about the version before.",
        "A version that nobody looked at is discarded.",
        wrapped(lifecycle, "_decide", _unseen_decided),
        "decided on what nobody saw",
    ),
    Rule(
        "a-decision-counts-once",
        "A decision's id is kept with the revision that it made: the same again changes nothing.",
        "A person clicks twice; or the worker dies before it has told.",
        "The second click is rejected as stale; after a death the decision's record is never told.",
        wrapped(Fold, "load", _decisions_forgotten),
        r"audit: record \S+ is missing",
    ),
    Rule(
        "a-decision-belongs-to-one-event",
        "A decision's id that was used on another event is rejected.",
        "A desk's client reuses an id.",
        "The second decision is taken for a repetition and disappears.",
        wrapped(lifecycle, "_decide", _any_event_s_decision),
        "the second decision disappeared",
    ),
)
REPLAY = (
    Rule(
        "created-is-the-acceptance-time",
        "An event's creation time is its record's acceptance time.",
        "The topic is replayed next year.",
        "Every event was made next year, in other minutes of the statistics.",
        wrapped(folding, "apply", _time_of_applying),
        "made at another time",
    ),
)
