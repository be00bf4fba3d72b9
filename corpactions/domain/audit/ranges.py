"""What a range of a log is verified against and what comes out: plain values, so that ranges can be verified by several processes and joined by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from corpactions.domain.audit.batch import Batch, parse_offsets
from corpactions.domain.audit.bodies import Decode
from corpactions.domain.audit.findings import Finding, FoundBy
from corpactions.domain.audit.keys import KeyPeriod
from corpactions.domain.audit.notes import Key, Note, Signature, Verify
from corpactions.domain.audit.offsets import Place, Span

ALLOWED: Final = timedelta(seconds=60)
"""How far the clocks of log and witness may be apart, and how long a checkpoint may be on its way to the witness."""


class Rules(NamedTuple):
    """What a verifier takes for granted.

    Args:
        origin: the log's name.
        periods: the keys that sign it, from a trusted one on; empty when nothing is trusted, and then no signature of the log is looked at.
        verify: checks an Ed25519 signature; None leaves all signatures out.
        decode: the value of canonical bytes.
        witness: the witness's key; without it cosignatures are not looked at.
        allowed: see ALLOWED.
    """

    origin: str
    periods: tuple[KeyPeriod, ...]
    verify: Verify | None
    decode: Decode
    witness: Key | None = None
    allowed: timedelta = ALLOWED

    def signed(self, seq: int) -> bool:
        """Whether signatures over this entry are looked at: trust runs forward from the trusted key, never back."""
        if self.verify is None or not self.periods:
            return False
        first = self.periods[0]
        return first.log_origin != self.origin or seq >= first.from_seq


class BatchRow(NamedTuple):
    """A row of ``audit_batches``, or a batch note taken apart. ``offsets`` are the stored bytes."""

    first: int
    size: int
    epoch: int
    recorded_at: datetime
    offsets: bytes
    batch_root: bytes
    tree_root: bytes
    key_id: bytes
    signature: bytes

    def note(self, key: Key, origin: str) -> Note:
        """The batch note: statement and signature. Raises ValueError when the offsets are not readable."""
        return Note(self.batch(origin).text(), (Signature(key.name, self.key_id, self.signature),))

    def batch(self, origin: str) -> Batch:
        """The statement that the signature is over. Raises ValueError when the offsets are not readable."""
        offsets = parse_offsets(self.offsets.decode())
        return Batch(origin, self.epoch, self.first, self.size, self.recorded_at, offsets, self.batch_root, self.tree_root)


class CheckpointNote(NamedTuple):
    """A checkpoint as somebody keeps it: ``size`` is under which it is kept, ``cosigned`` whether the keeper says that a witness has signed it, None where he says nothing."""

    found_by: FoundBy
    size: int
    note: bytes
    cosigned: bool | None


class Claim(NamedTuple):
    """Somebody's word for the root of the tree of ``size`` entries. ``cosigned_at`` is when a witness signed it, if one did."""

    found_by: FoundBy
    place: str
    size: int
    root: bytes
    cosigned_at: datetime | None = None


class Range(NamedTuple):
    """The entries ``first`` to ``end`` - 1 and what else is stored about them.

    Args:
        first: a multiple of 256; of 65,536 when several ranges are joined.
        end: the same, or the log's end.
        batches: all batches that begin in the range, in order; none of an intact log reaches beyond a multiple of 65,536.
        tiles: the full tiles stored for the range, by level (0 and 1) and index.
        notes: checkpoints with ``first`` < size <= ``end``.
        absent: spans whose entries are rightly not there (removed, or outside of a bundle); their hashes come from the tiles.
        left: the peaks before the range, for a range that begins inside a segment.
        signed: the span whose entries must be in batches; None for all.
    """

    first: int
    end: int
    batches: Sequence[BatchRow]
    tiles: Mapping[tuple[int, int], bytes]
    notes: Sequence[CheckpointNote] = ()
    absent: Sequence[Span] = ()
    left: Sequence[tuple[int, bytes]] = ()
    signed: Span | None = None


class Claimed(NamedTuple):
    """A claim beside the hash over the range's leaves up to its size, which the peaks before the range make the root."""

    claim: Claim
    fold: bytes


class RangeResult(NamedTuple):
    """What the joiner needs of a verified range.

    ``absolute`` says that the range began with the peaks before it, so that its hashes are complete. ``peaks`` are those of ``Range.left`` and the range's full blocks of 256; ``first_link`` and ``first_time`` are what its first entry says of itself, None when it is absent;
    ``last_leaf`` is the hash that the next range's first entry must name. ``epochs`` are those of the batches, in order.
    """

    first: int
    end: int
    absolute: bool
    peaks: tuple[tuple[int, bytes], ...]
    claims: tuple[Claimed, ...]
    first_link: str | None
    first_time: str | None
    last_leaf: bytes
    last_time: str | None
    runs: Mapping[Place, Sequence[Span]]
    offsets: Mapping[int, int]
    epochs: Sequence[int]
    entries: int
    batches: int
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
