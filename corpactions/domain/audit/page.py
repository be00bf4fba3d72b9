"""Verifying entries as they are read: any few of them, from anywhere in a log, quickly enough to do it for every page that is shown.

Each entry is held against the newest checkpoint's tree and against the tree that its own batch signed, and its link against the entry before in the same trees. What
was fetched and hashed is remembered (``domain.audit.proving``), since tiles and signed batches never change; a newer checkpoint must add to the one before.

Invariant: an entry is called verified only if everything about it was checked and fits; one that is wrong never makes another one of the page wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from corpactions.domain.audit.bodies import Fields, columns_of, fields_of
from corpactions.domain.audit.claims import read_claim
from corpactions.domain.audit.entry import ZERO_LINK, time_text
from corpactions.domain.audit.findings import Finding, Findings
from corpactions.domain.audit.keys import Untrusted, key_for
from corpactions.domain.audit.merkle import consistency_path, leaf_hash, verify_consistency
from corpactions.domain.audit.notes import signed_by
from corpactions.domain.audit.proving import Prover, Recent, TileSource, Tree
from corpactions.domain.audit.ranges import BatchRow, CheckpointNote, Claim, Rules
from corpactions.domain.audit.tiles import WIDTH, TileTree

BATCHES_KEPT: Final = 4_096
"""Batches whose signature need not be looked at again."""


class PageSource(TileSource, Protocol):
    """The stored log, as it is. Nothing that it gives is believed."""

    def batches_of(self, numbers: Collection[int]) -> Mapping[int, BatchRow]:
        """By entry, the batch that it is in."""


class EntryVerdict(NamedTuple):
    """What became of one entry: ``failed`` names the checks of ``findings.Check`` that it did not pass. ``checkpointed``: a checkpoint is over it already."""

    seq: int
    verified: bool
    failed: tuple[str, ...]
    checkpointed: bool


class PageVerdict(NamedTuple):
    """What became of a page. ``findings`` are about what the page shares: checkpoint and tiles. ``size`` is that of the checkpoint, 0 for none."""

    entries: tuple[EntryVerdict, ...]
    size: int
    witnessed_at: datetime | None
    findings: tuple[Finding, ...]

    @property
    def verified(self) -> bool:
        """Everything fits."""
        return not self.findings and all(entry.verified for entry in self.entries)


class PageVerifier:
    """Verifies pages of one log. Not for several threads at once.

    Args:
        rules: what is taken for granted.
        source: the stored log.
    """

    def __init__(self, rules: Rules, source: PageSource) -> None:
        self._rules = rules
        self._source = source
        self._prover = Prover(source)
        self._signed: Recent[BatchRow, bool] = Recent(BATCHES_KEPT)
        self._newest: Claim | None = None

    def verify(self, rows: Sequence[Sequence[Any]], checkpoint: CheckpointNote | None) -> PageVerdict:
        """Verify entries.

        Args:
            rows: ``(seq, body, *columns)`` as ``persistence.audit_reading`` gives them, in any order.
            checkpoint: the newest one that is kept, witnessed if any is.
        """
        found = Findings(self._rules.origin)
        claim = self._checkpoint(checkpoint, found)
        numbers = [row[0] for row in rows]
        batches = self._source.batches_of(numbers)
        trees = {Tree(batch.size, batch.tree_root) for batch in batches.values()}
        newest = None if claim is None else Tree(claim.size, claim.root)
        self._prover.load(trees if newest is None else {newest, *trees}, {*numbers, *(max(seq - 1, 0) for seq in numbers)})
        if newest is not None and not self._prover.proves(newest):
            detail = "what is stored no longer gives its root; each entry is held against its own batch alone"
            found.add("root", f"checkpoint {newest.size}", detail, seq=newest.size - 1)
            newest = None
        verdicts = [self._entry(row, batches.get(row[0]), newest) for row in rows]
        for index in sorted(self._prover.changed):
            found.add("tile", f"tile 0/{index}", "the stored tile is not what the entries give", seq=index * WIDTH)
        size, time = (0, None) if claim is None else (claim.size, claim.cosigned_at)
        return PageVerdict(tuple(verdicts), size, time, tuple(found.items))

    def _checkpoint(self, note: CheckpointNote | None, found: Findings) -> Claim | None:
        """The checkpoint, if it is one and belongs to the tree of the largest one read before, which a smaller one (the witness may be away) does not replace."""
        if note is None:
            return None
        claim = read_claim(note, self._rules)
        if isinstance(claim, Finding):
            found.take([claim], {claim.check: 1})
            return None
        before = self._newest
        if before is not None and (before.size, before.root) != (claim.size, claim.root):
            older, newer = sorted((before, claim), key=lambda each: each.size)
            if not self._grown(older, newer):
                detail = f"it is not of one tree with the checkpoint of {before.size} entries that was read before"
                found.add("fork", claim.place, detail, seq=older.size, found_by="checkpoint")
                return claim
        if before is None or claim.size > before.size:
            self._newest = claim
        return claim

    def _grown(self, before: Claim, claim: Claim) -> bool:
        tree = TileTree(claim.size, lambda tile: self._source.tiles([tile]).get(tile, b""))
        try:
            path = consistency_path(before.size, claim.size, tree.node)
        except ValueError:
            return False
        return verify_consistency(before.size, claim.size, before.root, claim.root, path)

    def _entry(self, row: Sequence[Any], batch: BatchRow | None, newest: Tree | None) -> EntryVerdict:
        seq, body = row[0], row[1]
        failed: list[str] = []
        checkpointed = newest is not None and seq < newest.size
        trees = [newest] if newest is not None and checkpointed else []
        if batch is None or not self._is_signed(batch):
            failed.append("signature")
        if batch is not None:
            trees.append(Tree(batch.size, batch.tree_root))
        known = [self._prover.leaf(tree, seq) for tree in trees]
        if not known or None in known:
            failed.append("root")
        if any(leaf not in {None, leaf_hash(body)} for leaf in known):
            failed.append("body")
        try:
            fields = fields_of(body, self._rules.decode)
        except ValueError:
            failed.append("body")
        else:
            failed += self._fields(fields, row, batch)
            before = [self._prover.leaf(tree, seq - 1) for tree in trees] if seq else [bytes.fromhex(ZERO_LINK)]
            if any(leaf is not None and leaf.hex() != fields["prev"] for leaf in before):
                failed.append("chain")
        return EntryVerdict(seq, not failed, tuple(dict.fromkeys(failed)), checkpointed)

    def _fields(self, fields: Fields, row: Sequence[Any], batch: BatchRow | None) -> list[str]:
        failed = []
        if fields["seq"] != row[0] or fields["log"] != self._rules.origin:
            failed.append("sequence")
        if len(row) > 2 and columns_of(fields) != tuple(row[2:]):
            failed.append("columns")
        if batch is not None and fields["recorded_at"] != time_text(batch.recorded_at):
            failed.append("time")
        return failed

    def _is_signed(self, batch: BatchRow) -> bool:
        """Whether the log's key has signed a batch, as far as trust reaches back; what was signed once is not looked at again."""
        if not self._rules.signed(batch.first):
            return True
        if (known := self._signed.get(batch)) is not None:
            return known
        assert self._rules.verify is not None
        try:
            key = key_for(self._rules.periods, self._rules.origin, batch.first)
            good = batch.key_id == key.key_id and signed_by(batch.note(key, self._rules.origin), key, self._rules.verify)
        except (Untrusted, ValueError):
            good = False
        if good:
            self._signed.put(batch, good)
        return good
