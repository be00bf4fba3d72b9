"""Hash tiles of a stored log: full ones as stored, partial ones derived from what lies below them.

Invariant: a tile that comes from here is what the stored bytes give; nothing is taken from a column that says what the bytes should hash to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from corpactions.domain.audit.merkle import leaf_hash, root_of
from corpactions.domain.audit.tiles import WIDTH, Edge, TileId, edge_shape, split

Query = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a SELECT and gives its rows."""
_ROWS: Final = 2_000


class MissingTile(Exception):
    """The store lacks a tile, or entries that it is made of."""

    def __init__(self, tile: TileId) -> None:
        super().__init__(f"tile {tile.level}/{tile.index} ({tile.width} wide) cannot be had from what is stored")
        self.tile = tile


def read_tile(query: Query, log_id: int, tile: TileId) -> bytes:
    """The hashes of a tile, one after the other.

    Raises:
        MissingTile: it is not there, and not all of what it is made of is.
    """
    stored = query(f"SELECT hashes FROM audit_tiles WHERE log_id={log_id} AND level={tile.level} AND idx={tile.index}")
    if stored:
        return bytes(stored[0][0])[: tile.width * 32]
    first, end = tile.index * WIDTH, tile.index * WIDTH + tile.width
    hashes = _leaves(query, log_id, first, end) if tile.level == 0 else _roots(query, log_id, tile.level - 1, first, end)
    if len(hashes) != tile.width:
        raise MissingTile(tile)
    return b"".join(hashes)


def read_edge(query: Query, log_id: int, size: int) -> Edge:
    """The right edge of the tree of the first ``size`` entries.

    Raises:
        MissingTile: something that it is made of is not there.
    """
    levels = [
        split(read_tile(query, log_id, TileId(level, index, width))) if width else []
        for level, (index, width) in enumerate(edge_shape(size))
    ]
    return Edge(levels, size)


def _leaves(query: Query, log_id: int, first: int, end: int) -> list[bytes]:
    rows = query(f"SELECT body FROM audit_entries WHERE log_id={log_id} AND seq>={first} AND seq<{end} ORDER BY seq LIMIT {_ROWS}")
    return [leaf_hash(bytes(body)) for (body,) in rows]


def _roots(query: Query, log_id: int, level: int, first: int, end: int) -> list[bytes]:
    rows = query(f"SELECT hashes FROM audit_tiles WHERE log_id={log_id} AND level={level} AND idx>={first} AND idx<{end} ORDER BY idx")
    return [root_of(split(bytes(hashes))) for (hashes,) in rows]
