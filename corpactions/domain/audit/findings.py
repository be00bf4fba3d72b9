"""What a verification says: findings, each with what is wrong, where, and which source found it.

Invariant: a verification goes on after a finding. The list is bounded, the counts are not, so that a log that was rewritten from end to end is told as such and
does not fill the memory of whoever looks at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

# fmt: off
Check = Literal[
    "body", "columns", "chain", "sequence", "time", "signature", "batch", "tile", "root", "key", "checkpoint", "truncated", "fork", "removal", "gap", "guard",
    "manifest",
]
# fmt: on
"""``body`` to ``root`` are about the log itself; docs/audit-format.md says what each compares."""
FoundBy = Literal["log", "checkpoint", "witness", "topic", "guards"]
"""``log``: its own rows contradict each other or the key; the others are what the log was compared with."""
LIMIT: Final = 200
"""Most findings of each check that are told."""


class Finding(NamedTuple):
    """Something that is not as it must be.

    ``seq`` is the entry concerned, or the first of them, where there is one; ``place`` names it as text: ``entry 42``, ``tile 0/3``, ``batch 4000``.
    """

    check: str
    found_by: str
    log: str
    seq: int | None
    place: str
    detail: str


class Findings:
    """A bounded list of findings about one log, and the number of each check's, told or not: many of one check leave room for the others."""

    def __init__(self, log: str, limit: int = LIMIT) -> None:
        self.log = log
        self.items: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._limit = limit

    @property
    def total(self) -> int:
        """All of them, also those that the list has no place for."""
        return self.counts.total()

    def add(self, check: Check, place: str, detail: str, *, seq: int | None = None, found_by: FoundBy = "log") -> None:
        """Note one."""
        self.take([Finding(check, found_by, self.log, seq, place, detail)], {check: 1})

    def entry(self, check: Check, seq: int, detail: str) -> None:
        """Note one about an entry, which the log itself shows."""
        self.add(check, f"entry {seq}", detail, seq=seq)

    def take(self, items: Sequence[Finding], counts: Mapping[str, int]) -> None:
        """Note what another list holds."""
        for item in items:
            if self._told[item.check] < self._limit:
                self._told[item.check] += 1
                self.items.append(item)
        self.counts.update(counts)
