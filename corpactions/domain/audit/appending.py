"""Growing a log: drafts become numbered, chained entries of one signed batch, with the tiles that it fills.

Invariant: an :class:`Appender` is what the store holds plus at most the batches that were built since. Whoever cannot say whether such a batch was stored throws
the appender away and opens one anew from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from corpactions.domain.audit.batch import Batch
from corpactions.domain.audit.entry import SEGMENT, ZERO_LINK, Draft, Encode, body, canonical, time_text
from corpactions.domain.audit.merkle import leaf_hash, root_of
from corpactions.domain.audit.tiles import Edge, TileId


class Numbered(NamedTuple):
    """An entry ready to be stored."""

    seq: int
    draft: Draft
    body: bytes


class Built(NamedTuple):
    """A batch ready to be stored: one transaction."""

    batch: Batch
    signature: bytes
    entries: tuple[Numbered, ...]
    tiles: tuple[tuple[TileId, bytes], ...]


class Head(NamedTuple):
    """How far a log is. ``prev`` is the leaf hash of its last entry in hexadecimal digits, ``recorded_at`` the time of its last batch, if any."""

    origin: str
    edge: Edge
    prev: str = ZERO_LINK
    recorded_at: datetime | None = None
    offsets: Mapping[int, int] = {}

    @property
    def size(self) -> int:
        return self.edge.size


class Appender:
    """Builds one batch after another.

    Args:
        head: how far the log is.
        epoch: the writer's.
        sign: makes the Ed25519 signature of a note's text with the key of the newest period.
        encode: canonical JSON.
    """

    def __init__(self, head: Head, epoch: int, sign: Callable[[bytes], bytes], encode: Encode = canonical) -> None:
        self._origin = head.origin
        self._edge = head.edge.copy()
        self._prev = head.prev
        self._recorded_at = head.recorded_at
        self._offsets = dict(head.offsets)
        self._epoch = epoch
        self._sign = sign
        self._encode = encode

    @property
    def size(self) -> int:
        """Entries of the log, those of the batches built included."""
        return self._edge.size

    @property
    def offsets(self) -> Mapping[int, int]:
        """By partition, the offset of the first record that no entry stands for."""
        return self._offsets

    @property
    def room(self) -> int:
        """Entries until the end of the segment; a batch holds at most so many."""
        return SEGMENT - self.size % SEGMENT

    def build(self, drafts: Sequence[Draft], offsets: Mapping[int, int], now: datetime) -> Built:
        """The next batch.

        Args:
            drafts: at least one and at most :attr:`room`, in the order of their entries.
            offsets: by partition that these drafts moved, the next offset.
            now: the clock's time; a clock that was set back does not make the log step back.
        """
        first = self.size
        recorded_at = now if self._recorded_at is None else max(now, self._recorded_at)
        entries, leaves = self._chain(drafts, first, time_text(recorded_at))
        tiles = self._edge.extend(leaves)
        self._recorded_at = recorded_at
        self._offsets |= offsets
        batch = Batch(self._origin, self._epoch, first, self.size, recorded_at, dict(self._offsets), root_of(leaves), self._edge.root())
        return Built(batch, self._sign(batch.text().encode()), tuple(entries), tuple(tiles))

    def _chain(self, drafts: Sequence[Draft], first: int, recorded_at: str) -> tuple[list[Numbered], list[bytes]]:
        prev, log, encode = self._prev, self._origin, self._encode
        entries: list[Numbered] = []
        leaves: list[bytes] = []
        for seq, draft in enumerate(drafts, first):
            data = body(draft, log, seq, prev, recorded_at, encode)
            leaf = leaf_hash(data)
            prev = leaf.hex()
            leaves.append(leaf)
            entries.append(Numbered(seq, draft, data))
        self._prev = prev
        return entries, leaves
