"""The worker loop: consume, hand over, commit in the database, publish, and only then move on.

Invariants: a record is handed over only under a claim that was made after it could last have been fetched by somebody else; a transaction commits only after
everything published before is acked; nothing but a person's SIGTERM, or a Fatal error, ends the loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from corpactions.domain.breaker import Breaker
from corpactions.domain.errors import Fatal, Unavailable
from corpactions.kafka.in_flight import InFlight, Sender
from corpactions.ports import Clock
from corpactions.ports.handler import Handler, Result
from corpactions.ports.lifecycle import Claim, CommitUnknown, DataRefused, Fenced, LifecycleStore, RunAgain
from corpactions.ports.records import Publication, Record
from corpactions.ports.source import Source, Watermarks

_LOG: Final = logging.getLogger("corpactions.worker")
_IDLE_SECONDS: Final = 0.1
_COMPANY_SECONDS: Final = 1.0
"""How long a probe waits for records that have come since: a client that was paused must fetch anew."""
_RUN_AGAIN_LIMIT: Final = 10
"""Deadlocks in a row after which the trouble is treated as MySQL's, not as bad luck."""
_PAUSE_ADVICE: Final = "half of its last 1,000 records were rejected; mend the cause, then `corpactions partitions resume"


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The loop's sizes and rhythms; times in seconds."""

    summaries_topic: str
    batch_records: int = 1000
    due_every: float = 0.2
    commit_every: float = 1.0
    settle_every: float = 1.0
    resume_every: float = 2.0
    breaker_failures: int = 5
    breaker_window: float = 60.0


class Worker:
    """One member of the group; runs in one thread."""

    def __init__(self, source: Source, store: LifecycleStore, handler: Handler, sender: Sender, clock: Clock, config: WorkerConfig) -> None:
        self._source = source
        self._store = store
        self._handler = handler
        self._clock = clock
        self._config = config
        self._claims: dict[int, Claim] = {}
        self._unclaimed: set[int] = set()
        self._positions: dict[int, int] = {}
        self._held: list[Record] = []
        self._in_flight = InFlight(sender)
        self._hold_until: float | None = None
        self._breakers: dict[str, Breaker] = {}
        self._next: dict[str, float] = {}
        self._unsettled = False
        self._turned_at = clock.monotonic()
        self._callback_error: Fatal | None = None

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until told to stop, then drain: everything committed is published and acked, the start position is written, the group is left.

        Raises:
            Fatal: going on would risk the record.
        """
        self._source.subscribe(self)
        try:
            while not stopping():
                self.turn()
        finally:
            self._source.close()
        if self._callback_error is not None:
            raise self._callback_error

    def turn(self) -> None:
        """One turn of the loop; never longer than the dependencies' time-outs."""
        self._turned_at = self._clock.monotonic()
        if self._callback_error is not None:
            raise self._callback_error
        if self._hold_until is not None and self._clock.monotonic() < self._hold_until:
            self._take(self._source.consume(1, _IDLE_SECONDS))
            return
        self._fetch()
        self._guarded(self._round)

    def _fetch(self) -> None:
        """A new batch when the last one is done. A probe takes along what has come since: alone, a bad record looks like a dependency that is away."""
        room = self._config.batch_records - len(self._held)
        if self._hold_until is not None and room:
            self._source.resume(self._running())
            self._take(self._source.consume(room, _COMPANY_SECONDS))
        elif room and not self._held:
            self._take(self._source.consume(room, _IDLE_SECONDS))

    def _round(self) -> None:
        """Everything that is to be done now. While holding it is the probe: it fails again where it failed before, or all is well."""
        self._claim_missing()
        idle = not self._held
        if self._held:
            self._decide(list(self._held))
        if self._every("due", self._config.due_every):
            self._do_due()
        if idle or self._hold_until is not None:
            self._settle_idle()
        if self._paused_claims() and self._every("resume", self._config.resume_every):
            self._look_for_resumed()
        if self._claims and self._every("commit", self._config.commit_every):
            self._source.commit({claim.partition: claim.acked_offset for claim in self._claims.values()})

    def _settle_idle(self) -> None:
        """With nothing to decide, take in the acks that are out, and write down where the next owner would start."""
        if self._in_flight.waiting:
            self._in_flight.barrier()
            self._unsettled = True
        if self._unsettled and self._claims and self._every("settle", self._config.settle_every):
            self._committed(self._handler.settle([claim for _, claim in sorted(self._claims.items())], self._in_flight.barrier))
            self._unsettled = False

    def idle_seconds(self) -> float:
        """How long the present turn has taken: liveness watches it."""
        return self._clock.monotonic() - self._turned_at

    def health(self) -> dict[str, object]:
        """What health answers show: whether work goes on, and each dependency's circuit."""
        now = self._clock.monotonic()
        return {
            "ready": self._hold_until is None and not self._unclaimed,
            "partitions": sorted(self._claims),
            "paused": sorted(claim.partition for claim in self._paused_claims()),
            "circuits": {name: breaker.state(now) for name, breaker in self._breakers.items()},
        }

    # The listener: told from inside consume() and close().

    def assigned(self, partitions: Collection[int]) -> None:
        """Remember what to claim; the next turn does."""
        self._unclaimed.update(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        """Drain, write the last start position, and let go. If that fails, the next owner starts a little earlier and finds everything done."""
        try:
            self._settle(set(partitions))
        except Fatal as error:
            self._callback_error = error
        except Exception as error:  # noqa: BLE001 - a callback must not raise: librdkafka would drop fetched records; draining is an optimisation
            _LOG.warning("partitions %s given up without a last start position: %s", sorted(partitions), error)
        self._drop(partitions)

    def lost(self, partitions: Collection[int]) -> None:
        """Somebody else has them already: nothing more is written on their behalf."""
        _LOG.warning("partitions %s lost", sorted(partitions))
        self._drop(partitions)

    def _settle(self, partitions: set[int]) -> None:
        self._held = [record for record in self._held if record.partition not in partitions]
        claims = [claim for partition, claim in sorted(self._claims.items()) if partition in partitions]
        if claims:
            self._in_flight.barrier()
            self._committed(self._handler.settle(claims, self._in_flight.barrier))
            self._source.commit({claim.partition: claim.acked_offset for claim in claims})

    def _drop(self, partitions: Collection[int]) -> None:
        gone = set(partitions)
        self._unclaimed -= gone
        self._held = [record for record in self._held if record.partition not in gone]
        for partition in gone:
            self._claims.pop(partition, None)
            self._positions.pop(partition, None)

    # Claims.

    def _claim_missing(self) -> None:
        """Claim what was assigned, publish what the owner before may not have, and start reading where its acks ended."""
        if not self._unclaimed:
            return
        topic = self._source.topic
        ends = {partition: self._source.watermarks(partition) for partition in self._unclaimed}
        claims = self._store.claim(topic, {partition: marks.low for partition, marks in ends.items()})
        for claim in claims:
            self._check_position(claim, ends[claim.partition])
        for claim in claims:
            self._claims[claim.partition] = claim
            self._positions[claim.partition] = claim.acked_offset
            self._unclaimed.discard(claim.partition)
            self._in_flight.publish(self._left_behind(claim))
        self._source.start({claim.partition: claim.acked_offset for claim in claims})
        self._source.pause([claim.partition for claim in claims if claim.paused])
        _LOG.info("claimed %s", {claim.partition: f"epoch {claim.epoch} from {claim.acked_offset}" for claim in claims})

    def _check_position(self, claim: Claim, ends: Watermarks) -> None:
        """Whether the topic still holds what is next to be read. The owner before may have got further than ``ends`` while the claim waited for it."""
        low, high = ends if claim.acked_offset <= ends.high else self._source.watermarks(claim.partition)
        if not low <= claim.acked_offset <= high:
            raise Fatal(
                f"{claim.topic}-{claim.partition} holds offsets {low} to {high}, but {claim.acked_offset} is next to be read:"
                " the topic was cut or made anew; restore it, or decide with a replay what was lost"
            )

    def _left_behind(self, claim: Claim) -> list[Publication]:
        publications = list(claim.to_publish)
        if claim.summary is not None:
            publications.append(Publication(self._config.summaries_topic, str(claim.partition).encode(), claim.summary))
        return publications

    def _claim_again(self, reason: object) -> None:
        """Forget everything fetched and published under the old claims, and claim anew, which waits for the old transaction to end."""
        _LOG.warning("claiming %s again: %s", sorted(self._claims), reason)
        partitions = set(self._claims)
        self._source.stop(partitions)
        self._drop(partitions)
        self._in_flight.forget()
        self._unclaimed |= partitions

    def _fenced(self, error: Fenced) -> None:
        """Ours again if the group says so, given up if it says not. While it says nothing both would be wrong: what is given up is never assigned again."""
        try:
            member = self._source.is_member({claim.partition: claim.acked_offset for claim in self._claims.values()})
        except Unavailable as silent:
            self._hold(silent)
            return
        if member:
            self._claim_again(error)
        else:
            partitions = set(self._claims)
            _LOG.warning("giving up %s: %s", sorted(partitions), error)
            self._source.stop(partitions)
            self._drop(partitions)

    # Work.

    def _take(self, records: Sequence[Record]) -> None:
        """Keep what was fetched under a claim of ours and not before; the rest will be read again by whoever owns it."""
        for record in records:
            if record.offset >= self._positions.get(record.partition, record.offset + 1):
                self._held.append(record)
                self._positions[record.partition] = record.offset + 1

    def _decide(self, records: list[Record]) -> None:
        try:
            result = self._handler.handle(records, self._claims, self._in_flight.barrier)
        except DataRefused as error:
            if len(records) > 1:
                middle = len(records) // 2
                self._decide(records[:middle])
                self._decide(records[middle:])
                return
            result = self._handler.refuse(records[0], self._claims, self._in_flight.barrier, str(error))
        del self._held[: len(records)]
        self._committed(result)

    def _do_due(self) -> None:
        claims = [claim for _, claim in sorted(self._claims.items()) if not claim.paused]
        if claims and (result := self._handler.due(claims, self._in_flight.barrier)) is not None:
            self._committed(result)

    def _committed(self, result: Result) -> None:
        """The database has it: move the claims on and tell the world."""
        self._in_flight.committed()
        for advance in result.advances:
            claim = advance.claim
            claim.committed_offset = advance.committed_offset
            claim.reached = advance.reached
            claim.recent = advance.recent
            claim.summary_seq += advance.summary is not None
            if advance.pause:
                claim.paused = True
                self._source.pause([claim.partition])
                _LOG.error("partition %d of %s is paused: %s %d`", claim.partition, claim.topic, _PAUSE_ADVICE, claim.partition)
        self._in_flight.publish(result.publications, result.advances)

    # Trouble.

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run a step; what goes wrong decides whether it runs again, holds everything, or claims anew."""
        try:
            for _ in range(_RUN_AGAIN_LIMIT):
                try:
                    step()
                except RunAgain as error:
                    _LOG.info("transaction runs again: %s", error)
                else:
                    self._recovered()
                    return
            self._hold(Unavailable("mysql", f"{_RUN_AGAIN_LIMIT} deadlocks or lock time-outs in a row"))
        except Unavailable as error:
            self._hold(error)
        except Fenced as error:
            self._fenced(error)
        except CommitUnknown as error:
            self._claim_again(error)

    def _hold(self, error: Unavailable) -> None:
        """Pause everything and keep polling: no attempt is spent, and the group keeps us."""
        now = self._clock.monotonic()
        default = Breaker(self._config.breaker_failures, self._config.breaker_window)
        wait = self._breakers.setdefault(error.dependency, default).failed(now)
        self._hold_until = now + wait
        self._source.pause(list(self._claims))
        _LOG.warning("holding for %.1f s: %s", wait, error)

    def _recovered(self) -> None:
        if self._hold_until is None:
            return
        self._hold_until = None
        for breaker in self._breakers.values():
            breaker.succeeded()
        self._source.resume(self._running())
        _LOG.info("going on")

    def _running(self) -> list[int]:
        return [claim.partition for claim in self._claims.values() if not claim.paused]

    def _paused_claims(self) -> list[Claim]:
        return [claim for claim in self._claims.values() if claim.paused]

    def _look_for_resumed(self) -> None:
        for claim in self._store.resumed(self._paused_claims()):
            claim.paused = False
            claim.recent = 0
            self._source.resume([claim.partition])
            _LOG.info("partition %d resumed", claim.partition)

    def _every(self, name: str, seconds: float) -> bool:
        now = self._clock.monotonic()
        if now < self._next.get(name, 0.0):
            return False
        self._next[name] = now + seconds
        return True
