"""What must have become of every accepted event, so that the end can be compared with it."""

from __future__ import annotations

from typing import Final, NamedTuple

from corpactions.domain.messages import CANCELLING, Message

COMPLETED: Final = "COMPLETED"
CANCELLED: Final = "CANCELLED"
FAILED: Final = "FAILED"


class Expectation(NamedTuple):
    """An accepted event and its end. ``route`` is REST or Kafka, as it came in."""

    event_id: str
    route: str
    status: str
    version: int

    def met_by(self, event: dict[str, object]) -> bool:
        """Whether the event, as the gateway shows it, has come to this end."""
        return event["status"] == self.status and event["version"] == self.version


def expected_of(messages: list[Message]) -> list[Expectation]:
    """The ends of all events that these messages tell of: each event's highest version decides."""
    last: dict[str, Message] = {}
    for message in messages:
        known = last.get(message.event_id)
        if known is None or message.version > known.version:
            last[message.event_id] = message
    return [
        Expectation(event_id, "Kafka", CANCELLED if message.function in CANCELLING else COMPLETED, message.version)
        for event_id, message in last.items()
    ]
