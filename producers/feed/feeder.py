"""Lines to the topic: the stream is read, checked, encoded and published in windows, and only what the broker has acknowledged counts as sent.

A feed that breaks off is simply repeated: ids and contents depend on the lines alone, so what was sent before changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from corpactions.domain.errors import Rejected
from corpactions.domain.messages import Message
from corpactions.domain.rules import Problem
from corpactions.ports import Clock, IdSource
from producers.feed.lines import Stamp, to_message
from producers.feed.reader import Line

WINDOW: Final = 10_000
"""Messages between two waits for the broker's acknowledgements: long enough that waiting costs little, short enough to notice trouble soon."""
ACK_SECONDS: Final = 30.0


class Encoder(Protocol):
    """Turns a message into the topic's bytes."""

    def encode(self, message: Message) -> bytes:
        """The framed value; raises Rejected when the message does not fit the schema."""


class Sink(Protocol):
    """Where records go. ``wait`` returns when everything sent so far is acknowledged, and raises Unavailable when that cannot be said."""

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """Hand a record over without waiting for its acknowledgement."""

    def wait(self, timeout: float) -> None:
        """Wait until all records handed over are acknowledged."""


@dataclass(slots=True)
class Counts:
    """What has become of the lines read so far; blank lines and the header are not counted."""

    lines: int = 0
    sent: int = 0
    rejected: int = 0


class TopicWriter:
    """Publishes messages to one topic, as an upstream system would: keyed by symbol, in the order given."""

    def __init__(self, topic: str, encoder: Encoder, sink: Sink) -> None:
        self._topic = topic
        self._encoder = encoder
        self._sink = sink

    def put(self, message: Message) -> None:
        """Encode and hand over one message.

        Raises:
            Rejected: the message does not fit the schema.
            Unavailable: the broker takes nothing more.
        """
        self._sink.send(self._topic, message.symbol.encode(), self._encoder.encode(message))

    def confirm(self) -> None:
        """Wait for the acknowledgements of everything put.

        Raises:
            Unavailable: some may not have arrived.
        """
        self._sink.wait(ACK_SECONDS)


@dataclass(frozen=True, slots=True)
class Feeder:
    """Feeds lines. Without a writer the lines are only checked.

    Args:
        writer: where messages go; None for a dry run, in which every good line counts as sent.
        clock: gives each message its acceptance time.
        ids: gives each line its correlation id.
        on_rejected: told of every line that was refused, with all its problems.
        on_window: told after each window that its messages are acknowledged.
    """

    writer: TopicWriter | None
    clock: Clock
    ids: IdSource
    on_rejected: Callable[[int, list[Problem]], None]
    on_window: Callable[[Counts], None]

    def feed(self, lines: Iterable[Line], counts: Counts, default_source: str | None = None) -> None:
        """Send every good line and report every other; ``counts`` is kept up to date, so that it also tells how far a feed came that broke off.

        Raises:
            Unavailable: the broker does not answer; counts.sent tells what it had acknowledged.
            UnusableFile: from the reader.
        """
        pending = 0
        for line in lines:
            counts.lines += 1
            problems = self._put(line, default_source)
            if problems:
                counts.rejected += 1
                self.on_rejected(line.number, problems)
            else:
                pending += 1
            if counts.lines % WINDOW == 0:
                self._confirm(counts, pending)
                pending = 0
        self._confirm(counts, pending)

    def _put(self, line: Line, default_source: str | None) -> list[Problem]:
        made = to_message(line, Stamp(self.clock.now(), self.ids.correlation_id()), default_source)
        if isinstance(made, list):
            return made
        if self.writer is not None:
            try:
                self.writer.put(made)
            except Rejected as error:
                return [Problem("line", made.symbol, error.reason, f"see {error.code}")]
        return []

    def _confirm(self, counts: Counts, pending: int) -> None:
        if self.writer is not None:
            self.writer.confirm()
        counts.sent += pending
        self.on_window(counts)
