"""Verified ranges become a verified log: what links them, the roots that only all of them together give, and the tiles above the ranges.

Ranges are added in order, each where the one before ended. Whoever begins in the middle says which peaks he starts from; they are as good as the root that is
then confirmed over them.

Invariant: a run of claims that do not fit is one finding, told at its first and with its length, so that one changed entry of an early batch does not become a
finding for each later batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.findings import Findings
from corpactions.domain.audit.joined import Joined, Streak
from corpactions.domain.audit.merkle import root_of
from corpactions.domain.audit.offsets import join_runs
from corpactions.domain.audit.peaks import Peaks
from corpactions.domain.audit.ranges import Claim, RangeResult, Rules
from corpactions.domain.audit.tiles import WIDTH
from corpactions.domain.audit.verification import check_back_dated

UpperTile = Callable[[int, int], bytes | None]
"""The full tile stored at a level (2 or more) and index; None when there is none."""
_SEGMENT_LEVEL: Final = 16
_FIRST_UPPER: Final = 2


class Joiner:
    """Adds up the results of a log's ranges.

    Args:
        rules: as the ranges were verified with.
        upper: gives stored tiles above the ranges.
        joined: how far an earlier run came, or where to begin.
    """

    def __init__(self, rules: Rules, upper: UpperTile, joined: Joined | None = None) -> None:
        self._rules = rules
        self._upper = upper
        self.joined = Joined() if joined is None else joined
        self.found = Findings(rules.origin)
        self.found.take(self.joined.findings, self.joined.counts)
        self._peaks = Peaks(self.joined.peaks)

    def add(self, result: RangeResult) -> None:
        """The next range.

        Raises:
            ValueError: it does not begin where the ranges before end.
        """
        joined = self.joined
        if result.first != joined.position:
            raise ValueError(f"a range begins at {result.first}; the ranges before end at {joined.position}")
        self.found.take(result.findings, result.counts)
        self._check_border(result)
        for claimed in result.claims:
            self._check_claim(claimed.claim, claimed.fold if result.absolute else self._peaks.fold(claimed.fold))
        self._check_offsets(result)
        if result.absolute:
            self._peaks = Peaks(result.peaks)
        elif result.end - result.first == SEGMENT:
            root = Peaks(result.peaks).fold()
            self._peaks.add(_SEGMENT_LEVEL, root)
            self._grow(_FIRST_UPPER, result.first // SEGMENT, root)
        joined.position = result.end
        joined.entries += result.entries
        joined.batches += result.batches
        joined.claims += sum(each.claim.found_by != "log" for each in result.claims)
        joined.last_leaf, joined.last_time = result.last_leaf.hex(), result.last_time or joined.last_time
        joined.open = [each.claim for each in result.claims if each.claim.size == result.end and each.claim.cosigned_at is not None]
        joined.peaks, joined.findings, joined.counts = list(self._peaks.items()), list(self.found.items), dict(self.found.counts)

    def finish(self) -> Findings:
        """All ranges were added: what was found, in all. The joined state stays as it was, so that it can be kept and continued."""
        for (check, found_by), streak in self.joined.streaks.items():
            self._tell(check, found_by, streak)
        return self.found

    def _check_border(self, result: RangeResult) -> None:
        first, last_leaf, last_time = result.first, self.joined.last_leaf, self.joined.last_time
        if last_leaf is not None and result.first_link is not None and result.first_link != last_leaf:
            detail = f"it names {result.first_link[:16]}… as the entry before, whose hash is {last_leaf[:16]}…"
            self.found.entry("chain", first, detail)
        if last_time is not None and result.first_time is not None and result.first_time < last_time:
            self.found.entry("time", first, f"recorded at {result.first_time}, before the entry before it, {last_time}")
        for claim in self.joined.open:
            check_back_dated(claim, result.first_time, self._rules, self.found)

    def _check_claim(self, claim: Claim, root: bytes) -> None:
        joined = self.joined
        check = {"log": "root", "witness": "fork"}.get(claim.found_by, "checkpoint")
        key = check, claim.found_by
        streak = joined.streaks.pop(key, None)
        if root == claim.root:
            joined.good[key] = claim.size
            if claim.cosigned_at is not None:
                joined.witnessed = claim.size
            if streak is not None:
                self._tell(*key, streak)
        elif streak is None:
            joined.streaks[key] = Streak(claim, 1, claim.size, joined.good.get(key, 0))
        else:
            joined.streaks[key] = streak._replace(length=streak.length + 1, last=claim.size)

    def _tell(self, check: Any, found_by: Any, streak: Streak) -> None:
        claim = streak.first
        more = f", nor do {streak.length - 1} more up to size {streak.last}" if streak.length > 1 else ""
        good = f"the last one before that fits is at size {streak.good}" if streak.good else "none before it fits"
        detail = f"its root over {claim.size} entries is not the one that the entries give{more}; {good}"
        self.found.add(check, claim.place, detail, seq=streak.good, found_by=found_by)

    def _check_offsets(self, result: RangeResult) -> None:
        joined = self.joined
        for (topic, partition), span in join_runs(joined.runs, result.runs):
            detail = f"entries take the offsets {span.first} to {span.end - 1} of {topic} after later ones"
            self.found.add("sequence", f"partition {partition} offset {span.first}", detail)
        for partition, offset in joined.offsets.items():
            if result.offsets and result.offsets.get(partition, -1) < offset:
                detail = f"batches before entry {result.end} step back to {result.offsets.get(partition)}"
                self.found.add("batch", f"partition {partition} offset {offset}", detail)
        joined.offsets |= result.offsets
        for epoch in result.epochs:
            if not joined.epochs or epoch > joined.epochs[-1]:
                joined.epochs.append(epoch)
            elif epoch < joined.epochs[-1]:
                detail = f"batches from entry {result.first} on are of epoch {epoch}, those before of {joined.epochs[-1]}"
                self.found.add("batch", f"epoch {epoch}", detail, seq=result.first)

    def _grow(self, level: int, index: int, node: bytes) -> None:
        """A node of a tile above the ranges; the tile is compared when it is full. One that began before the start is left out."""
        row = self.joined.rows.setdefault(level, [])
        if len(row) != index % WIDTH:
            return
        row.append(node)
        if len(row) == WIDTH:
            tile = index // WIDTH
            if self._upper(level, tile) != b"".join(row):
                first = (index + 1 - WIDTH) << (8 * level)
                self.found.add("tile", f"tile {level}/{tile}", "it is not what the entries give", seq=first)
            self.joined.rows[level] = []
            self._grow(level + 1, tile, root_of(row))
