"""Rounds of faults under load on one product, each judged by recomputing the outcome from the topic."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import MySQLdb

from corpactions.domain.errors import Unavailable
from corpactions.kafka.inspector import Inspector
from tests.chaos.clients import RestSender
from tests.chaos.desk import Desk
from tests.chaos.fleet import AUDITORS, Fleet
from tests.chaos.proxied import ProxiedStack
from tests.chaos.scene import Fault, Scene
from tests.chaos.script import DOWN, FLAKY, LATE, TROUBLED, Script
from tests.chaos.traffic import KafkaSender, Sender
from tests.support.audit_judgement import AuditCounts, judge_audit, settle_audit
from tests.support.auditing import Auditing, auditing
from tests.support.bank import Bank, bank
from tests.support.checker import judge
from tests.support.judgement import Acked, Counts
from tests.support.product import Process, Product, product

WORKERS, CLIENTS = 3, 3
RECOVERY_SECONDS = 150.0
"""The longest that a fault may hold everything up, on a machine that does other work as well."""
SETTLE_SECONDS = 180.0
OVERLAP = 0.3
"""How often the next fault strikes before the one before is over."""
_COMMIT_LOST = "COMMIT got no answer"
_AUDIT_SETTINGS = {"CA_AUDIT_BATCH_RECORDS": "25", "CA_AUDIT_CHECKPOINT_SECONDS": "0.5"}
"""Small batches, so that most of the time one is on its way while the one before is committed, and checkpoints all the time."""


class Stroke(NamedTuple):
    """One fault that struck: seconds that it lasted, and from its end until everything that was on the topic by then was decided (None: not waited for)."""

    fault: str
    lasted: float
    recovery: float | None


@dataclass(frozen=True)
class RoundReport:
    """A round that was found good. Counts are those of the whole product so far; ``parked`` is how many records waited when the faults ended."""

    number: int
    seed: int
    strokes: list[Stroke]
    accepted: int
    parked: int
    counts: Counts
    audit: AuditCounts
    seconds: float

    @property
    def slowest(self) -> Stroke | None:
        """The slowest recovery."""
        return max(
            (stroke for stroke in self.strokes if stroke.recovery is not None), key=lambda stroke: stroke.recovery or 0.0, default=None
        )

    def line(self) -> str:
        """All of it in one line."""
        slowest = self.slowest
        statuses = self.counts.statuses
        return (
            f"round {self.number} seed {self.seed} {self.seconds:.0f} s | {' '.join(stroke.fault for stroke in self.strokes)}"
            f" | accepted {self.accepted} applied {statuses.get('COMPLETED', 0) + statuses.get('CANCELLED', 0)}"
            f" rejected {self.counts.letters} parked {self.parked}"
            f" | audited {self.audit.entries} in {self.audit.batches} batches of {self.audit.epochs} epochs, {self.audit.copies} copies"
            f" | slowest recovery {f'{slowest.recovery:.1f} s ({slowest.fault})' if slowest else 'not measured'}"
        )


def deal(faults: Sequence[Fault], chance: random.Random) -> Iterator[Fault]:
    """Faults without end, in random order: everything that can be hit is hit once, then come the others, then all again."""
    while True:
        deck = chance.sample(faults, len(faults))
        first = {fault.hits: fault for fault in deck}
        yield from chance.sample(list(first.values()), len(first))
        yield from (fault for fault in deck if fault is not first[fault.hits])


class Campaign:
    """Rounds on one product, which accumulates; :func:`campaign` makes one."""

    def __init__(self, made: Product, audit: Auditing, stack: ProxiedStack, security_master: Bank, seed: int) -> None:
        self._made = made
        self._audit = audit
        self._stack = stack
        self._bank = security_master
        self._seed = seed
        self._fleet = Fleet(made, stack.ways, audit)
        self._inspector = Inspector(made.endpoints["kafka"])
        self._script = Script(made, random.Random(seed), failing=TROUBLED)
        self._acked: set[Acked] = set()

    def start(self) -> None:
        """Start every service."""
        self._fleet.start(WORKERS)

    def stop(self) -> None:
        """End every service in good order."""
        self._fleet.stop()

    def round(self, number: int, faults: Sequence[Fault]) -> RoundReport:
        """Break things in this order under load, let everything settle, and judge. Raises AssertionError with every finding."""
        began = time.monotonic()
        chance = random.Random(f"{self._seed}/{number}")
        self._bank.failing = dict.fromkeys(DOWN, -1) | {symbol: chance.randrange(1, 4) for symbol in FLAKY}
        self._bank.unknown = set(LATE)
        desk = Desk(self._made, random.Random(chance.random()))
        with self._senders(chance, desk):
            strokes = self._break(faults, chance)
        parked = self._made.sql("SELECT COUNT(*) FROM parked_events")[0][0]
        self._bank.failing = {}
        desk.release_all(SETTLE_SECONDS)
        self._made.settle(SETTLE_SECONDS)
        settle_audit(self._audit, SETTLE_SECONDS)
        counts = judge(self._made, acked=self._acked, failing=TROUBLED)
        audit = judge_audit(self._audit)
        assert len(self._fleet.auditors) == AUDITORS, f"an audit consumer has ended by itself:\n{self._audit.logs()}"
        return RoundReport(number, self._seed, strokes, len(self._acked), parked, counts, audit, time.monotonic() - began)

    def commits_unanswered(self) -> Counter[str]:
        """How often workers and audit consumers lost the answer to a COMMIT so far."""
        kinds = {"worker": self._made.workers, "audit": self._audit.consumers}
        return Counter({kind: sum(_text(process).count(_COMMIT_LOST) for process in processes) for kind, processes in kinds.items()})

    @contextmanager
    def _senders(self, chance: random.Random, desk: Desk) -> Iterator[None]:
        """Senders at work; what each was told is accepted is remembered."""
        urls = self._fleet.gateway_urls
        clients = [RestSender(urls, random.Random(chance.random()), self._script, f"client-{number}") for number in range(CLIENTS)]
        senders: list[Sender] = [KafkaSender(self._made, self._script), *clients, desk]
        for sender in senders:
            sender.start()
        try:
            yield
        finally:
            for sender in senders:
                sender.tell_to_finish()
        for sender in senders:
            sender.finish()
            self._acked |= sender.acked

    def _break(self, faults: Sequence[Fault], chance: random.Random) -> list[Stroke]:
        scene = Scene(self._fleet, self._stack, self._bank, chance)
        strokes: list[Stroke] = []
        for index, fault in enumerate(faults):
            if index == len(faults) // 2:
                self._bank.unknown = set()
            scene.pause(0.1, 0.6)
            began = time.monotonic()
            fault.strike(scene)
            lasted = time.monotonic() - began
            overlaps = chance.random() < OVERLAP
            strokes.append(Stroke(fault.name, lasted, None if overlaps else self._recovery()))
        return strokes

    def _recovery(self) -> float:
        """Seconds until everything that is on the topic now is decided."""
        began = time.monotonic()
        ends: dict[int, int] = {}

        def decided() -> bool:
            with suppress(Unavailable, MySQLdb.OperationalError):
                ends.update(ends or self._inspector.end_offsets(self._made.topic("events"), 5.0))
                rows = dict(self._made.sql("SELECT `partition`, committed_offset FROM partition_progress"))
                return all(rows.get(partition, 0) >= end for partition, end in ends.items())
            return False

        self._made.wait("what was on the topic is decided", decided, RECOVERY_SECONDS)
        return time.monotonic() - began


def _text(process: Process) -> str:
    return process.log_file.read_text(errors="replace")


@contextmanager
def campaign(stack: ProxiedStack, endpoints: Mapping[str, Any], folder: Path, seed: int) -> Iterator[Campaign]:
    """A product with everything running; its logs go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with bank() as security_master:
        settings = {"CA_SECURITY_MASTER_URL": security_master.url, "CA_UNKNOWN_SYMBOL": "retry"}
        with product(endpoints, folder, **settings) as made, auditing(made, **_AUDIT_SETTINGS) as audit:
            running = Campaign(made, audit, stack, security_master, seed)
            running.start()
            yield running
            running.stop()


def run(started: Campaign, rounds: range, faults: Iterator[Fault], each: int, tell: Callable[[RoundReport], None]) -> None:
    """Rounds with so many faults each; every report is handed on at once."""
    for number in rounds:
        tell(started.round(number, [next(faults) for _ in range(each)]))
