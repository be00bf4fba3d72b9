"""The whole product in one process: real gateway handlers and real workers on a simulated broker, database, registry, security master and network.

See the package's docstring for how to write a scenario.
"""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from consumers.lifecycle.fold import Workshop
from consumers.lifecycle.handler import LifecycleHandler
from consumers.lifecycle.inspection import Inspector
from consumers.lifecycle.letters import Topics
from consumers.lifecycle.securities import GuardedSecurities, RememberedSecurities
from corpactions.domain.change import Policy
from corpactions.domain.errors import Unavailable
from corpactions.domain.messages import Message, VersionRef
from corpactions.domain.state import EventState
from corpactions.kafka.worker import Worker, WorkerConfig
from corpactions.ports.records import Headers, Record
from gateway.handler import Handler, Ports
from gateway.problems import Refused
from tests.simulation.broker import Broker, SimEventPublisher, SimSender
from tests.simulation.database import Database
from tests.simulation.evidence import gather
from tests.simulation.group import Coordinator, SimSource
from tests.simulation.outside import RegistryService, SecurityService, SimClock, SimDecoder, SimIds, SimSecurities
from tests.simulation.reservations import SimEventReader, SimReservations, finish
from tests.simulation.scheduler import Process, Scheduler, Task
from tests.simulation.store import PROGRESS, Progress, SimLifecycleStore
from tests.support.announcing import AUDIT, EVENTS, SUMMARIES, TOPIC
from tests.support.judgement import Circumstances, Counts, findings

TOPICS = Topics("dlq", "audit", "summaries", "corporate-actions-lifecycle")
QUIET_SECONDS = 900.0
"""Virtual time in which everything must have come to rest once nothing goes wrong any more."""
LAST_WORDS_SECONDS = 5.0
"""How long the last transaction's publications may still be on their way when tables say that all is done."""
LOOK_EVERY = 20
"""Events between two looks whether all is done: looking costs more than an event."""


class Violation(AssertionError):
    """The product broke a promise. The message says which, one finding a line."""


@dataclass(frozen=True)
class Setting:
    """What a world is like before anything happens. Times are virtual seconds."""

    partitions: int = 3
    policy: Policy = field(default_factory=Policy)
    batch_records: int = 100
    session_seconds: float = 10.0
    eager: bool = False
    retry_base_seconds: float = 1.0
    switch_every: float = 0.0
    delay: float = 0.002


class SimWorker:
    """A lifecycle worker's process, with the parts a scenario may want to look at or to replace."""

    def __init__(self, world: World, name: str) -> None:
        setting = world.setting
        self.name = name
        self.process = process = Process(world.scheduler, name)
        self.stopping = False
        self.source = SimSource(world.broker, world.coordinator, process)
        self.sender = SimSender(world.broker, process)
        self.store = SimLifecycleStore(world.database, process, name)
        clock, ids = SimClock(process), SimIds(process, world.chance)
        workshop = Workshop(
            clock, ids, setting.policy, TOPICS, AUDIT.encode, lambda told: AUDIT.decode(told).recorded_at, setting.retry_base_seconds
        )
        self.securities = RememberedSecurities(GuardedSecurities(SimSecurities(world.securities, process)), clock)
        inspector = Inspector(SimDecoder(world.registry, process).decode, setting.partitions)
        self.handler = LifecycleHandler(self.store, inspector, self.securities, workshop, SUMMARIES.encode)
        self.worker = Worker(
            self.source, self.store, self.handler, self.sender, clock, WorkerConfig(TOPICS.summaries, setting.batch_records)
        )
        self.turns = 0
        self.task = process.start(self._main)

    def _main(self) -> None:
        self.worker.run(self._is_stopping)

    def _is_stopping(self) -> bool:
        self.turns += 1
        return self.stopping

    def stop(self) -> None:
        """SIGTERM: it drains and leaves."""
        self.stopping = True

    @property
    def running(self) -> bool:
        return not self.process.ended


class SimGateway:
    """A gateway's process: the real handler; each request is a thread of it."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.process = process = Process(world.scheduler, name)
        self.reservations = SimReservations(world.database, process)
        ports = Ports(
            self.reservations,
            SimEventReader(world.database, process),
            SimEventPublisher(world.broker, process),
            SimIds(process, world.chance),
            SimClock(process),
        )
        self.handler = Handler(ports)

    def ask(self, call: Callable[[Handler], Any], name: str = "request") -> Task:
        """Start a request, for example ``gateway.ask(lambda handler: handler.announce(caller, request, item))``; its task has ``result`` or ``error``."""
        return self.process.start(lambda: finish(call(self.handler)), name)


class World:
    """Everything there is. Calm by default: only what a scenario says goes wrong."""

    def __init__(self, seed: int = 0, setting: Setting | None = None) -> None:
        self.setting = setting or Setting()
        self.chance = random.Random(seed)
        self.scheduler = Scheduler(self.chance, self.setting.switch_every, self.setting.delay)
        self.broker = Broker(self.scheduler, self.setting.partitions)
        self.database = Database(self.scheduler)
        self.coordinator = Coordinator(self.broker, self.setting.session_seconds, eager=self.setting.eager)
        self.securities = SecurityService(self.scheduler)
        self.registry = RegistryService(self.scheduler)
        self.workers: list[SimWorker] = []
        self.gateways: list[SimGateway] = []
        self.acked: list[tuple[str, VersionRef]] = []
        """Versions whose senders were told that they are accepted."""
        self._started = 0
        self._desk = Process(self.scheduler, "desk")

    # Processes.

    def worker(self, name: str | None = None) -> SimWorker:
        """Start a worker; it joins the group and claims what it is given when the world runs."""
        self._started += 1
        made = SimWorker(self, name or f"worker-{self._started}")
        self.workers.append(made)
        return made

    def gateway(self, name: str | None = None) -> SimGateway:
        """Start a gateway."""
        self._started += 1
        made = SimGateway(self, name or f"gateway-{self._started}")
        self.gateways.append(made)
        return made

    def freeze(self, process: Process, seconds: float) -> None:
        """SIGSTOP a process; SIGCONT after so long. Its heartbeats stop with it."""
        process.freeze(seconds)
        self.coordinator.watch(process, seconds)

    def hold(self, process: Process, point: str, skip: int = 0) -> None:
        """Stop a process at its next visit of a point (after ``skip`` visits) until ``process.release()``. The group goes on to think that it is alive."""
        process.hold(point, skip)

    # Records.

    def write(self, *said: Message | bytes | None, headers: Headers = (), **place: Any) -> list[Record]:
        """An upstream system's records: messages keyed by their symbols, or raw values under ``key``; ``partition`` overrides what the key gives."""
        made = []
        for one in said:
            message = one if isinstance(one, Message) else None
            key = place.get("key", b"AAPL" if message is None else message.symbol.encode())
            value = EVENTS.encode(message) if message is not None else one
            assert not isinstance(value, Message), "a message has been encoded"
            made.append(self.broker.append(TOPIC, key, value, headers, place.get("partition")))
        return made

    # Time.

    def run(self, seconds: float) -> None:
        """Let the world go on for so long."""
        with silence():
            self.scheduler.run(self.scheduler.now + seconds)

    def run_until(self, condition: Callable[[], bool], seconds: float = 120.0, every: int = 1) -> None:
        """Let the world go on until something is the case, looking after ``every`` so many events. Raises AssertionError when it is not within ``seconds``."""
        with silence():
            there = self.scheduler.run(self.scheduler.now + seconds, condition, every)
        if not there:
            self._raise_if_crashed()
            raise AssertionError(f"not within {seconds:g} virtual seconds: {condition}")

    def run_until_held(self, process: Process, seconds: float = 120.0) -> None:
        """Let the world go on until a process stands at the point where it is to be held."""
        self.run_until(lambda: process.held_at is not None, seconds)

    # Looking.

    def state(self, event_id: str) -> EventState | None:
        """An event's committed row."""
        state: EventState | None = self.database.tables["events"].get(event_id)
        return state

    def status(self, event_id: str) -> str | None:
        """An event's status; None without a row."""
        state = self.state(event_id)
        return None if state is None else state.status

    def published(self, topic: str) -> list[Record]:
        """Everything on a topic (``TOPICS`` names them), partition by partition."""
        return [record for log in self.broker.log(topic) for record in log]

    def settled(self) -> bool:
        """Whether everything on the topic is decided, acknowledged and written down, and no symbol waits."""
        tables = self.database.tables
        return self.flowing() and not tables["parked_symbols"] and not any(tables["parked_events"].values())

    def flowing(self) -> bool:
        """Whether everything on the topic is decided, acknowledged and written down, whatever symbols wait."""
        tables = self.database.tables
        for number, log in enumerate(self.broker.log(TOPIC)):
            row = tables[PROGRESS].get(number)
            if row is None:
                if log:
                    return False
            elif not row.acked_offset == row.committed_offset == len(log):
                return False
        return not any(tables["pending_publications"].values())

    def resume_partitions(self) -> None:
        """``corpactions partitions resume`` for all that are paused: waits for whoever holds their rows, and gives up when the database says so."""
        for number, row in self.database.tables[PROGRESS].items():
            if row.paused:
                self._desk.start(partial(self._resume, number), "resume")

    def _resume(self, partition: int) -> None:
        session = self.database.connect(self._desk)
        try:
            self.database.lock(session, (PROGRESS, partition))
            row = self.database.get(session, PROGRESS, partition)
            self.database.put(session, PROGRESS, partition, row._replace(paused=False, recent=0))
            self.database.commit(session)
            self.scheduler.met["partition-resumed"] += 1
        finally:
            self.database.close(session)

    # The end.

    def calm(self, *, heal: bool = True) -> None:
        """From now on nothing goes wrong: everything answers (the security master for every symbol, unless it is not to ``heal``), every process works."""
        self.scheduler.calm()
        self.database.down_until = self.broker.down_until = self.registry.down_until = 0.0
        self.securities.down_until = 0.0
        if heal:
            self.securities.heal()
        processes = [worker.process for worker in self.workers] + [gateway.process for gateway in self.gateways]
        for process in processes:
            process.armed.clear()
            process.holds.clear()
            if process.frozen and not process.dead:
                process.release()
        if not any(worker.running and not worker.stopping for worker in self.workers):
            self.worker()

    def quiesce(self, seconds: float = QUIET_SECONDS) -> None:
        """Stop every fault and wait until nothing is left to do. Raises Violation when something stays stuck."""
        self.calm()
        try:
            self.run_until(self.settled, seconds, LOOK_EVERY)
        except AssertionError as error:
            raise Violation(f"stuck: {self.left_over()}") from error
        self.run(LAST_WORDS_SECONDS)

    def check(self, around: Circumstances | None = None) -> Counts:
        """Judge the settled world. Raises Violation with everything that is wrong."""
        self._raise_if_crashed()
        around = around or Circumstances()
        around.acked = [*around.acked, *self.acked]
        around.unstorable = {*around.unstorable, *self.database.refused}
        found, counts = findings(gather(self), around)
        if found:
            raise Violation(f"{len(found)} findings:\n  " + "\n  ".join(found[:15]))
        return counts

    def _raise_if_crashed(self) -> None:
        workers = [task for worker in self.workers for task in worker.process.tasks]
        requests = [task for gateway in self.gateways for task in gateway.process.tasks if not is_answer(task.error)]
        for task in [*workers, *requests]:
            if task.error is not None:
                trace = "".join(traceback.format_exception(task.error))
                raise Violation(f"crash: {task.process} ended with {task.error!r}\n{trace}")

    def left_over(self) -> str:
        tables = self.database.tables
        ends = [len(log) for log in self.broker.log(TOPIC)]
        rows = {number: tables[PROGRESS].get(number, Progress(0, "", 0, 0)) for number in range(len(ends))}
        behind = {
            number: (row.acked_offset, row.committed_offset, ends[number])
            for number, row in rows.items()
            if not row.acked_offset == row.committed_offset == ends[number]
        }
        parked = {symbol: (row.state, row.event_id) for symbol, row in tables["parked_symbols"].items()}
        return f"partitions (acked, committed, end) {behind}, parked {parked}, pending {tables['pending_publications']}"


def is_answer(error: BaseException | None) -> bool:
    """Whether an error of a request is an answer to its sender: a refusal, or a dependency that is away."""
    return isinstance(error, Refused | Unavailable)


@contextmanager
def silence() -> Iterator[None]:
    """The product's log lines cost more than the work they tell of."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
