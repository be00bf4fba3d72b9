"""Tiles: their names, their bundles, and an edge that gives the same tiles and roots however it came to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.audit.merkle import HASH_BYTES, inclusion_path, leaf_hash, root_at, root_of
from corpactions.domain.audit.tiles import (
    ENTRIES,
    WIDTH,
    Edge,
    TileId,
    TileTree,
    bundle_path,
    decode_bundle,
    edge_shape,
    encode_bundle,
    parse_tile,
    split,
    tile_path,
    tiles_of,
)

LARGEST = 66_000
LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(LARGEST)]
NAMED = [
    (TileId(0, 0), "tile/0/000"),
    (TileId(0, 0, 1), "tile/0/000.p/1"),
    (TileId(0, 999, 255), "tile/0/999.p/255"),
    (TileId(0, 1000), "tile/0/x001/000"),
    (TileId(1, 1_234_067), "tile/1/x001/x234/067"),
    (TileId(63, 0, 5), "tile/63/000.p/5"),
    (TileId(ENTRIES, 70, 9), "tile/entries/070.p/9"),
]


def tiles(size: int) -> dict[TileId, bytes]:
    """All tiles of the tree of the first ``size`` leaves, cut straight from its rows."""
    found = {}
    row, level = LEAVES[:size], 0
    while row:
        for index in range(0, len(row), WIDTH):
            part = row[index : index + WIDTH]
            found[TileId(level, index // WIDTH, len(part))] = b"".join(part)
        row = [root_of(row[start : start + WIDTH]) for start in range(0, len(row) - WIDTH + 1, WIDTH)]
        level += 1
    return found


def restored(size: int) -> Edge:
    stored = tiles(size)
    shape = enumerate(edge_shape(size))
    return Edge([split(stored[TileId(level, index, width)]) if width else [] for level, (index, width) in shape], size)


@pytest.mark.parametrize(("tile", "path"), NAMED)
def test_a_tile_has_the_name_that_the_layout_gives_it(tile: TileId, path: str) -> None:
    assert tile_path(tile) == path
    assert parse_tile(path.removeprefix("tile/")) == tile


def test_a_bundle_is_named_like_the_tile_of_its_hashes() -> None:
    assert bundle_path(1_234_067) == "tile/entries/x001/x234/067"
    assert bundle_path(3, 17) == "tile/entries/003.p/17"


@given(st.integers(-1, 6), st.integers(0, 2**63 - 1), st.integers(1, WIDTH))
def test_every_tile_is_found_again_by_its_name(level: int, index: int, width: int) -> None:
    tile = TileId(level, index >> 8 * (max(level, 0) + 1), width)
    assert parse_tile(tile_path(tile).removeprefix("tile/")) == tile


@pytest.mark.parametrize(
    "text",
    [
        *["", "/", "0", "0/", "/000", "0/0", "0/00", "0/0000", "0/1234", "0/001/234", "0/x001", "0/x001/", "0/x001/x234", "0/001/x234"],
        *["0/x000/001", "0/x01/234", "0/X001/234", "00/000", "01/000", "64/000", "100/000", "-1/000", "+1/000", "0/-01", "0/+01", "0/0_1"],
        *[
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/999",
            "0/000.p/01",
            "0/000.p/-1",
            "0/000.p/",
            "0/000.p",
            "0/000.p/1/",
            "0/000.P/1",
            "0/x001.p/1/234",
        ],
        *["0/\u0660\u0660\u0660", "\u0660/000", "0/000.p/\u0661", "0/\uff10\uff10\uff10", "\uff10/000", "0/\u00b200"],
        *["tile/0/000", "0/000\n", " 0/000", "0/000 ", "0//000", "0/../000", "0/000\x00", "entries/", "Entries/000", "data/000", "0x0/000"],
        *["0/" + "x999/" * 6 + "999", "0/" + "x999/" * 5000 + "999", "7/001", "63/001", "9" * 10_000 + "/000"],
    ],
)
def test_anything_but_the_one_name_of_a_tile_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"names no tile|is not how this tile is named|has the width|(level|index) is") as refused:
        parse_tile(text)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "tile", [TileId(-2, 0), TileId(64, 0), TileId(0, -1), TileId(0, 2**55), TileId(0, 0, 0), TileId(0, 0, 257), TileId(0, 0, -1)]
)
def test_a_tile_that_cannot_be_has_no_name(tile: TileId) -> None:
    with pytest.raises(ValueError, match=r"the tile's (level|index|width) is"):
        tile_path(tile)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537])
def test_the_tiles_of_a_tree_are_those_cut_from_its_rows(size: int) -> None:
    assert list(tiles_of(size)) == list(tiles(size))


def test_the_layout_s_own_example() -> None:
    found = list(tiles_of(70_000))
    assert found[:273] == [TileId(0, index) for index in range(273)]
    assert found[273:] == [TileId(0, 273, 112), TileId(1, 0), TileId(1, 1, 17), TileId(2, 0, 1)]
    assert edge_shape(70_000) == [(273, 112), (1, 17), (0, 1)]
    assert edge_shape(256) == [(1, 0), (0, 1)]
    assert edge_shape(0) == []
    with pytest.raises(ValueError, match="size is -1"):
        edge_shape(-1)


@given(st.lists(st.integers(0, 700), max_size=8), st.data())
def test_an_edge_grown_in_any_steps_or_restored_gives_the_same_tiles_and_roots(steps: list[int], data: st.DataObject) -> None:
    edge, made = Edge(), dict[TileId, bytes]()
    restart = data.draw(st.integers(0, len(steps)))
    for number, count in enumerate(steps):
        if number == restart:
            edge = restored(edge.size)
        made.update(edge.extend(LEAVES[edge.size : edge.size + count]))
        assert edge.root() == root_of(LEAVES[: edge.size])
    assert made == {tile: hashes for tile, hashes in tiles(sum(steps)).items() if tile.width == WIDTH}
    assert edge.size == sum(steps)


@pytest.mark.parametrize("begin", [0, 1, 255, 256, 65_279, 65_280, 65_535, 65_536])
def test_an_edge_passes_a_whole_segment_from_anywhere(begin: int) -> None:
    edge, grown = restored(begin), Edge()
    grown.extend(LEAVES[:begin])
    assert edge.root() == grown.root() == root_of(LEAVES[:begin])
    known = tiles(begin)
    full = {tile: hashes for tile, hashes in tiles(LARGEST).items() if tile.width == WIDTH and tile not in known}
    assert dict(edge.extend(LEAVES[begin:])) == dict(grown.extend(LEAVES[begin:])) == full
    assert edge.root() == grown.root() == root_of(LEAVES)


def test_tiles_come_in_the_order_in_which_they_became_full_on_each_level() -> None:
    assert [tile for tile, _ in Edge().extend(LEAVES[:65_536])] == [*[TileId(0, index) for index in range(256)], TileId(1, 0)]


def test_a_copy_grows_on_its_own() -> None:
    edge = Edge()
    edge.extend(LEAVES[:300])
    twin = edge.copy()
    twin.extend(LEAVES[300:600])
    assert (edge.size, edge.root()) == (300, root_of(LEAVES[:300]))
    assert (twin.size, twin.root()) == (600, root_of(LEAVES[:600]))


@pytest.mark.parametrize(
    ("levels", "size"), [([], 1), ([[LEAVES[0]]], 0), ([[LEAVES[0]]], 2), ([[]], 256), ([[LEAVES[0]], []], 256), ([[LEAVES[0][:31]]], 1)]
)
def test_an_edge_of_another_shape_is_refused(levels: list[list[bytes]], size: int) -> None:
    with pytest.raises(ValueError, match=r"hashes; the edge of a tree|has not 32 bytes"):
        Edge(levels, size)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600, 65_537])
def test_a_tree_known_through_its_tiles_gives_every_proof(size: int) -> None:
    stored, asked = tiles(size), list[TileId]()

    def fetch(tile: TileId) -> bytes:
        asked.append(tile)
        return stored[tile]

    tree = TileTree(size, fetch)
    rows = LEAVES[:size]
    level = 0
    while rows:
        places = range(len(rows)) if size < 1000 else {0, len(rows) // 2, len(rows) - 1}
        assert all(tree.node(level, index) == rows[index] for index in places)
        rows, level = [root_of(rows[start : start + 2]) for start in range(0, len(rows) - 1, 2)], level + 1
    assert root_at(size, tree.node) == root_of(LEAVES[:size])
    assert (
        inclusion_path(size // 2, size, tree.node)[:1] == ([LEAVES[(size // 2) ^ 1]] if size > 1 and (size // 2) ^ 1 < size else [])[:1]
        or size == 257
    )
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(("level", "index"), [(0, 5), (1, 2), (3, 0), (-1, 0), (0, -1), (64, 0)])
def test_a_subtree_that_is_not_whole_is_not_made_up(level: int, index: int) -> None:
    tree = TileTree(5, lambda tile: tiles(5)[tile])
    with pytest.raises(ValueError, match="the tree of 5 leaves holds no whole subtree"):
        tree.node(level, index)


@pytest.mark.parametrize("change", [b"", b"\x00"])
def test_a_tile_of_another_length_is_refused(change: bytes) -> None:
    short_or_long = tiles(5)[TileId(0, 0, 5)][: -HASH_BYTES if not change else None] + change
    with pytest.raises(ValueError, match=r"tile/0/000.p/5 has \d+ bytes; with its width of 5 it must have 160"):
        TileTree(5, lambda _: short_or_long).node(0, 0)


@given(st.lists(st.binary(max_size=300), max_size=WIDTH))
def test_a_bundle_gives_back_its_entries(bodies: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(bodies)) == bodies


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_a_bundle_cut_off_inside_an_entry_is_refused(bodies: list[bytes]) -> None:
    data = encode_bundle(bodies)
    ends = {len(encode_bundle(bodies[:count])) for count in range(len(bodies) + 1)}
    for length in set(range(len(data))) - ends:
        with pytest.raises(ValueError, match="the bundle ends inside entry"):
            decode_bundle(data[:length])


def test_the_lengths_of_a_bundle_are_checked() -> None:
    assert encode_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(ValueError, match="an entry has 65536 bytes"):
        encode_bundle([bytes(65_536)])
    with pytest.raises(ValueError, match="more than 256 entries"):
        decode_bundle(bytes(2 * 257))
    with pytest.raises(ValueError, match="a tile has 33 bytes"):
        split(bytes(33))
