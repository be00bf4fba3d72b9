"""When it fails: what is wrong with a record, with a dependency, or with a deployment."""

from __future__ import annotations

from typing import Any

from consumers.lifecycle import fold as folding
from consumers.lifecycle import handler as handling
from consumers.lifecycle import letters
from consumers.lifecycle.facts import Facts
from consumers.lifecycle.fold import Fold
from consumers.lifecycle.inspection import Inspector, Item
from consumers.lifecycle.securities import NOBODY, GuardedSecurities
from corpactions.domain import lifecycle
from corpactions.domain.audit.records import Action
from corpactions.domain.breaker import Breaker
from corpactions.domain.change import Change, Circumstances, begin, close
from corpactions.domain.errors import Rejected, Unavailable
from corpactions.domain.identity import content_sha256
from corpactions.domain.messages import Message
from corpactions.domain.securities import LookupFailure
from corpactions.domain.state import EventState, Status
from corpactions.kafka import worker as loop
from corpactions.kafka.worker import Worker
from corpactions.ports.lifecycle import DataRefused
from corpactions.ports.records import Publication, Record
from tests.simulation.rules.position import claims_become
from tests.simulation.rules.rule import Instead, Rule, replaced, wrapped


def _raise_it(inspect: Any) -> Any:
    def inspected(self: Inspector, record: Record) -> Item:
        item: Item = inspect(self, record)
        if item.error is not None:
            raise item.error
        return item

    return inspected


def _fails_its_event(apply: Any) -> Any:
    def applied(state: EventState | None, message: Message, around: Circumstances) -> Any:
        try:
            return apply(state, message, around)
        except Rejected as error:
            if state is None:
                raise
            change = begin(state, message, around)
            change.code, change.reason = error.code, error.reason
            change.dead_letter = True
            change.move(Status.FAILED, around.started_at)
            return close(change, Action.FAILED)

    return applied


def _leaves_no_row(accept: Any) -> Any:
    def accepted(self: Fold, change: Change, record: Record, *, pending: bool) -> None:
        if change.record is not None and change.record.action is Action.REJECTED:
            self._tally(record).rejected -= 1
            self._reject(Item(record, change.message, None), Rejected(change.code or "", change.reason or ""))
        else:
            accept(self, change, record, pending=pending)

    return accepted


def _holds_its_version(announcement: Any) -> Any:
    def made(message: Message, error: Rejected, around: Circumstances) -> Change:
        change: Change = announcement(message, error, around)
        change.state.current = lifecycle._file(message, content_sha256(message), 1, around)
        return change

    return made


def _refused_together(decide: Any) -> Any:
    def decided(self: Worker, records: list[Record]) -> None:
        def refuse(*arguments: Any) -> Any:
            try:
                return real.handle(*arguments)
            except DataRefused as error:
                for record in records[:-1]:
                    self._committed(real.refuse(record, *arguments[1:], str(error)))
                return real.refuse(records[-1], *arguments[1:], str(error))

        real: Any = self._handler
        handler: Any = Instead(real, handle=refuse)
        self._handler = handler
        try:
            decide(self, records)
        finally:
            self._handler = real

    return decided


class _NeverRaised(Exception):
    """Stands where an error was caught."""


def _away_is_a_failure(ask: Any) -> Any:
    def asked(self: Facts, keys: Any) -> None:
        wanted = list(keys)
        try:
            ask(self, wanted)
        except Unavailable as error:
            self._known.update(dict.fromkeys(wanted, LookupFailure(error.reason)))

    return asked


def _deaf_while_holding(turn: Any) -> Any:
    def turned(self: Worker) -> None:
        if self._hold_until is None or self._clock.monotonic() >= self._hold_until:
            turn(self)

    return turned


def _without_pausing(hold: Any) -> Any:
    def held(self: Worker, error: Unavailable) -> None:
        real = self._source
        source: Any = Instead(real, pause=lambda _partitions: None)
        self._source = source
        hold(self, error)
        self._source = real

    return held


def _alone(fetch: Any) -> Any:
    def fetched(self: Worker) -> None:
        if not self._held:
            fetch(self)

    return fetched


def _without_nobody(answers_another: Any) -> Any:
    def answered(self: GuardedSecurities, keys: Any) -> Any:
        def lookup(asked: Any) -> Any:
            if asked[0].symbol == NOBODY:
                raise Unavailable("security-master", "not asked")
            return real.lookup(asked)

        real = self._inner
        inner: Any = Instead(real, lookup=lookup)
        self._inner = inner
        try:
            return answers_another(self, keys)
        finally:
            self._inner = real

    return answered


def _letter(change: Any) -> Any:
    """Every letter is changed, with its original at hand."""

    def wrap(dead_letter: Any) -> Any:
        def made(record: Record, *rest: Any) -> Publication:
            letter: Publication = change(record, dead_letter(record, *rest))
            return letter

        return made

    return wrapped(folding, "dead_letter", wrap)


REJECTED = (
    Rule(
        "poison-is-set-aside",
        "A record that cannot be read goes to the dead letters, with the reason, and the next one is decided.",
        "One producer writes JSON.",
        "The process ends, and ends again at the same record, for ever.",
        wrapped(Inspector, "inspect", _raise_it),
        "^not_avro",
    ),
    Rule(
        "a-rejection-changes-no-row",
        "A rejected record never changes a row that is there.",
        "A wrong amendment of a completed event.",
        "The event is FAILED, although nothing is wrong with it.",
        wrapped(folding, "apply", _fails_its_event),
        "events: .* is FAILED, must be COMPLETED",
    ),
    Rule(
        "a-rejected-announcement-can-be-found",
        "A rejected announcement without a row makes a FAILED one.",
        "A sender asks for the id it was given.",
        "The answer is 404, as if it had never announced anything.",
        wrapped(Fold, "_accept", _leaves_no_row),
        "events: .* has messages and no row",
    ),
    Rule(
        "a-failed-row-holds-no-version",
        "The row of a rejected announcement holds no version; the next announcement is applied as the first.",
        "The sender mends the amount and announces again.",
        "The mended announcement conflicts with the wrong one and is rejected too.",
        wrapped(folding, "reject_announcement", _holds_its_version),
        "verdicts: .* must be filed and was rejected",
    ),
    Rule(
        "refused-data-is-bisected",
        "What MySQL refuses is narrowed down to the single record.",
        "One value in a batch of a thousand is too long.",
        "The nine hundred and ninety-nine others are rejected with it.",
        wrapped(Worker, "_decide", _refused_together),
        "verdicts: .* must be filed and was rejected",
    ),
    Rule(
        "deadlocks-run-again",
        "A deadlock or a lock wait time-out runs the transaction again.",
        "Two transactions meet in the wrong order.",
        "The process ends over bad luck.",
        replaced((loop, "RunAgain", _NeverRaised)),
        "1213",
    ),
)
UNAVAILABLE = (
    Rule(
        "an-outage-spends-no-attempt",
        "While a dependency is away, no attempt of any record is spent.",
        "The security master is away for ten minutes.",
        "Everything that came meanwhile is FAILED, and a person must reprocess it.",
        wrapped(Facts, "ask", _away_is_a_failure),
        "events: .* is FAILED, must be COMPLETED",
    ),
    Rule(
        "a-breaker-paces-the-probes",
        "A circuit breaker decides when a dependency that is away is asked again.",
        "The security master is away for ten minutes.",
        "It is asked thousands of times and cannot come back under the load.",
        replaced((Breaker, "failed", lambda _self, _now: 0.0)),
        "asked the service that is away",
    ),
    Rule(
        "polling-goes-on",
        "While the loop holds, it keeps polling.",
        "The group rebalances during an outage.",
        "Nobody answers the group: the new worker waits for its partitions until this one is thrown out.",
        wrapped(Worker, "turn", _deaf_while_holding),
        "did not hear the group",
    ),
    Rule(
        "held-partitions-are-paused",
        "While the loop holds, its partitions are paused.",
        "An outage under load.",
        "Polling fetches record after record into memory.",
        wrapped(Worker, "_hold", _without_pausing),
        "were fetched during the outage",
    ),
    Rule(
        "a-poisonous-symbol-is-isolated",
        "When a look-up fails again, parts of it are tried: a symbol that fails alone while another is answered is that symbol's own failure.",
        "The security master crashes on one symbol.",
        "The whole market waits for it.",
        replaced((GuardedSecurities, "_answers_another", lambda _self, _keys: False)),
        "waits for a symbol that breaks its look-up",
    ),
    Rule(
        "a-symbol-of-nobody-is-asked-for",
        "What fails alone is told from an outage by asking for a symbol that nobody has.",
        "The symbol that breaks its look-up comes first, and nothing comes after it.",
        "It looks like an outage for ever: it is never retried, no person is told, and the worker says that it is not ready.",
        wrapped(GuardedSecurities, "_answers_another", _without_nobody),
        "is taken for an outage",
    ),
    Rule(
        "a-probe-waits-for-company",
        "A probe takes along what has come since.",
        "The symbol that breaks its look-up comes first, to a service that fails for symbols it does not know.",
        "Alone it looks like a service that is away, and everything behind it waits.",
        wrapped(Worker, "_fetch", _alone),
        "waits for a symbol that breaks its look-up",
    ),
)
FLOODS = (
    Rule(
        "half-rejected-pauses",
        "When 500 of a partition's last 1,000 records were rejected, it pauses until a person resumes it.",
        "A deployment cannot read what the one before wrote.",
        "The topic empties into the dead letters.",
        replaced((handling, "REJECTED_LIMIT", 1_000_000)),
        "went to the dead letters",
    ),
    Rule(
        "redrives-do-not-count",
        "Redriven records do not count for the share of rejections.",
        "Somebody redrives five hundred letters too early.",
        "The live traffic of the partition stops.",
        replaced((Item, "counts", True)),
        "paused by redrives",
    ),
    Rule(
        "rejections-are-counted-across-restarts",
        "The count of rejections is kept with the partition's progress.",
        "A bad deployment that also crashes.",
        "Every restart counts from nothing, and the topic empties into the dead letters after all.",
        claims_become(lambda _, claim: setattr(claim, "recent", 0)),
        "a restart forgot the rejections",
    ),
    Rule(
        "paused-is-paused-for-every-owner",
        "A paused partition stays paused for its next owner.",
        "The paused worker is restarted.",
        "The restart resumes what only a person may resume.",
        claims_become(lambda _, claim: setattr(claim, "paused", False)),
        "went to the dead letters",
    ),
)
LETTERS = (
    Rule(
        "letters-carry-the-original",
        "A letter carries the original key, value and headers byte for byte.",
        "A letter is redriven.",
        "What comes back is another record: its trace, its signature are gone.",
        _letter(lambda record, letter: letter._replace(headers=letter.headers[len(record.headers) :])),
        "letters: .* does not carry the original bytes",
    ),
    Rule(
        "letters-keep-the-partition",
        "A letter goes to the dead-letter topic's partition of the original's number.",
        "A record under a wrong key, or none, is rejected.",
        "Letters of one partition are spread over all, and their order is lost.",
        _letter(lambda _record, letter: letter._replace(partition=None)),
        "letters: .* is in partition",
    ),
    Rule(
        "letters-name-their-failure",
        "A letter's identity is its original's position and the event's revision at the failure, 0 for a rejection.",
        "A look-up fails for good; the record was accepted, its version is filed.",
        "The letter reads as if the record had been rejected, and a second failure of it as a copy of the first.",
        wrapped(folding, "dead_letter", lambda made: lambda record, code, reason, _, topics: made(record, code, reason, 0, topics)),
        "verdicts: .* must be filed and was rejected",
    ),
    Rule(
        "letters-leave-out-what-no-topic-carries",
        "A letter leaves the bytes of an oversized record out and names their place.",
        "A few compressed kilobytes hold megabytes.",
        "No topic takes the letter: the process ends, and ends again, for ever.",
        replaced((letters, "_portable", lambda record: record)),
        "larger than its topic takes",
    ),
    Rule(
        "error-texts-are-bounded",
        "Error texts are cut.",
        "A dependency answers with a page of HTML as its error.",
        "The letter's headers outgrow the headroom of its topic, and the process ends over it, for ever.",
        replaced((letters, "REASON_CHARACTERS", 1_000_000_000)),
        "bytes of headers",
    ),
)
