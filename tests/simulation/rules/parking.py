"""What waits for what: a symbol whose look-up fails is parked, and nobody else waits."""

from __future__ import annotations

from typing import Any

from consumers.lifecycle import handler as handling
from consumers.lifecycle.fold import DRAINING, Fold
from consumers.lifecycle.handler import LifecycleHandler
from consumers.lifecycle.inspection import Item
from corpactions.domain import processing
from corpactions.domain.change import Change, Circumstances
from corpactions.domain.errors import Retryable, Unavailable
from corpactions.domain.messages import Message
from corpactions.ports.lifecycle import Parked
from tests.simulation.rules.rule import Instead, Rule, replaced, wrapped


def _nobody_waits(decide: Any) -> Any:
    def decided(self: Fold, item: Item) -> None:
        parked = dict(self._parked)
        if item.message is not None and (waits := parked.get(item.message.symbol)) is not None and waits.event_id != item.message.event_id:
            del self._parked[item.message.symbol]
            decide(self, item)
            self._parked = parked | self._parked
        else:
            decide(self, item)

    return decided


def _holder_waits_too(decide: Any) -> Any:
    def decided(self: Fold, item: Item) -> None:
        message = item.message
        parked = None if message is None else self._parked.get(message.symbol)
        if message is None or parked is None or parked.event_id != message.event_id or self._repeats(item, message):
            decide(self, item)
        else:
            self._queue(message, item.record)

    return decided


def _draining_is_free(decide: Any) -> Any:
    def decided(self: Fold, item: Item) -> None:
        message = item.message
        parked = None if message is None else self._parked.get(message.symbol)
        if message is not None and parked is not None and parked.state == DRAINING:
            self._apply(item, message, pending=False)
        else:
            decide(self, item)

    return decided


def _at_once_free(self: Fold, parked: Parked) -> None:
    self._unpark(parked.symbol)


def _everybody_waits(work: Any) -> Any:
    def worked(*arguments: Any) -> Any:
        try:
            return work(*arguments)
        except Retryable as error:
            raise Unavailable("security-master", error.reason) from error

    return worked


def _third_failure_releases(failed_attempt: Any) -> Any:
    def failed(change: Change, error: Retryable, around: Circumstances) -> Change:
        made: Change = failed_attempt(change, error, around)
        if made.dead_letter:
            made.holds, made.releases = False, True
        return made

    return failed


def _newest_first(drain: Any) -> Any:
    def drained(self: LifecycleHandler, parked: Parked, portion: Any, fold: Fold, transaction: Any, facts: Any) -> None:
        backwards = Instead(transaction, queue=lambda *arguments: transaction.queue(*arguments)[::-1])
        drain(self, parked, portion, fold, backwards, facts)

    return drained


def _patient(around: Any) -> Any:
    def found(self: Fold, message: Message, *rest: Any) -> Circumstances:
        made: Circumstances = around(self, message, *rest)
        made.policy = made.policy._replace(max_attempts=1_000_000)
        return made

    return found


def _letter_of_the_decision(self: Fold, _change: Change, record: Any) -> Any:
    return record


def _no_second_try(failed_attempt: Any) -> Any:
    def failed(change: Change, error: Retryable, around: Circumstances) -> Change:
        around.policy = around.policy._replace(max_attempts=1)
        made: Change = failed_attempt(change, error, around)
        return made

    return failed


RULES = (
    Rule(
        "a-failed-look-up-parks-its-symbol",
        "A look-up that fails for one symbol parks it: the event that failed holds it, the others of the symbol join a queue.",
        "A split's look-up fails for a minute; the dividend behind it does not.",
        "The dividend overtakes the split.",
        wrapped(Fold, "_decide", _nobody_waits),
        "overtook the event that holds its symbol",
    ),
    Rule(
        "nobody-else-waits",
        "Every other symbol goes on while one waits.",
        "One symbol of the market has no answer.",
        "Everything stands still for it.",
        wrapped(processing, "_work", _everybody_waits),
        "waits for another symbol",
    ),
    Rule(
        "three-attempts",
        "A failed look-up is tried again, with exponential backoff.",
        "A vendor's answer is missing for some seconds.",
        "Every hiccup becomes a dead letter and a person's work.",
        wrapped(processing, "_failed_attempt", _no_second_try),
        "a hiccup became a dead letter",
    ),
    Rule(
        "attempts-end",
        "After the third attempt the event is FAILED, with a letter.",
        "A look-up never succeeds.",
        "It is tried for ever and no person learns of it.",
        wrapped(Fold, "_around", _patient),
        "no person was told",
    ),
    Rule(
        "a-failed-event-keeps-its-symbol",
        "The symbol of a FAILED event stays held until a person decides, or the event is amended or cancelled.",
        "A look-up fails for the third time, with others queued behind it.",
        "The queue overtakes it as if it had never been.",
        wrapped(processing, "_failed_attempt", _third_failure_releases),
        "overtook the event that holds its symbol",
    ),
    Rule(
        "identity-before-parking",
        "What was filed before is recognised before parking is asked.",
        "A source repeats itself while its symbol waits.",
        "Repetitions fill the queue, and a conflict is told only when the symbol is free again.",
        replaced((Fold, "_repeats", lambda _self, _item, _message: False)),
        "a repetition waits",
    ),
    Rule(
        "the-holder-s-own-records-go-first",
        "Records of the event that holds the symbol are applied at once.",
        "The event that holds the symbol is cancelled.",
        "The cancellation waits behind what only it can end.",
        wrapped(Fold, "_decide", _holder_waits_too),
        "progress: symbols still wait",
    ),
    Rule(
        "a-queue-keeps-its-order",
        "A queue is drained in the order of the topic.",
        "An announcement and its amendment wait together.",
        "The amendment comes first.",
        wrapped(LifecycleHandler, "_drain", _newest_first),
        "order: .* was changed in the order of offsets",
    ),
    Rule(
        "a-queue-is-emptied-before-its-symbol-is-free",
        "The symbol is free when its queue is empty, not when its holder is through.",
        "A retry succeeds while others wait.",
        "Nobody ever drains the queue.",
        replaced((Fold, "_settle_symbol", _at_once_free)),
        "progress: symbols still wait",
    ),
    Rule(
        "draining-is-not-free",
        "While its queue drains, new records of the symbol join the queue's end.",
        "An amendment arrives while its announcement still waits in the queue.",
        "The amendment overtakes its announcement.",
        wrapped(Fold, "_decide", _draining_is_free),
        "order: .* was changed in the order of offsets",
    ),
    Rule(
        "a-new-holder-takes-its-own-records",
        "A queued event that becomes the holder takes its own records out of the queue first.",
        "A queued event fails; its cancellation waits behind it in the same queue.",
        "It waits for itself.",
        replaced((LifecycleHandler, "_release_own", lambda *_: None)),
        "progress: symbols still wait",
    ),
    Rule(
        "all-of-its-own-records",
        "The new holder takes all of its queued records, however many.",
        "It has more of them than one transaction drains.",
        "Newer records of it are applied at once and overtake the rest.",
        replaced((handling, "OWN_RECORDS", 1)),
        "order: .* was changed in the order of offsets",
    ),
    Rule(
        "a-queue-drains-in-portions",
        "A queue is drained in bounded transactions.",
        "A symbol has waited for a weekend with thousands behind it.",
        "One transaction holds its locks until everything is through; the other symbols of the partition wait.",
        replaced((handling, "DRAIN_RECORDS", 1_000_000)),
        "records were released in one transaction",
    ),
    Rule(
        "a-failure-goes-back-to-its-announcement",
        "The letter of a version that a decision tried again carries the announcement, not the decision.",
        "REPROCESS fails once more.",
        "Whoever redrives the letter redrives a stale decision.",
        replaced((Fold, "_original", _letter_of_the_decision)),
        "is the letter of the decision",
    ),
)
