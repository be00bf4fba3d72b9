"""What the witness keeps, and what it asks of whatever keeps it: each checkpoint it ever cosigned, who follows whom as a log's key, and what it refused.

Invariant: for each log the sizes only grow, and what was kept of a size is never changed: only the latest cosignature of it is replaced by a later one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from corpactions.domain.audit.keys import KeyPeriod
from corpactions.domain.audit.notes import Key


class Seen(NamedTuple):
    """A cosigned checkpoint: note bytes with the log's and the witness's signature, as first cosigned and as cosigned last."""

    origin: str
    size: int
    root: bytes
    first: bytes
    latest: bytes


class Succession(NamedTuple):
    """A key that took another one's place: the period that its statement gives it, and the statement itself."""

    old: Key
    period: KeyPeriod
    statement: bytes


class Refusal(NamedTuple):
    """A checkpoint that a key of the log did sign and the witness did not: evidence.

    Times are Unix seconds; ``times`` counts how often the same text came.
    """

    origin: str
    size: int
    old_size: int
    path: tuple[bytes, ...]
    note: bytes
    reason: str
    first_at: int
    last_at: int
    times: int = 1


class Book(Protocol):
    """Used by several threads at once. Every method raises Unavailable when the store does not answer; nothing is then written."""

    def newest(self, origin: str) -> Seen | None:
        """The largest size of a log."""

    def at(self, origin: str, size: int) -> Seen | None:
        """One size of a log."""

    def between(self, origin: str, first: int, last: int, limit: int) -> Sequence[Seen]:
        """The smallest sizes from ``first`` to ``last``, both included, smallest first."""

    def origins(self) -> Sequence[str]:
        """The logs of which anything was cosigned."""

    def accept(self, seen: Seen, after: int | None) -> bool:
        """Keep a checkpoint for good if the log's newest size still is ``after`` (None: no checkpoint yet), in one step. False, and nothing kept, if not.

        For the same size again, the latest cosignature is replaced.
        """

    def successions(self, name: str) -> Sequence[Succession]:
        """The successions of one key name, oldest first."""

    def succeed(self, succession: Succession) -> bool:
        """Keep a succession. A key has one successor: False, and nothing kept, if it has one already."""

    def refuse(self, refusal: Refusal) -> None:
        """Keep a refusal: the newest thousand of each log; the same text again only counts."""

    def refused(self, origin: str, limit: int) -> Sequence[Refusal]:
        """The newest refusals of a log, newest first."""

    def check(self) -> None:
        """Whether it could write now: raises Unavailable if not."""
