"""Pages of entries: wherever they stand, each is verified by itself, and what is wrong with one is not held against another."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from corpactions.domain.audit.merkle import leaf_hash, root_of
from corpactions.domain.audit.page import PageVerdict, PageVerifier
from corpactions.domain.audit.proving import linked_hashes
from corpactions.domain.audit.ranges import BatchRow
from corpactions.domain.audit.tiles import WIDTH, TileId, split
from tests.support.audit_stored import StoredLog, rules, stored_log
from tests.support.signing import LOG, MemorySigner

SIZES = (1, 3, 300, 5, 700, 10, 40)
BASE = stored_log(SIZES)
CHECKPOINT = BASE.notes[-2]
"""Over all but the last forty entries."""


class Stored:
    """A log in memory as a page's source; counts how often tiles are asked for."""

    def __init__(self, log: StoredLog) -> None:
        self.log = log
        self.asked = 0

    def tiles(self, tiles: Collection[TileId]) -> Mapping[TileId, bytes]:
        self.asked += 1
        return {tile: data for tile in tiles if (data := self._tile(tile)) is not None}

    def _tile(self, tile: TileId) -> bytes | None:
        full = self.log.tiles.get((tile.level, tile.index))
        if full is not None:
            return full[: tile.width * 32]
        return (
            self.rebuilt(tile) if tile.level == 0 else b"".join(self.roots(tile.level, tile.index * WIDTH, tile.index * WIDTH + tile.width))
        )

    def rebuilt(self, tile: TileId) -> bytes | None:
        first = tile.index * WIDTH
        bodies = [entry[1] for entry in self.log.entries if first <= entry[0] < first + tile.width]
        return b"".join(map(leaf_hash, bodies)) if len(bodies) == tile.width else None

    def linked(self, tile: TileId) -> bytes | None:
        first = tile.index * WIDTH
        return linked_hashes({entry[0]: entry[1] for entry in self.log.entries if entry[0] >= first}, first, tile.width)

    def roots(self, level: int, first: int, end: int) -> list[bytes]:
        found = [self.log.tiles.get((level - 1, index)) for index in range(first, end)]
        return [root_of(split(data)) for data in found if data is not None]

    def batches_of(self, numbers: Collection[int]) -> Mapping[int, BatchRow]:
        return {seq: batch for seq in numbers for batch in self.log.batches if batch.first <= seq < batch.size}


@pytest.fixture
def log() -> StoredLog:
    return BASE.copy()


def page(log: StoredLog, numbers: Collection[int]) -> PageVerdict:
    return PageVerifier(rules(), Stored(log)).verify(rows(log, numbers), CHECKPOINT)


def rows(log: StoredLog, numbers: Collection[int]) -> list[tuple[Any, ...]]:
    return [tuple(entry) for entry in log.entries if entry[0] in numbers]


def failed(verdict: PageVerdict) -> dict[int, tuple[str, ...]]:
    return {entry.seq: entry.failed for entry in verdict.entries if not entry.verified}


@pytest.mark.parametrize("numbers", [range(100), range(250, 262), range(1059), [0, 255, 256, 511, 767, 1018, 1019, 1058], []], ids=str)
def test_good_entries_are_verified(log: StoredLog, numbers: Collection[int]) -> None:
    verdict = page(log, numbers)
    assert failed(verdict) == {}
    assert verdict.verified
    assert [entry.checkpointed for entry in verdict.entries] == [seq < 1019 for seq in sorted(numbers)]
    assert (verdict.size, verdict.witnessed_at is not None) == (1019, True)


def test_without_any_checkpoint_the_batch_alone_speaks(log: StoredLog) -> None:
    verdict = PageVerifier(rules(), Stored(log)).verify(rows(log, range(10)), None)
    assert (verdict.verified, verdict.size, {entry.checkpointed for entry in verdict.entries}) == (True, 0, {False})


@pytest.mark.parametrize("seq", [0, 42, 255, 256, 900, 1018, 1030])
def test_one_bad_body_is_that_one_entry(log: StoredLog, seq: int) -> None:
    log.entries[seq][1] = log.entries[seq][1].replace(b'"seq"', b'"sep"')
    verdict = page(log, range(1059))
    assert failed(verdict) == {seq: ("body",)}
    assert verdict.findings == ()


def test_in_the_last_tile_of_all_the_links_tell(log: StoredLog) -> None:
    """While a tile is not full it is not stored, and rests on the bodies alone."""
    newest = log.notes[-1]
    log.entries[1030][1] = log.entries[1030][1].replace(b"COMPLETED", b"CANCELLED")
    verdict = PageVerifier(rules(), Stored(log)).verify(rows(log, range(1059)), newest)
    assert failed(verdict) == {1030: ("body",)}


def test_the_very_last_entry_takes_only_its_batch_along(log: StoredLog) -> None:
    newest = log.notes[-1]
    log.entries[1058][1] = log.entries[1058][1].replace(b"COMPLETED", b"CANCELLED")
    verdict = PageVerifier(rules(), Stored(log)).verify(rows(log, range(1059)), newest)
    assert failed(verdict) == dict.fromkeys(range(1019, 1059), ("root",))
    assert [(found.check, found.place) for found in verdict.findings] == [("root", "checkpoint 1059")]


def test_a_column_a_number_and_a_link_are_named(log: StoredLog) -> None:
    log.entries[42][4] = "OTHER"
    log.entries[43][1], log.entries[44][1] = log.entries[44][1], log.entries[43][1]
    told = failed(page(log, range(100)))
    assert told[42] == ("columns",)
    assert set(told[43]) == set(told[44]) == {"body", "sequence", "columns", "chain"}
    assert told.keys() == {42, 43, 44}


def test_a_forged_batch_fails_its_entries_only(log: StoredLog) -> None:
    log.batches[2] = log.batches[2]._replace(signature=bytes(64))
    told = failed(page(log, [1, 2, 3, 4, 100, 303, 304, 900]))
    assert told == {4: ("signature",), 100: ("signature",), 303: ("signature",)}


def test_a_changed_tile_is_told_once_and_the_entries_are_verified_by_their_bodies(log: StoredLog) -> None:
    log.tiles[0, 1] = bytes(32) + log.tiles[0, 1][32:]
    verdict = page(log, [0, 256, 300, 700])
    assert failed(verdict) == {}
    assert [(found.check, found.place) for found in verdict.findings] == [("tile", "tile 0/1")]
    assert not verdict.verified


def test_what_was_proved_is_not_fetched_again(log: StoredLog) -> None:
    source = Stored(log)
    verifier = PageVerifier(rules(), source)
    verifier.verify(rows(log, range(700)), CHECKPOINT)
    before = source.asked
    assert verifier.verify(rows(log, range(700)), CHECKPOINT).verified
    assert source.asked - before <= 1


def test_a_newer_checkpoint_must_add_to_the_one_before(log: StoredLog) -> None:
    source = Stored(log)
    verifier = PageVerifier(rules(), source)
    assert verifier.verify(rows(log, range(5)), log.notes[3]).verified
    assert verifier.verify(rows(log, range(5)), CHECKPOINT).verified
    assert verifier.verify(rows(log, range(5)), log.notes[3]).verified, "an older one of the same tree, as while the witness is away"
    log.tiles.clear()
    shorter = verifier.verify(rows(log, range(5)), log.notes[3])
    assert [(found.check, found.place) for found in shorter.findings][:1] == [("fork", "checkpoint 309")], (
        "what was seen is no longer there"
    )


def test_a_checkpoint_that_nobody_signed_is_none(log: StoredLog) -> None:
    other = stored_log(SIZES, MemorySigner(LOG, 2)).notes[-1]
    verdict = PageVerifier(rules(), Stored(log)).verify(rows(log, range(5)), other)
    assert [found.check for found in verdict.findings] == ["checkpoint"]
    assert verdict.size == 0


def test_random_pages(log: StoredLog) -> None:
    dice = random.Random(7)
    verifier = PageVerifier(rules(), Stored(log))
    for _ in range(20):
        assert verifier.verify(rows(log, dice.sample(range(1059), 100)), CHECKPOINT).verified
