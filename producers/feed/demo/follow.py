"""Waiting for the ends: events as the gateway shows them, letters as they stand in the dead-letter topic. Both waits are bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from corpactions.commands.gateway_client import GatewayClient, Json, Refused
from corpactions.kafka.reader import TopicReader
from corpactions.ports import Clock
from producers.feed.demo.expectations import FAILED, Expectation
from producers.feed.demo.poison import Poison

PAUSE_SECONDS: Final = 0.2
PAGE: Final = 500
MOST_PAGES: Final = 20
"""Pages read at a time: a stack on which much else happens is read event by event."""
CLOCK_SKEW: Final = timedelta(seconds=5)
"""By how much the gateway's clock may be behind ours."""
_SLICE_SECONDS: Final = 0.5


class Letter(NamedTuple):
    """A dead letter that was waited for: what it was, and what its headers say."""

    what: str
    expected_code: str
    code: str
    reason: str


class Follower:
    """Reads events until they have come to their end.

    Lists are read first, those of this demonstration before all others, since a page tells of 500 events at once; what no list shows is read one by one.

    Args:
        gateway: where events are read.
        clock: measures the wait.
        since: from when on lists are read.
    """

    def __init__(self, gateway: GatewayClient, clock: Clock, since: datetime) -> None:
        self._gateway = gateway
        self._clock = clock
        self._since = (since - CLOCK_SKEW).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def follow(self, expectations: Sequence[Expectation], seconds: float, tell: Callable[[int], None]) -> dict[str, Json]:
        """Each event as last seen, when all have come to their end or have failed, or the time is over.

        An event that the gateway does not know is not among them. ``tell`` is told how many have come to an end.
        """
        deadline = self._clock.monotonic() + seconds
        ends = {expectation.event_id: expectation for expectation in expectations}
        seen: dict[str, Json] = {}
        waiting = set(ends)
        while True:
            before = len(waiting)
            self._read_lists(ends.keys(), seen, {"from": self._since})
            waiting = {event_id for event_id in waiting if not _ended(ends[event_id], seen.get(event_id))}
            tell(len(ends) - len(waiting))
            if len(waiting) == before:
                self._read_lists(ends.keys(), seen, {})
                waiting = {event_id for event_id in waiting if not _ended(ends[event_id], seen.get(event_id))}
                self._read_single(waiting, seen)
                waiting = {event_id for event_id in waiting if not _ended(ends[event_id], seen.get(event_id))}
                tell(len(ends) - len(waiting))
            if not waiting or self._clock.monotonic() > deadline:
                self._read_single(waiting, seen)
                return seen
            self._clock.sleep(PAUSE_SECONDS)

    def _read_lists(self, wanted: Container[str], seen: dict[str, Json], bounds: Mapping[str, str]) -> None:
        parameters: dict[str, str | int] = {**bounds, "limit": PAGE}
        for _ in range(MOST_PAGES):
            page = self._gateway.get("/api/v1/events", parameters)
            seen.update((event["event_id"], event) for event in page["items"] if event["event_id"] in wanted)
            if page["next_cursor"] is None:
                return
            parameters["cursor"] = page["next_cursor"]

    def _read_single(self, event_ids: Iterable[str], seen: dict[str, Json]) -> None:
        for event_id in event_ids:
            event = _read(self._gateway, event_id)
            if event is not None:
                seen[event_id] = event


def _ended(expectation: Expectation, event: Json | None) -> bool:
    return event is not None and (expectation.met_by(event) or event["status"] == FAILED)


def _read(gateway: GatewayClient, event_id: str) -> Json | None:
    try:
        return gateway.get(f"/api/v1/events/{event_id}")
    except Refused as refused:
        if refused.status == 404:
            return None
        raise


def follow_letters(reader: TopicReader, clock: Clock, sent: Sequence[Poison], seconds: float, tell: Callable[[int], None]) -> list[Letter]:
    """Read the dead-letter topic until it holds a letter for each record sent, or the time is over.

    A letter carries the original key and value byte for byte; that is how it is recognised.
    """
    deadline = clock.monotonic() + seconds
    known = {(item.key, item.value): item for item in sent}
    missing = Counter((item.key, item.value) for item in sent)
    letters: list[Letter] = []
    while missing.total() and clock.monotonic() < deadline:
        for record in reader.read(_SLICE_SECONDS):
            if not missing[record.key, record.value]:
                continue
            missing[record.key, record.value] -= 1
            headers = dict(record.headers)
            code = (headers.get("ca-code") or b"").decode()
            reason = (headers.get("kafka_dlt-exception-message") or b"").decode()
            item = known[record.key, record.value]
            letters.append(Letter(item.what, item.code, code, reason.removeprefix(f"{code}: ")))
        tell(len(letters))
    return letters
