"""The contract between the worker loop and the service whose records it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from corpactions.ports.lifecycle import Advance, Claim
from corpactions.ports.records import Publication, Record

Barrier = Callable[[], list[int]]
"""Waits until everything published so far is acked; returns the ids of pending publications that are done with. Raises Unavailable when acks stay out."""


class Result(NamedTuple):
    """What a committed transaction leaves to do: records to publish, and where its partitions stand."""

    publications: list[Publication]
    advances: list[Advance]


class Handler(Protocol):
    """A service behind the loop. Every call is one transaction: it calls the barrier before it writes, and returns only after COMMIT.

    A call raises Unavailable (hold the partitions and call again), RunAgain (call again), DataRefused (call with fewer records), Fenced or CommitUnknown
    (claim again), and nothing else unless it is to stop the process.
    """

    def handle(self, records: Sequence[Record], claims: Mapping[int, Claim], barrier: Barrier) -> Result:
        """Decide these records, in order. Those below their claim's committed offset were decided before and are only published again."""

    def refuse(self, record: Record, claims: Mapping[int, Claim], barrier: Barrier, reason: str) -> Result:
        """Reject one record that the database refused even when it came alone."""

    def due(self, claims: Sequence[Claim], barrier: Barrier) -> Result | None:
        """Do what time has made due (retries, queues that drain); None when nothing is."""

    def settle(self, claims: Sequence[Claim], barrier: Barrier) -> Result:
        """Write the last start position before the claims are given up."""
