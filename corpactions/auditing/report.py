"""What a verification of the audit log is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from corpactions.domain.audit.findings import Finding
from corpactions.domain.audit.joined import Joined
from corpactions.domain.audit.notes import Key

SOURCES: Final = ("signatures", "checkpoints", "topic", "witness", "guards")
"""What can be left out. ``topic`` is both: the checkpoints on theirs, and the records on the audit topic."""


class Request(NamedTuple):
    """What is to be verified.

    Args:
        trusted: the trusted key; None takes the log's own first key.
        log_id: which log; None for the newest.
        first: the first entry; the verification begins with the segment it is in.
        end: where to stop; the verification goes on to the end of that segment. None for the log's end.
        since: a checkpoint from which on to verify, instead of ``first``: a signed note, or the size of one that the log keeps.
        processes: how many work side by side.
        without: which of SOURCES are left out.
    """

    trusted: Key | None = None
    log_id: int | None = None
    first: int = 0
    end: int | None = None
    since: int | bytes | None = None
    processes: int = 1
    without: frozenset[str] = frozenset()


class Keeper(NamedTuple):
    """Where a verification keeps how far it is: ``joined`` is what it left the time before, ``keep`` is told after each segment."""

    joined: Joined | None
    keep: Callable[[Joined], None]


class Report(NamedTuple):
    """What a verification found.

    ``pinned``: signatures were checked from a key that the caller had from elsewhere. ``witnessed`` is the size of the largest tree that agrees with what the witness
    signed. ``not_logged`` counts records on the audit topic that are not in the log yet, None when the topic was not asked. ``sources`` tells in words what was asked and
    what was not; ``missing`` names those that should have answered and did not.
    """

    origin: str
    log_id: int
    size: int
    first: int
    end: int
    entries: int
    removed: int
    batches: int
    checkpoints: int
    pinned: bool
    witnessed: int
    not_logged: int | None
    sources: Mapping[str, str]
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    finished_at: datetime

    @property
    def verified(self) -> bool:
        """Nothing was found, and everything that was to be asked has answered."""
        return not self.counts and not self.missing

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **self._asdict(),
            "sources": dict(self.sources),
            "missing": list(self.missing),
            "findings": [finding._asdict() for finding in self.findings],
            "counts": dict(self.counts),
            "finished_at": self.finished_at.isoformat(),
            "verified": self.verified,
        }
