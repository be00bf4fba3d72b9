"""Effectively once: what is told exactly once by identity, although anything may be told again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consumers.lifecycle.fold import Fold
from consumers.lifecycle.handler import LifecycleHandler
from corpactions.domain import lifecycle
from corpactions.domain.audit.records import Action
from corpactions.domain.change import Change, Circumstances
from corpactions.domain.messages import Message
from corpactions.domain.state import EventState
from corpactions.ports.records import Publication
from tests.simulation.rules.position import claims_become
from tests.simulation.rules.rule import Rule, Switch, replaced, wrapped
from tests.support.announcing import AUDIT
from tests.support.lifecycle import TOPICS


def _not_kept(chosen: Callable[[Publication], bool]) -> Switch:
    """Some of what belongs into ``pending_publications`` is only published."""

    def wrap(commit: Any) -> Any:
        def done(self: LifecycleHandler, transaction: Any, fold: Fold, *rest: Any) -> Any:
            pending = fold.writes.pending
            fold.publications.extend(item for _, item in pending if chosen(item))
            fold.writes.pending = [(source, item) for source, item in pending if not chosen(item)]
            return commit(self, transaction, fold, *rest)

        return done

    return wrapped(LifecycleHandler, "_commit", wrap)


def _audit(item: Publication, *, of_a_rejection: bool) -> bool:
    """Audit records of changes, those of FAILED rows apart."""
    if item.topic != TOPICS.audit:
        return False
    told = AUDIT.decode(item.value)
    return told.revision is not None and (told.action is Action.REJECTED) == of_a_rejection


def _revision_of_the_transaction(begin: Any) -> Any:
    def begun(state: EventState | None, message: Message, around: Circumstances) -> Change:
        change: Change = begin(state, message, around)
        if state is not None and state.processing_at == around.started_at:
            change.state.revision = state.revision
        return change

    return begun


def _told_as_of_now(finish: Any) -> Any:
    def finished(self: Fold) -> None:
        before = len(self.publications)
        finish(self)
        for number in range(before, len(self.publications)):
            item = self.publications[number]
            told = AUDIT.decode(item.value)._replace(recorded_at=self._shop.clock.now())
            self.publications[number] = item._replace(value=AUDIT.encode(told))

    return finished


def _letters_of(topic: str) -> Callable[[Publication], bool]:
    return lambda item: item.topic == topic


RULES = (
    Rule(
        "what-was-decided-is-not-decided-again",
        "Records below `committed_offset` are published again, never decided again.",
        "An amendment was stale when it came, and looks fresh after the DISCARD that followed; then the worker dies.",
        "What was rejected, letter and all, is applied.",
        claims_become(lambda _, claim: setattr(claim, "committed_offset", claim.acked_offset)),
        r"events: .* has versions \S+",
    ),
    Rule(
        "a-revision-for-each-change",
        "The revision grows with each record that changes the event, never per transaction.",
        "An announcement and its amendment share a transaction.",
        "Two changes have one identity, with two contents.",
        wrapped(lifecycle, "begin", _revision_of_the_transaction),
        r"audit: record \S+ has \d contents",
    ),
    Rule(
        "told-again-byte-for-byte",
        "What is told again are the stored bytes, with the times of then.",
        "A worker dies between COMMIT and ack; its heir tells again.",
        "One id, two contents: the audit log takes it for a forgery.",
        wrapped(Fold, "finish", _told_as_of_now),
        r"audit: record \S+ has \d contents",
    ),
    Rule(
        "a-redelivery-tells-again",
        "A redelivered record publishes its own event's records again.",
        "A worker dies between COMMIT and ack.",
        "The records of what it decided are never told.",
        replaced((Fold, "repeat", lambda _self, _item: None)),
        r"audit: record \S+ is missing",
    ),
    Rule(
        "what-no-record-drives-is-kept",
        "What no unacknowledged record drives (a timed retry, a release from a queue) waits in `pending_publications`.",
        "A retry succeeds long after its record was acknowledged; the worker dies before it has told.",
        "Nothing is read again that would tell of it.",
        _not_kept(lambda item: _audit(item, of_a_rejection=False)),
        r"audit: record \S+ is missing",
    ),
    Rule(
        "a-failed-row-s-record-is-kept",
        "The record of a rejected announcement's row waits in `pending_publications`: no version remembers its revision.",
        "The announcement is mended in the same batch, and the worker dies before it has told.",
        "The redelivery finds the mended version, and the first revision is never told.",
        _not_kept(lambda item: _audit(item, of_a_rejection=True)),
        r"audit: record \S+ is missing",
    ),
    Rule(
        "letters-are-kept",
        "A letter waits in `pending_publications` until it is acknowledged.",
        "A worker dies between the COMMIT of a rejection and the letter's ack.",
        "The record was decided and is not decided again: the letter is lost.",
        _not_kept(_letters_of(TOPICS.dead_letters)),
        "verdicts: .* must be rejected and has no letter",
    ),
    Rule(
        "rejections-are-kept",
        "The audit record of a rejection waits in `pending_publications` until it is acknowledged.",
        "A worker dies between the COMMIT of a rejection and the ack.",
        "The auditors never learn of the rejection.",
        _not_kept(lambda item: item.topic == TOPICS.audit and AUDIT.decode(item.value).revision is None),
        r"audit: record \S+ is missing",
    ),
)
