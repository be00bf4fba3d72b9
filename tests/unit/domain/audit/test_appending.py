"""Growing a log: numbered, chained, signed, cut at segments, and never back in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from corpactions.domain.audit.appending import Appender, Built, Head
from corpactions.domain.audit.batch import Batch
from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import SEGMENT, ZERO_LINK, Content, Draft, Source
from corpactions.domain.audit.merkle import leaf_hash, root_of
from corpactions.domain.audit.tiles import Edge
from corpactions.security.signing import verify
from corpactions.serde.canonical import encode
from tests.support.signing import LOG, MemorySigner

NOW = datetime(2026, 11, 24, 17, 55, tzinfo=UTC)
SIGNER = MemorySigner(LOG, 1)


def drafts(count: int, start: int = 0) -> list[Draft]:
    return [
        Draft(Content(f"e{n}:1", "APPLIED", "feed", f"event:e{n}", None, None, {"n": n}), Source("audit", 0, n))
        for n in range(start, start + count)
    ]


def appender(head: Head | None = None) -> Appender:
    return Appender(head or Head(LOG, Edge()), 1, SIGNER.sign, encode)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_a_log_is_the_same_however_it_is_cut_into_batches(sizes: list[int]) -> None:
    grown, leaves, prev = appender(), [], ZERO_LINK
    built = [grown.build(drafts(size, grown.size), {0: grown.size + size}, NOW) for size in sizes]
    for seq, numbered in enumerate(entry for batch in built for entry in batch.entries):
        entry = parse(numbered.body)
        assert (numbered.seq, entry.seq, entry.prev) == (seq, seq, prev)
        leaves.append(leaf_hash(numbered.body))
        prev = leaves[-1].hex()
    for batch in built:
        assert batch.batch.tree_root == root_of(leaves[: batch.batch.size])
        assert batch.batch.batch_root == root_of(leaves[batch.batch.first : batch.batch.size])
        assert Batch.parse(batch.batch.text()) == batch.batch
        assert verify(SIGNER.public_key, batch.signature, batch.batch.text().encode())
    assert [tile.index for batch in built for tile, _ in batch.tiles if tile.level == 0] == list(range(sum(sizes) // 256))


def test_a_log_that_is_opened_again_goes_on_as_if_it_had_never_stopped() -> None:
    through, first = appender(), appender()
    one, two = through.build(drafts(300), {0: 300}, NOW), through.build(drafts(10, 300), {1: 5}, NOW)
    again = first.build(drafts(300), {0: 300}, NOW)
    assert _hashes(again) == _hashes(one)
    edge = Edge()
    edge.extend([leaf_hash(entry.body) for entry in again.entries])
    reopened = appender(Head(LOG, edge, leaf_hash(again.entries[-1].body).hex(), NOW, {0: 300}))
    assert reopened.build(drafts(10, 300), {1: 5}, NOW) == two


def test_a_clock_that_is_set_back_does_not_take_the_log_along() -> None:
    grown = appender()
    grown.build(drafts(1), {}, NOW)
    later = grown.build(drafts(1, 1), {}, NOW - timedelta(hours=1))
    assert later.batch.recorded_at == NOW
    assert parse(later.entries[0].body).recorded_at == NOW


def test_offsets_of_all_partitions_are_carried_from_batch_to_batch() -> None:
    grown = appender()
    grown.build(drafts(1), {0: 1, 3: 8}, NOW)
    assert grown.build(drafts(1, 1), {0: 2}, NOW).batch.offsets == {0: 2, 3: 8}


def test_the_room_left_in_a_segment_is_told() -> None:
    full = SEGMENT - 1
    grown = appender(Head(LOG, _edge(full)))
    assert grown.room == 1
    grown.build(drafts(1, full), {}, NOW)
    assert grown.room == SEGMENT


def _edge(size: int) -> Edge:
    edge = Edge()
    edge.extend([bytes(32)] * size)
    return edge


def _hashes(built: Built) -> list[bytes]:
    return [leaf_hash(entry.body) for entry in built.entries]
