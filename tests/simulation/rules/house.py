"""A gateway's handler for scripted scenarios, on ports in memory that fail and die at will."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import orjson

from corpactions.domain.messages import Function, VersionRef
from corpactions.domain.terms import EventType
from corpactions.ports.events import EventView
from corpactions.ports.reservations import KeyedRequest, Reservation, Subject
from gateway import examples
from gateway.handler import Caller, Change, Handler, Ports, Precondition
from gateway.problems import Code, Refused
from gateway.validation import Announcement, Document, announcement
from tests.support.gateway_ports import Died, Fault, ManualClock, MemoryReservations, MemoryTopic, NumberedIds, OneEvent

LEASE = 10.0
ITEM: Announcement = announcement(Document(orjson.dumps(examples.SUBMISSIONS["dividend"])))
_CALLER = Caller("p", "gateway:p", "00000000-0000-4000-8000-000000000000")
_EVENT = "019a8a3e-5c00-7000-8000-00000000aaaa"


def request(number: int, body: int = 1) -> KeyedRequest:
    """A request under the test's n-th key; another ``body`` asks for something else."""
    return KeyedRequest("p", f"00000000-0000-4000-8000-{number:012x}", bytes([body]) * 32)


def event_view(symbol: str, ref: VersionRef, status: str = "COMPLETED") -> EventView:
    """An event as the gateway reads it."""
    subject = Subject(symbol, EventType.DIVIDEND, "US0378331005", "desk", "R-1")
    now = datetime(2026, 11, 10, tzinfo=UTC)
    return EventView(_EVENT, subject, ref, 1, status, None, None, None, (), 0, None, now, None, None, pending=False)


def amendment(precondition: Precondition | None = None) -> Change:
    """An amendment to the terms of ``ITEM``."""
    return Change(Function.REPL, "corrected", precondition, lambda _type: ITEM.terms)


class House:
    """A handler and everything around it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.reservations = MemoryReservations(self.clock, LEASE)
        self.topic = MemoryTopic()
        self.reader = OneEvent()
        self.handler = Handler(Ports(self.reservations, self.reader, self.topic, NumberedIds(), self.clock))

    def announce(self, fault: Fault = Fault.NONE, asked: KeyedRequest | None = None) -> Reservation | Code | None:
        """One attempt: what was accepted, why it was refused, or None when the process died in it."""
        self.reservations.fault = self.topic.fault = fault
        try:
            return asyncio.run(self.handler.announce(_CALLER, asked or request(1), ITEM))
        except Refused as refused:
            return refused.code
        except Died:
            return None

    def announce_many(self, items: list[Announcement | None], fault: Fault = Fault.NONE) -> Reservation | Code:
        """One attempt at a bulk request."""
        self.topic.fault = fault
        try:
            return asyncio.run(self.handler.announce_many(_CALLER, request(1), items))
        except Refused as refused:
            return refused.code

    def change(self, change: Change, asked: KeyedRequest) -> Reservation | Code:
        """One attempt at an amendment or a cancellation."""
        try:
            return asyncio.run(self.handler.change(_CALLER, asked, _EVENT, change))
        except Refused as refused:
            return refused.code

    def events(self) -> set[str]:
        """The ids of all events that were ever published."""
        return {message.event_id for message in self.topic.messages}
