"""What else a process has around it: its clock, its ids, the security master, the registry. Each answers as its port says, late or not at all where the seed says so."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from corpactions.domain.errors import Rejected, Unavailable
from corpactions.domain.identity import nth_id, time_ordered_id
from corpactions.domain.messages import Message
from corpactions.domain.securities import Lookup, LookupFailure, SecurityKey
from corpactions.serde.wire import id_of
from tests.simulation.scheduler import Process, Scheduler
from tests.support.announcing import AAPL, EVENTS, START
from tests.support.schema_source import EVENT_SCHEMA

LOOKUP_SECONDS = 5.0
REGISTRY_SECONDS = 2.0


class SimClock:
    """A process's clock: its wall clock may be wrong and step, its monotonic one never."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> datetime:
        self._process.point("clock.now")
        return START + timedelta(seconds=self._process.scheduler.now + self._process.clock_offset)

    def monotonic(self) -> float:
        self._process.point("clock.monotonic")
        return self._process.scheduler.now

    def sleep(self, seconds: float) -> None:
        self._process.point("clock.sleep")
        self._process.sleep(seconds)


class SimIds:
    """Ids and salts from the seed."""

    def __init__(self, process: Process, chance: random.Random) -> None:
        self._process = process
        self._chance = chance
        self._last = ""

    def event_id(self) -> str:
        return self.event_id_range(1)

    def event_id_range(self, count: int) -> str:
        fresh = time_ordered_id(1_790_000_000_000 + int(self._process.scheduler.now * 1000), self._chance.randbytes(10))
        first = fresh if fresh > self._last else nth_id(self._last, 1)
        self._last = nth_id(first, count - 1)
        return first

    def correlation_id(self) -> str:
        return random_uuid(self._chance)

    def salt(self) -> bytes:
        return self._chance.randbytes(16)

    def jitter(self) -> float:
        return self._chance.random()


def random_uuid(chance: random.Random) -> str:
    """A UUID's text from the seed."""
    text = f"{chance.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class SecurityService:
    """The security master's server, shared by all workers.

    It knows every symbol, except those ``unknown`` to it, those that are ``failing`` alone, and those that are ``poison``: any call that names one fails.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.down_until = 0.0
        self.unknown: set[str] = set()
        self.failing: set[str] = set()
        self.poison: set[str] = set()
        self.isins: dict[str, str] = {}
        self.asked = 0

    def heal(self) -> None:
        """From now on it answers for every symbol."""
        self.down_until = 0.0
        self.unknown.clear()
        self.failing.clear()
        self.poison.clear()


class SimSecurities:
    """One process's client; see ``ports.SecurityMaster``."""

    def __init__(self, service: SecurityService, process: Process) -> None:
        self._service = service
        self._process = process

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Lookup]:
        service, process = self._service, self._process
        process.point("securities.lookup")
        service.asked += 1
        if service.scheduler.now < service.down_until or process.happens("lookup-lost"):
            process.sleep(LOOKUP_SECONDS)
            raise Unavailable("security-master", "switched off by the simulation")
        if service.poison and any(key.symbol in service.poison for key in keys):
            service.scheduler.met["lookup-poisoned"] += 1
            raise Unavailable("security-master", "500")
        return {key: self._answer(key.symbol) for key in keys}

    def _answer(self, symbol: str) -> Lookup:
        service = self._service
        if symbol in service.failing and (not service.scheduler.rates or self._process.happens("lookup-failed")):
            return LookupFailure("the vendor has no answer")
        if symbol in service.unknown:
            return None
        return replace(AAPL, symbol=symbol, isin=service.isins.get(symbol))


class RegistryService:
    """The schema registry's server."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.down_until = 0.0


decode_message = lru_cache(maxsize=2_048)(EVENTS.decode)
"""A value is decoded once: workers that read it again, the judge and a replay get the same message, which nobody can change."""


class SimDecoder:
    """A process's event codec: the real one, behind a registry that must be asked once for every schema id but our own.

    The codec is shared by all simulated processes, since making one takes longer than a whole run; what one process has learnt is kept here.
    """

    def __init__(self, service: RegistryService, process: Process) -> None:
        self._service = service
        self._process = process
        self._learnt = {EVENT_SCHEMA}

    def decode(self, value: bytes | None) -> Message:
        if value is not None and len(value) >= 5 and value[0] == 0:
            schema_id, _ = id_of(value)
            if schema_id not in self._learnt:
                self._ask(schema_id)
        return decode_message(value)

    def _ask(self, schema_id: int) -> None:
        """Absence is not remembered, since it may end."""
        process, service = self._process, self._service
        process.point("registry.schema")
        if service.scheduler.now < service.down_until or process.happens("registry-lost"):
            process.sleep(REGISTRY_SECONDS)
            raise Unavailable("registry", "switched off by the simulation")
        service.scheduler.met["registry-asked"] += 1
        try:
            EVENTS.decode(b"\0" + schema_id.to_bytes(4, "big"))
        except Rejected as error:
            if error.code != "unknown_schema":
                self._learnt.add(schema_id)
