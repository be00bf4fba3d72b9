"""Senders of REST requests: each request is pursued under one idempotency key until it is answered for good, through 503s, dead gateways and lost connections."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from corpactions.domain.identity import id_range
from corpactions.domain.messages import GATEWAY_ORIGIN, Message, VersionRef
from corpactions.ports.records import Record
from corpactions.ports.reservations import KeyedRequest, Reservation
from gateway.handler import Caller, Handler
from gateway.problems import Code, Refused
from tests.simulation.outside import random_uuid
from tests.simulation.reservations import finish
from tests.simulation.scheduler import Process, Task

if TYPE_CHECKING:
    from tests.simulation.world import SimGateway, World

PATIENCE: Final = 20.0
"""Seconds after which a sender takes an unanswered request for lost and repeats it."""
RETRY_SECONDS: Final = 1.0
_AGAIN: Final = {Code.OUTCOME_UNKNOWN, Code.REQUEST_IN_PROGRESS, Code.EVENT_NOT_READY}
Call = Callable[[Handler, Caller, KeyedRequest], Coroutine[Any, Any, Reservation]]


@dataclass
class Ask:
    """One request, however often it is sent: for ``size`` events, before the sender gives up for now after ``attempts``."""

    request: KeyedRequest
    correlation_id: str
    call: Call
    size: int
    attempts: int
    accepted: list[tuple[str, int]] = field(default_factory=list)
    """Every answer that said that it is accepted: first event id, version."""
    refused: Code | None = None

    @property
    def settled(self) -> bool:
        return bool(self.accepted) or self.refused is not None


class Clients:
    """All senders; they never die."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._process = Process(world.scheduler, "clients")
        self.asks: list[Ask] = []
        self._pursued: set[int] = set()

    def ask(self, key: str, body: str, call: Call, *, size: int = 1, attempts: int = 5) -> Ask:
        """Send a request, and again while it must be. Its correlation id is its own, so that what it put on the topic can be told."""
        request = KeyedRequest("client", key, hashlib.sha256(body.encode()).digest())
        ask = Ask(request, random_uuid(self._world.chance), call, size, attempts)
        self.asks.append(ask)
        self._start(ask)
        return ask

    def insist(self) -> None:
        """Whoever gave up tries again, and nobody gives up any more."""
        for ask in self.asks:
            ask.attempts = 1_000_000
            if not ask.settled:
                self._start(ask)

    @property
    def done(self) -> bool:
        """Whether every request was answered for good."""
        return all(ask.settled for ask in self.asks)

    def _start(self, ask: Ask) -> None:
        if id(ask) not in self._pursued:
            self._pursued.add(id(ask))
            self._process.start(lambda: self._pursue(ask), "client")

    def _pursue(self, ask: Ask) -> None:
        while ask.attempts > 0 and not ask.settled:
            ask.attempts -= 1
            self._try(ask)
            if not ask.settled:
                self._process.sleep(RETRY_SECONDS)
        self._pursued.discard(id(ask))

    def _try(self, ask: Ask) -> None:
        running = [gateway for gateway in self._world.gateways if not gateway.process.dead]
        if not running:
            return
        gateway = self._world.chance.choice(running)
        task = self._send(gateway, ask)
        self._process.wait([], PATIENCE)
        if task.result is not None:
            held: Reservation = task.result
            self._accept(ask, held.event_id, held.version)
        elif isinstance(task.error, Refused):
            self._take(ask, task.error)

    def _send(self, gateway: SimGateway, ask: Ask) -> Task:
        me = self._world.scheduler.current
        assert me is not None, "a sender is a thread of the simulation"

        def serve() -> Reservation:
            try:
                return finish(ask.call(gateway.handler, Caller("client", "gateway:client", ask.correlation_id), ask.request))
            finally:
                self._world.scheduler.wake(me)

        return gateway.process.start(serve, "request")

    def _take(self, ask: Ask, refused: Refused) -> None:
        if refused.code is Code.DUPLICATE_REQUEST:
            self._accept(ask, str(refused.extra["event_id"]), int(str(refused.extra["version"])))
        elif refused.code not in _AGAIN:
            ask.refused = refused.code

    def _accept(self, ask: Ask, event_id: str, version: int) -> None:
        ask.accepted.append((event_id, version))
        self._world.acked += [(one, VersionRef(GATEWAY_ORIGIN, version)) for one in id_range(event_id, ask.size)]

    def findings(self, topic: list[Record], decode: Callable[[bytes | None], Message]) -> Iterator[str]:
        """Where one key stands for more than one event, or two keys for the same."""
        by_key: dict[str, set[tuple[str, int]]] = {}
        for ask in self.asks:
            by_key.setdefault(ask.request.key, set()).update(ask.accepted)
        for key, answers in by_key.items():
            if len(answers) > 1:
                yield f"one_key: {key} was answered with {sorted(answers)}"
        named = [answer for answers in by_key.values() for answer in answers]
        if len(set(named)) != len(named):
            yield "one_key: two keys were answered with the same version of the same event"
        yield from self._on_the_topic(topic, decode)

    def _on_the_topic(self, topic: list[Record], decode: Callable[[bytes | None], Message]) -> Iterator[str]:
        said: dict[str, set[tuple[str, int]]] = {}
        for record in topic:
            if record.headers and record.headers[0][0] == "ca-correlation-id":
                message = decode(record.value)
                said.setdefault(message.correlation_id, set()).add((message.event_id, message.version))
        by_correlation = {ask.correlation_id: ask for ask in self.asks}
        for correlation_id, versions in said.items():
            ask = by_correlation.get(correlation_id)
            if ask is not None and len(versions) > ask.size:
                yield f"one_key: the request {ask.request.key} is on the topic as {sorted(versions)}"
