"""Start position and fence: where a partition's new owner begins, and how the old one is stopped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from consumers.lifecycle.handler import LifecycleHandler
from corpactions.domain.errors import Unavailable
from corpactions.kafka.in_flight import InFlight
from corpactions.kafka.source import SourceConfig
from corpactions.kafka.worker import Worker
from corpactions.persistence.lifecycle import MysqlLifecycleStore
from corpactions.ports.lifecycle import Claim, CommitUnknown, Fenced, RunAgain
from corpactions.ports.records import Record
from tests.simulation.database import Session
from tests.simulation.rules.rule import Instead, Rule, Switch, replaced, together, wrapped
from tests.simulation.store import PROGRESS, SimLifecycleStore
from tests.support.memory_store import MemoryLifecycleStore, MemoryTransaction


def claims_become(change: Callable[[Worker, Claim], None]) -> Switch:
    """Every claim that the store gives is changed before the loop sees it."""

    def wrap(claim_missing: Any) -> Any:
        def claimed(self: Worker) -> None:
            real = self._store

            def claim(topic: str, earliest: dict[int, int]) -> list[Claim]:
                made = real.claim(topic, earliest)
                for one in made:
                    change(self, one)
                return made

            store: Any = Instead(real, claim=claim)
            self._store = store
            try:
                claim_missing(self)
            finally:
                self._store = real

        return claimed

    return wrapped(Worker, "_claim_missing", wrap)


def _move(claim: Claim, offset: int) -> None:
    claim.acked_offset = claim.reached = offset


def _to_the_group_s_offset(worker: Worker, claim: Claim) -> None:
    committed: dict[int, int] = getattr(worker._source, "committed", {})
    _move(claim, committed.get(claim.partition, claim.acked_offset))


def _to_the_end_when_new(worker: Worker, claim: Claim) -> None:
    if claim.epoch == 1:
        end = worker._source.watermarks(claim.partition).high
        claim.committed_offset = end
        _move(claim, end)


def _into_what_is_there(worker: Worker, claim: Claim) -> None:
    low, high = worker._source.watermarks(claim.partition)
    _move(claim, min(max(claim.acked_offset, low), high))


def _moves_to_the_earliest(settings: Any) -> Any:
    return lambda self: {**settings(self), "auto.offset.reset": "earliest"}


def _keep_all(self: Worker, records: Sequence[Record]) -> None:
    for record in records:
        if record.partition in self._claims:
            self._held.append(record)
            self._positions[record.partition] = record.offset + 1


def _fence(holds: Callable[[Any, Claim, str], bool]) -> Switch:
    """Another fence in the scripted world's database, and in the simulated one."""

    @contextmanager
    def transaction(self: MemoryLifecycleStore, claims: Sequence[Claim]) -> Iterator[MemoryTransaction]:
        tables = self._database.tables.copied()
        if not all(holds(tables.progress[claim.partition], claim, self._owner) for claim in claims):
            with real(self, claims):
                raise AssertionError("the real fence holds too")
        yield MemoryTransaction(self._database, tables)

    def fence(self: SimLifecycleStore, session: Session, claims: Sequence[Claim]) -> None:
        database = self._database
        database.statement(session, "db.fence")
        for claim in sorted(claims, key=lambda item: item.partition):
            database.lock(session, (PROGRESS, claim.partition))
            if not holds(database.get(session, PROGRESS, claim.partition), claim, self._owner):
                raise Fenced("the other fence holds too")
        self._process.point("db.fenced")

    real = MemoryLifecycleStore.transaction
    return replaced((MemoryLifecycleStore, "transaction", transaction), (SimLifecycleStore, "_fence", fence))


def _let_go(self: Worker) -> None:
    partitions = set(self._claims)
    self._source.stop(partitions)
    self._drop(partitions)


def _silence_is_no(fenced: Any) -> Any:
    def lets_go(self: Worker, error: Exception) -> None:
        try:
            self._source.is_member({})
        except Unavailable:
            _let_go(self)
        else:
            fenced(self, error)

    return lets_go


def _unanswered(commit: Callable[[Any], None]) -> Switch:
    """Another way to commit, for all that the handler does."""

    def wrap(finish: Any) -> Any:
        def done(self: LifecycleHandler, transaction: Any, *rest: Any) -> Any:
            return finish(self, Instead(transaction, commit=lambda: commit(transaction)), *rest)

        return done

    return wrapped(LifecycleHandler, "_commit", wrap)


def _as_a_failure(transaction: Any) -> None:
    try:
        transaction.commit()
    except CommitUnknown as error:
        raise RunAgain("taken for undone") from error


def _as_a_success(transaction: Any) -> None:
    try:
        transaction.commit()
    except CommitUnknown:
        return


def _position_of_its_own(finish: Any) -> Any:
    def done(self: LifecycleHandler, transaction: Any, fold: Any, advances: Any, barrier: Any) -> Any:
        for advance in advances:
            advance.claim.acked_offset = advance.reached
        return finish(self, transaction, fold, advances, barrier)

    return done


def _without_waiting(self: InFlight) -> list[int]:
    self._send_unsent()
    return []


def _unacked_is_acked(barrier: Any) -> Any:
    def waited(self: InFlight) -> Any:
        try:
            return barrier(self)
        except Unavailable:
            self._publications.clear()
            return barrier(self)

    return waited


def _follows_the_commit(barrier: Any) -> Any:
    def waited(self: InFlight) -> Any:
        for advance in self._advances:
            advance.reached = advance.committed_offset
        return barrier(self)

    return waited


def _revoked_may_raise(self: Worker, partitions: Collection[int]) -> None:
    self._settle(set(partitions))
    self._drop(partitions)


def _drop_keeps_records(drop: Any) -> Any:
    def dropped(self: Worker, partitions: Collection[int]) -> None:
        kept = list(self._held)
        drop(self, partitions)
        self._held = kept

    return dropped


def _forget_left_behind(name: str, nothing: Any) -> Switch:
    return claims_become(lambda _, claim: setattr(claim, name, nothing))


RULES = (
    Rule(
        "start-at-acked",
        "A new owner reads from `acked_offset`, not from `committed_offset`.",
        "A worker commits, and dies before its audit records have left.",
        "The records of what it decided are never told.",
        claims_become(lambda _, claim: _move(claim, claim.committed_offset)),
        r"audit: record \S+ is missing",
    ),
    Rule(
        "start-from-mysql",
        "The start position comes from MySQL alone; the group's offsets in Kafka only show lag.",
        "Somebody resets the group's offsets to the end, or they expire.",
        "Records are skipped for ever.",
        claims_become(_to_the_group_s_offset),
        r"verdicts: .*version gateway\.1 of \S+ is not filed",
    ),
    Rule(
        "start-at-the-earliest",
        "A partition without a row is read from its earliest record.",
        "Upstreams write before the first worker has ever started.",
        "What was written until then is never applied.",
        claims_become(_to_the_end_when_new),
        r"verdicts: .*version gateway\.1 of \S+ is not filed",
    ),
    Rule(
        "a-lost-position-is-fatal",
        "A start position that the topic no longer holds stops the process.",
        "Retention or a restored backup cuts the topic behind the start position.",
        "The worker goes on behind the hole and nobody learns of it.",
        together(claims_become(_into_what_is_there), wrapped(SourceConfig, "settings", _moves_to_the_earliest)),
        "it went on",
    ),
    Rule(
        "fetched-is-filtered",
        "What was fetched counts only at the position that its claim expects; everything older was fetched before.",
        "A fetch straddles a rebalance, and a record comes out of the client twice.",
        "It is decided twice within one transaction.",
        replaced((Worker, "_take", _keep_all)),
        r"summaries: they count \{\S+ 2.* records",
    ),
    Rule(
        "fenced",
        "A transaction begins with its claims' rows, and ends there when another worker has claimed since.",
        "A worker is stopped for a minute; another takes over; the first one goes on where it was.",
        "Both write the same partition: counts and summaries of one overwrite the other's.",
        together(_fence(lambda _row, _claim, _owner: True), replaced((MysqlLifecycleStore, "_fence", lambda *_: None))),
        r"summaries: summary \S+ has copies that differ",
    ),
    Rule(
        "fenced-by-epoch",
        "The fence compares the epoch, not the owner's name alone.",
        "Two processes carry the same name, since a deployment gave it to both.",
        "The stopped one passes for the one that took over.",
        _fence(lambda row, _claim, owner: bool(row.owner == owner)),
        r"summaries: summary \S+ has copies that differ",
    ),
    Rule(
        "a-stranger-lets-go",
        "A fenced worker that the group no longer knows gives its partitions up.",
        "A worker comes back after its session ended.",
        "It claims again, fences the rightful owner, which claims again: neither gets on.",
        replaced((Worker, "_fenced", Worker._claim_again)),
        "claimed over and over",
    ),
    Rule(
        "a-member-claims-again",
        "A fenced worker that the group still knows claims again.",
        "A worker that was long given up claims once more on its way out.",
        "The rightful owner lets go, the group never assigns the partition again: it stands still.",
        replaced((Worker, "_fenced", lambda self, _error: _let_go(self))),
        r"progress: .* ends at 1; decided up to 0",
    ),
    Rule(
        "silence-is-no-answer",
        "While the group does not say whether it knows a fenced worker, the worker holds and asks again.",
        "The group's coordinator is away when the fence fails.",
        "What is given up is never assigned again: the partition stands still.",
        wrapped(Worker, "_fenced", _silence_is_no),
        r"progress: .* ends at 1; decided up to 0",
    ),
    Rule(
        "an-unanswered-commit-is-not-undone",
        "A COMMIT without an answer is a takeover: claim anew and look, do not run it again.",
        "The connection breaks after MySQL has committed.",
        "The records are decided twice; the summary of the first time is overwritten untold.",
        _unanswered(_as_a_failure),
        r"summaries: summary \S+ is missing",
    ),
    Rule(
        "an-unanswered-commit-is-not-done",
        "A COMMIT without an answer is a takeover: claim anew and look, do not go on.",
        "The connection breaks before MySQL has committed.",
        "The records are passed over and never applied.",
        _unanswered(_as_a_success),
        r"verdicts: .* is not filed",
    ),
    Rule(
        "a-claim-publishes-what-was-pending",
        "A claim of any kind publishes first what it finds in `pending_publications`.",
        "A worker rejects a record, commits, and dies before the letter has left.",
        "The letter is never seen.",
        _forget_left_behind("to_publish", []),
        r"verdicts: .* must be rejected and has no letter",
    ),
    Rule(
        "a-claim-publishes-the-summary",
        "A claim of any kind publishes the stored summary.",
        "A worker commits, and dies before the summary has left.",
        "The counts on the dashboard stay wrong.",
        _forget_left_behind("summary", None),
        r"summaries: summary \S+ is missing",
    ),
    Rule(
        "a-claim-s-own-progress",
        "After a takeover the start position follows what was published again, not what the owner before committed.",
        "The heir dies as well, in the middle of publishing again.",
        "The second heir starts behind records that nobody told of.",
        wrapped(InFlight, "barrier", _follows_the_commit),
        r"audit: record \S+ is missing",
    ),
    Rule(
        "a-position-is-proved",
        "A transaction writes the start position that acks have proved, not the one that it reaches itself.",
        "A worker dies between its COMMIT and the acks.",
        "Nobody reads again what it decided, so its audit records are never told.",
        wrapped(LifecycleHandler, "_commit", _position_of_its_own),
        r"audit: record \S+ is missing",
    ),
    Rule(
        "commit-waits-for-acks",
        "The next transaction commits only when everything published by the one before is acknowledged.",
        "Two transactions commit, then the worker dies before either has left.",
        "The summary kept for the first is overwritten by the second's and lost.",
        replaced((InFlight, "barrier", _without_waiting)),
        r"summaries: summary \S+ is missing",
    ),
    Rule(
        "unacked-is-sent-again",
        "What was not acknowledged is sent again, all of it, before anything else is committed.",
        "The broker takes part of a batch and stops answering.",
        "The rest is never told.",
        wrapped(InFlight, "barrier", _unacked_is_acked),
        r"audit: record \S+ is missing",
    ),
    Rule(
        "a-drain-writes-the-last-position",
        "A worker that gives partitions up waits for its acks and writes the last start position.",
        "A deployment replaces the workers one by one.",
        "Each heir publishes again everything since the last idle moment.",
        replaced((Worker, "revoked", Worker._drop)),
        "was told 2 times",
    ),
    Rule(
        "callbacks-never-raise",
        "Trouble while draining stays inside the rebalance callback.",
        "MySQL is away when partitions are revoked.",
        "The error leaves the callback, the client drops fetched records, the process ends.",
        replaced((Worker, "revoked", _revoked_may_raise)),
        r"mysql is unavailable",
    ),
    Rule(
        "records-go-with-their-partition",
        "Records in hand of a partition that was given up are dropped; its next owner reads them.",
        "Partitions are revoked while a batch waits for a dependency.",
        "The batch is decided without a claim, or under another's.",
        wrapped(Worker, "_drop", _drop_keeps_records),
        "in hand of partitions that are not its own",
    ),
)
