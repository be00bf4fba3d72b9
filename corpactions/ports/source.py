"""The events topic as the worker loop sees it: a group member that is given partitions, reads where it is told, and may lose them at any call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from corpactions.ports.records import Record


class Watermarks(NamedTuple):
    """The first offset that a partition holds, and the next one it will give."""

    low: int
    high: int


class Listener(Protocol):
    """Told about partitions from inside :meth:`Source.consume` or :meth:`Source.close`; must not raise."""

    def assigned(self, partitions: Collection[int]) -> None:
        """These are ours now. Nothing is read of them until :meth:`Source.start`."""

    def revoked(self, partitions: Collection[int]) -> None:
        """These go to somebody else as soon as this returns."""

    def lost(self, partitions: Collection[int]) -> None:
        """These have gone already; somebody else may be at work on them."""


class Source(Protocol):
    """A member of the consumer group on one topic."""

    topic: str

    def subscribe(self, listener: Listener) -> None:
        """Join the group."""

    def consume(self, limit: int, timeout: float) -> list[Record]:
        """Up to ``limit`` records of started partitions, in offset order within each. Waits at most ``timeout`` seconds for the first one.

        A broker that is away gives no records; the client connects again by itself.

        Raises:
            Fatal: the topic no longer holds a position that was asked for.
        """

    def start(self, positions: Mapping[int, int]) -> None:
        """Read these partitions from these offsets."""

    def stop(self, partitions: Collection[int]) -> None:
        """Read these no longer; whatever was fetched of them and not consumed is forgotten."""

    def pause(self, partitions: Collection[int]) -> None:
        """Give no records of these until resumed; group membership goes on."""

    def resume(self, partitions: Collection[int]) -> None:
        """Go on where the pause began."""

    def watermarks(self, partition: int) -> Watermarks:
        """The partition's ends, asked of the broker. Raises Unavailable."""

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell the group how far we are, so that lag can be seen; nothing else rests on it, and failures only cost visibility."""

    def is_member(self, offsets: Mapping[int, int]) -> bool:
        """Whether the group still counts us in: it does when it takes this commit, which is awaited.

        Raises:
            Unavailable: it cannot be had to say either way now (no coordinator, a rebalance under way).
        """

    def close(self) -> None:
        """Leave the group; the listener hears of the revocation before this returns."""
