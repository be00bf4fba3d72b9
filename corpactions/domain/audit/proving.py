"""Proved tiles of trees whose roots are known: which hashes stand where, fetched from a store that is not believed.

A tree's right edge proves itself by giving the root; every full tile is proved by the tile above it, up to that edge. Contents are remembered as fetched, so that the
same tile is hashed once however many trees it is in; what does not fit is fetched again, and then made anew from what lies below.

Invariant: nothing is handed out that was not compared with a root by way of hashes alone.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from corpactions.domain.audit.merkle import HASH_BYTES, leaf_hash, root_of
from corpactions.domain.audit.tiles import WIDTH, Edge, TileId, edge_shape, split

TILES_KEPT: Final = 512
"""Full tiles that are remembered: some 8 MB."""
TREES_KEPT: Final = 256
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TileSource(Protocol):
    """The stored log, as it is. Nothing that it gives is believed."""

    def tiles(self, tiles: Collection[TileId]) -> Mapping[TileId, bytes]:
        """Those of the tiles that can be had, partial ones of level 0 from the bodies."""

    def roots(self, level: int, first: int, end: int) -> list[bytes]:
        """The hashes ``first`` to ``end`` - 1 of a level above 0, from the stored tiles below; fewer when one is missing."""

    def rebuilt(self, tile: TileId) -> bytes | None:
        """A tile of level 0 made anew from the bodies; None when they are not all there."""

    def linked(self, tile: TileId) -> bytes | None:
        """The same from what each entry says of the one before it, which a changed body does not change."""


class Tree(NamedTuple):
    """A tree by what somebody signed of it."""

    size: int
    root: bytes


class _Full(NamedTuple):
    hashes: list[bytes]
    root: bytes


class Prover:
    """See above. Not for several threads at once.

    ``changed`` collects the tiles of level 0 whose stored bytes are not what the bodies give; whoever asks for hashes looks there afterwards.
    """

    def __init__(self, source: TileSource) -> None:
        self._source = source
        self._full: Recent[tuple[int, int], _Full] = Recent(TILES_KEPT)
        self._edges: Recent[Tree, list[list[bytes]]] = Recent(TREES_KEPT)
        self._upper: dict[tuple[int, int], list[bytes]] = {}
        self._failed: set[tuple[Tree, int, int]] = set()
        self.changed: set[int] = set()

    def load(self, trees: Collection[Tree], numbers: Collection[int]) -> None:
        """A new page: fetch at once the tiles that its entries and trees will need. What failed the last time may be tried again."""
        self._failed.clear()
        self.changed.clear()
        wanted = {(0, seq // WIDTH) for seq in numbers} | {(0, tree.size // WIDTH) for tree in trees}
        largest = max((tree.size for tree in trees), default=0)
        tiles = [TileId(*key) for key in wanted if self._full.get(key) is None and (key[1] + 1) * WIDTH <= largest]
        for tile, data in self._source.tiles(tiles).items():
            self._keep(tile, data)

    def leaf(self, tree: Tree, seq: int) -> bytes | None:
        """The hash of an entry in a tree; None when it cannot be proved."""
        hashes = self._hashes(tree, 0, seq // WIDTH) if 0 <= seq < tree.size else None
        return None if hashes is None else hashes[seq % WIDTH]

    def _hashes(self, tree: Tree, level: int, index: int) -> list[bytes] | None:
        """The proved hashes of a tile of this tree."""
        if (tree, level, index) in self._failed:
            return None
        edge = edge_shape(tree.size)
        if index == edge[level][0]:
            levels = self._edge(tree)
            found = None if levels is None else levels[level]
        else:
            above = self._hashes(tree, level + 1, index // WIDTH)
            found = None if above is None else self._below(level, index, above[index % WIDTH])
        if found is None:
            self._failed.add((tree, level, index))
        return found

    def _below(self, level: int, index: int, root: bytes) -> list[bytes] | None:
        """A full tile with this root."""
        key = level, index
        known = self._full.get(key)
        if known is not None and known.root == root:
            return known.hashes
        tile = TileId(level, index)
        fetched = self._keep(tile, self._source.tiles([tile]).get(tile, b""))
        if fetched is not None and fetched.root == root:
            return fetched.hashes
        for made in self._made(tile):
            again = self._keep(tile, made or b"")
            if again is not None and again.root == root:
                if level == 0:
                    self.changed.add(index)
                return again.hashes
        return None

    def _made(self, tile: TileId) -> Iterator[bytes | None]:
        """A full tile without its stored bytes, in all ways that there are."""
        if tile.level:
            yield b"".join(self._source.roots(tile.level, tile.index * WIDTH, (tile.index + 1) * WIDTH))
        else:
            yield self._source.rebuilt(tile)
            yield self._source.linked(tile)

    def _edge(self, tree: Tree) -> list[list[bytes]] | None:
        """The partial tiles of a tree, level by level, if they give its root."""
        if (known := self._edges.get(tree)) is not None:
            return known
        for upper, lowest in product((self._upper_hashes, self._upper_anew), (self._lowest, self._lowest_linked)):
            levels = [
                (lowest(index, width) if level == 0 else upper(level, index, width)) if width else []
                for level, (index, width) in enumerate(edge_shape(tree.size))
            ]
            if _root(levels, tree.size) == tree.root:
                self._edges.put(tree, levels)
                return levels
        return None

    def proves(self, tree: Tree) -> bool:
        """Whether the store still gives this tree's root; without that, nothing can be proved in it."""
        return self._edge(tree) is not None

    def _lowest(self, index: int, width: int) -> list[bytes]:
        if (full := self._full.get((0, index))) is not None:
            return full.hashes[:width]
        tile = TileId(0, index, width)
        return _split(self._source.tiles([tile]).get(tile, b""))

    def _lowest_linked(self, index: int, width: int) -> list[bytes]:
        return _split(self._source.linked(TileId(0, index, width)) or b"")

    def _upper_hashes(self, level: int, index: int, width: int) -> list[bytes]:
        """The beginning of a tile above the leaves: a full one as stored, else what lies below, of which only the new part is read."""
        if (full := self._full.get((level, index))) is not None:
            return full.hashes[:width]
        known = self._upper.setdefault((level, index), [])
        if len(known) < width:
            known += self._source.roots(level, index * WIDTH + len(known), index * WIDTH + width)
        return known[:width]

    def _upper_anew(self, level: int, index: int, width: int) -> list[bytes]:
        """The same without trusting any stored tile of level 0, since one of them was changed."""
        self._upper.pop((level, index), None)
        if level > 1:
            return self._upper_hashes(level, index, width)
        hashes = []
        for number in range(index * WIDTH, index * WIDTH + width):
            stored = self._source.tiles([TileId(0, number)]).get(TileId(0, number), b"")
            made = self._source.rebuilt(TileId(0, number))
            if made is not None and made != stored:
                self.changed.add(number)
            hashes.append(root_of(_split(made or stored)))
        self._upper[level, index] = list(hashes)
        return hashes

    def _keep(self, tile: TileId, data: bytes) -> _Full | None:
        hashes = _split(data)
        if len(hashes) != WIDTH:
            return None
        full = _Full(hashes, root_of(hashes))
        self._full.put((tile.level, tile.index), full)
        return full


def linked_hashes(bodies: Mapping[int, bytes], first: int, width: int) -> bytes | None:
    """The hashes of entries as the entries behind them name them, or as their own bodies give them where there is none behind.

    Args:
        bodies: by number; one more than ``width`` where the log goes on.
        first: the first entry wanted.
        width: how many.
    """
    hashes: list[bytes] = []
    for seq in range(first, first + width):
        link = _link(bodies.get(seq + 1, b""))
        if link is None and seq not in bodies:
            return None
        hashes.append(leaf_hash(bodies[seq]) if link is None else link)
    return b"".join(hashes)


def _link(body: bytes) -> bytes | None:
    try:
        link = bytes.fromhex(json.loads(body)["prev"])
    except (ValueError, TypeError, KeyError):
        return None
    return link if len(link) == HASH_BYTES else None


def _root(levels: Sequence[Sequence[bytes]], size: int) -> bytes | None:
    try:
        return Edge(levels, size).root()
    except ValueError:
        return None


def _split(data: bytes) -> list[bytes]:
    try:
        return split(data)
    except ValueError:
        return []


class Recent(Generic[K, V]):
    """A dictionary that forgets what was not asked for the longest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """What is known under a key."""
        if key in self._items:
            self._items.move_to_end(key)
        return self._items.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember it."""
        self._items[key] = value
        self._items.move_to_end(key)
        while len(self._items) > self._most:
            self._items.popitem(last=False)
