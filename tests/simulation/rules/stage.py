"""A stage for scripted scenarios: the real worker loop on a topic, a broker and a database in memory, with processes that the script moves turn by turn."""

from __future__ import annotations

from typing import Any

from consumers.lifecycle.handler import LifecycleHandler
from consumers.lifecycle.securities import GuardedSecurities, RememberedSecurities
from corpactions.domain.change import Policy
from corpactions.domain.messages import Message
from corpactions.ports.lifecycle import LifecycleStore
from corpactions.ports.records import Headers, Publication, Record
from tests.simulation.rules.stage_evidence import gather
from tests.support.announcing import newm, record
from tests.support.judgement import Circumstances, findings
from tests.support.lifecycle import Shop
from tests.support.memory_store import Tables
from tests.support.worker import Process, Topic

HOME = record(0, newm()).partition
"""AAPL's partition."""


class _Shop(Shop):
    """A shop whose every process has the same policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        super().__init__(policy)

    def new_handler(self, store: LifecycleStore, policy: Policy | None = None) -> LifecycleHandler:
        return super().new_handler(store, policy or self.policy)


class Stage:
    """A topic, a database and any number of worker processes; the first one, ``one``, holds all partitions."""

    def __init__(self, policy: Policy | None = None, *, owner: str | None = None, claimed: bool = True, guarded: bool = False) -> None:
        """``owner`` names every process alike; unless ``claimed``, the first process has its partitions only after its next turn; ``guarded`` puts the
        guard and the memory of the real process in front of the security master.
        """
        self.shop = _Shop(policy or Policy())
        self.topic = Topic()
        self.log: list[Publication] = []
        self._owner, self._guarded = owner, guarded
        self._started = 0
        self.one = self.start().join()
        if claimed:
            self.one.turns(1)

    @property
    def tables(self) -> Tables:
        """What is committed."""
        return self.shop.database.tables

    def start(self) -> Process:
        """One more process, which has joined nothing yet."""
        self._started += 1
        made = Process(self.shop, self.topic, self.log, self._owner or f"owner-{self._started}")
        if self._guarded:
            made.handler._inner._securities = RememberedSecurities(GuardedSecurities(self.shop.securities), self.shop.clock)  # type: ignore[attr-defined]
        return made

    def write(self, *said: Message | bytes | None, headers: Headers = (), **changes: Any) -> list[Record]:
        """Put messages on the topic, as their sender would; the records as they stand there."""
        made = []
        for one in said:
            self.topic.write(record(0, one, headers=headers, **changes))
            made.append(self.topic.partitions[record(0, one, **changes).partition][-1])
        return made

    def kill(self, process: Process, *, sent: int = 0) -> Process:
        """``kill -9``: of what the process has handed to its producer, the first ``sent`` still reach the broker. Its heir has everything after the next turn."""
        self.log.extend(process.sender.waiting[:sent])
        process.sender.waiting.clear()
        owned = set(process.source.owned)
        return self.start().join(*owned)

    def seize(self, process: Process) -> Process:
        """The group gives everything to another one, and the process does not know: it was stopped, or cut off."""
        owned = set(process.source.owned)
        process.source.owned.clear()
        process.source.member = False
        return self.start().join(*owned)

    def rest(self, process: Process | None = None, turns: int = 30) -> None:
        """No more faults: a process, or the heir of all, comes to rest."""
        self.shop.database.lose_commit = None
        self.shop.securities.away = False
        self.shop.securities.failing.clear()
        self.shop.securities.poison.clear()
        (process or self.start().join()).turns(turns, seconds=40)

    def check(self, **around: Any) -> None:
        """Compare everything with what the topic alone says, at rest; for what may be ``around`` see :class:`tests.support.judgement.Circumstances`."""
        found, _ = findings(gather(self.topic.partitions, self.log, self.tables), Circumstances(**around))
        assert not found, f"{len(found)} findings:\n  " + "\n  ".join(found)

    def statuses(self) -> dict[int, str]:
        """Each event's status, by the number that the test gave it."""
        return {int(event_id[-4:], 16): str(state.status) for event_id, state in sorted(self.tables.events.items())}
