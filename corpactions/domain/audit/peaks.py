"""A tree's left side as few hashes: the perfect subtrees that a number of leaves falls into, largest first.

It is what lets one process verify a range of a log without the rest: the hash over the leaves from the range's beginning is made complete by whoever knows the
peaks before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from corpactions.domain.audit.merkle import EMPTY_ROOT, Node, node_hash


class Peaks:
    """Grows by whole subtrees, each standing at a multiple of its own width."""

    __slots__ = ("_peaks",)

    def __init__(self, peaks: Iterable[tuple[int, bytes]] = ()) -> None:
        self._peaks = list(peaks)

    @classmethod
    def at(cls, size: int, node: Node) -> Peaks:
        """Those of the first ``size`` leaves of a tree."""
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        return cls((level, node(level, (size >> level) - 1)) for level in levels)

    def add(self, level: int, subtree: bytes) -> None:
        """Put a perfect subtree of ``1 << level`` leaves on the right."""
        while self._peaks and self._peaks[-1][0] == level:
            subtree = node_hash(self._peaks.pop()[1], subtree)
            level += 1
        self._peaks.append((level, subtree))

    def fold(self, right: bytes | None = None) -> bytes:
        """The root over the peaks and, to the right of them, a tree that is no larger than the smallest of them."""
        for _, peak in reversed(self._peaks):
            right = peak if right is None else node_hash(peak, right)
        return EMPTY_ROOT if right is None else right

    def items(self) -> tuple[tuple[int, bytes], ...]:
        """Level and hash of each, largest first."""
        return tuple(self._peaks)
