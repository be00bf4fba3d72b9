"""Waiting for the ends: events as the gateway shows them, letters as they stand in the dead-letter topic. Both waits are bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from corpactions.commands.gateway_client import GatewayClient, Json, Refused
from corpactions.kafka.reader import TopicReader
from corpactions.ports import Clock
from producers.feed.demo.expectations import FAILED, Expectation
from producers.feed.demo.poison import Poison

PAUSE_SECONDS: Final = 0.2
_SLICE_SECONDS: Final = 0.5


class Letter(NamedTuple):
    """A dead letter that was waited for: what it was, and what its headers say."""

    what: str
    expected_code: str
    code: str
    reason: str


def follow_events(
    gateway: GatewayClient, clock: Clock, expectations: Sequence[Expectation], seconds: float, tell: Callable[[int], None]
) -> dict[str, Json]:
    """Read every event until it has come to its end, has failed, or the time is over.

    Args:
        gateway: where events are read.
        clock: measures the wait.
        expectations: the events and their ends.
        seconds: longest wait for all of them.
        tell: told how many have come to an end.

    Returns:
        Each event as last seen; an event that the gateway does not know is not among them.
    """
    deadline = clock.monotonic() + seconds
    seen: dict[str, Json] = {}
    waiting = list(expectations)
    while True:
        still = []
        for number, expectation in enumerate(waiting, 1):
            event = _read(gateway, expectation.event_id)
            if event is not None:
                seen[expectation.event_id] = event
            if event is None or not (expectation.met_by(event) or event["status"] == FAILED):
                still.append(expectation)
            tell(len(expectations) - len(waiting) + number - len(still))
        waiting = still
        if not waiting or clock.monotonic() > deadline:
            return seen
        clock.sleep(PAUSE_SECONDS)


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
