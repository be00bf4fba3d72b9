"""The tree cut into tiles of 256 hashes, as C2SP's tlog-tiles lays them out: their names, the bundles of entries below them, and the growing right edge.

The log's writer feeds an ``Edge`` and stores the full tiles it gives; a reader, or a stranger with a web server's files, proves things from tiles alone
with a ``TileTree``.

Invariant: a tile's name says level, index and width and nothing else, every tile has exactly one name, and a full tile never changes again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from corpactions.domain.audit.merkle import HASH_BYTES, root_of

WIDTH = 256
ENTRIES = -1
"""The level of a bundle: the entries themselves, below the tiles of their hashes."""
_HEIGHT = 8  # a tile is a subtree of 256 leaves
_TOP_LEVEL = 63
_MAX_SIZE = 2**63  # no log gets that far; it keeps the numbers in hostile names small
_TILES_KEPT = 1024  # 8 MB of them
_LENGTH_BYTES = 2
_MAX_BODY = 65_535

_PATH = re.compile(r"(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


class TileId(NamedTuple):
    """Which tile: its level (0 holds leaf hashes, each next one roots of full tiles below, -1 is a bundle of entries), index there, and how many it holds."""

    level: int
    index: int  # type: ignore[assignment]  # the layout's word; nobody looks for a value in a tile's name
    width: int = WIDTH


def tile_path(tile: TileId) -> str:
    """The path of a tile or bundle below the log's prefix: ``tile/0/x001/234.p/5``.

    Raises:
        ValueError: when there is no such tile.
    """
    _check(tile)
    digits = f"{tile.index:03d}"
    digits = digits.zfill(-len(digits) % 3 + len(digits))
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    return f"tile/{level}/{name}" + ("" if tile.width == WIDTH else f".p/{tile.width}")


def bundle_path(index: int, width: int = WIDTH) -> str:
    """The path of the bundle with the entries from ``index * 256`` on: ``tile/entries/x001/234``.

    Raises:
        ValueError: when there is no such bundle.
    """
    return tile_path(TileId(ENTRIES, index, width))


def parse_tile(text: str) -> TileId:
    """The tile that a path names, given what stands behind ``tile/``; level -1 for a bundle of entries.

    Raises:
        ValueError: for everything but the one name of a tile: leading zeros, a missing x, digits of other scripts, a level or width out of range.
    """
    found = _PATH.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text[:100]!r} names no tile; a name is <level or entries>/<index in groups of three digits, all but the last after x>[.p/<width>]"
        )
    level, index, width = found.groups()
    tile = TileId(
        ENTRIES if level == "entries" else int(level), int(index.replace("/", "").replace("x", "")), WIDTH if width is None else int(width)
    )
    if width is not None and tile.width >= WIDTH:
        raise ValueError(f"{text!r} has the width {width}; a partial tile has 1 to {WIDTH - 1}, and a full one is named without its width")
    if tile_path(tile) != f"tile/{text}":
        raise ValueError(f"{text!r} is not how this tile is named; its one name is {tile_path(tile).removeprefix('tile/')!r}")
    return tile


def _check(tile: TileId) -> None:
    if not ENTRIES <= tile.level <= _TOP_LEVEL:
        raise ValueError(f"the tile's level is {tile.level}; levels are 0 to {_TOP_LEVEL}, and {ENTRIES} for entries")
    if tile.index < 0 or tile.index << _HEIGHT * (max(tile.level, 0) + 1) >= _MAX_SIZE:
        raise ValueError(f"the tile's index is {tile.index}; at level {tile.level} it must be 0 or more and its leaves below 2^63")
    if not 1 <= tile.width <= WIDTH:
        raise ValueError(f"the tile's width is {tile.width}; a tile holds 1 to {WIDTH}")


def edge_shape(size: int) -> list[tuple[int, int]]:
    """Where a tree of ``size`` leaves ends: for each level the index of its first tile that is not full, and how many hashes that one holds (0 to 255).

    Raises:
        ValueError: for a negative size.
    """
    if size < 0:
        raise ValueError(f"size is {size}; a tree has 0 leaves or more")
    shape = []
    while size:
        shape.append((size // WIDTH, size % WIDTH))
        size //= WIDTH
    return shape


def tiles_of(size: int) -> Iterator[TileId]:
    """All tiles of a tree of ``size`` leaves, level by level from the leaves up, each level's partial one last."""
    for level, (full, width) in enumerate(edge_shape(size)):
        for index in range(full):
            yield TileId(level, index)
        if width:
            yield TileId(level, full, width)


def encode_bundle(bodies: Iterable[bytes]) -> bytes:
    """The bytes of a bundle: each body after its length in two bytes, the high one first.

    Raises:
        ValueError: when a body is longer than two bytes can say.
    """
    parts: list[bytes] = []
    for body in bodies:
        if len(body) > _MAX_BODY:
            raise ValueError(f"an entry has {len(body)} bytes; a bundle takes entries of up to {_MAX_BODY}")
        parts += len(body).to_bytes(_LENGTH_BYTES, "big"), body
    return b"".join(parts)


def decode_bundle(data: bytes) -> list[bytes]:
    """The bodies in a bundle.

    Raises:
        ValueError: when the bytes end inside an entry, or there are more than 256 entries.
    """
    bodies: list[bytes] = []
    at = 0
    while at < len(data):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        if begin > len(data) or at > len(data):
            raise ValueError(
                f"the bundle ends inside entry {len(bodies)} of it: {len(data)} bytes, where {max(begin, at)} are needed; it is cut off"
            )
        bodies.append(data[begin:at])
        if len(bodies) > WIDTH:
            raise ValueError(f"the bundle holds more than {WIDTH} entries; the last tile it could belong to is full")
    return bodies


def split(hashes: bytes) -> list[bytes]:
    """The hashes of a tile, one by one.

    Raises:
        ValueError: when the bytes are no whole number of hashes.
    """
    if len(hashes) % HASH_BYTES:
        raise ValueError(f"a tile has {len(hashes)} bytes; it must be a multiple of {HASH_BYTES}")
    return [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]


class Edge:
    """The right edge of a growing tree: on each level the hashes that fill no tile yet, which is all that is needed to grow it and to know its root.

    Some kilobytes whatever the size; a writer extends a ``copy`` and keeps it once the entries are stored.
    """

    __slots__ = ("_levels", "size")

    def __init__(self, levels: Sequence[Sequence[bytes]] = (), size: int = 0) -> None:
        """An edge as it was, from the partial tile of each level (an empty one where ``edge_shape`` says width 0); without arguments that of the empty tree.

        Raises:
            ValueError: when the hashes are not those of a tree of that size.
        """
        expected = [width for _, width in edge_shape(size)]
        held = [len(level) for level in levels]
        if held != expected:
            raise ValueError(f"the levels hold {held} hashes; the edge of a tree of {size} leaves holds {expected}")
        if any(len(hashed) != HASH_BYTES for level in levels for hashed in level):
            raise ValueError(f"a hash in the edge has not {HASH_BYTES} bytes; give the hashes of each level one by one")
        self.size = size
        self._levels = [list(level) for level in levels]

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[TileId, bytes]]:
        """Adds leaf hashes; gives the tiles that became full, each with its hashes one after the other, those of a lower level first."""
        full: list[tuple[TileId, bytes]] = []
        before, level = self.size, 0
        self.size += len(leaves)
        incoming = leaves
        while incoming:
            before //= WIDTH  # now the number of full tiles on this level, so the index of the next
            if level == len(self._levels):
                self._levels.append([])
            held = self._levels[level]
            held += incoming
            roots: list[bytes] = []
            for start in range(0, len(held) - WIDTH + 1, WIDTH):
                hashes = held[start : start + WIDTH]
                full.append((TileId(level, before + len(roots)), b"".join(hashes)))
                roots.append(root_of(hashes))
            del held[: len(roots) * WIDTH]
            incoming, level = roots, level + 1
        return full

    def root(self) -> bytes:
        """The root of the tree of ``size`` leaves."""
        below: list[bytes] = []
        for level in self._levels:  # what the lower levels hold counts as one last, lower subtree of this one
            row = level + below
            below = [root_of(row)] if row else []
        return root_of(below)

    def copy(self) -> Edge:
        """An edge that grows on its own from here."""
        twin = Edge()
        twin.size = self.size
        twin._levels = [list(level) for level in self._levels]
        return twin


class TileTree:
    """A tree known through its tiles: ``node`` is what the proofs in ``merkle`` ask for. The tiles fetched last are kept.

    Nothing is proved by reading it: whoever does not trust the source checks ``root_at(size, tree.node)`` against a signed root.
    """

    def __init__(self, size: int, fetch: Callable[[TileId], bytes]) -> None:
        """A tree of ``size`` leaves whose tiles ``fetch`` gets, partial ones with the width they have in this tree."""
        self.size = size
        self._fetch = fetch
        self._tile = lru_cache(_TILES_KEPT)(self._checked)

    def node(self, level: int, index: int) -> bytes:
        """The root of the perfect subtree over the leaves ``index << level`` up to, not including, ``(index + 1) << level``.

        Raises:
            ValueError: when the tree does not hold all of these leaves, or the tile that is fetched has another length than it must.
        """
        if level < 0 or index < 0 or index + 1 << level > self.size:
            raise ValueError(f"the tree of {self.size} leaves holds no whole subtree at level {level} and index {index}")
        row, height = divmod(level, _HEIGHT)
        first = index << height
        tile = first // WIDTH
        width = min(WIDTH, (self.size >> _HEIGHT * row) - tile * WIDTH)
        begin = first % WIDTH * HASH_BYTES
        return root_of(split(self._tile(TileId(row, tile, width))[begin : begin + (HASH_BYTES << height)]))

    def _checked(self, tile: TileId) -> bytes:
        hashes = self._fetch(tile)
        if len(hashes) != tile.width * HASH_BYTES:
            raise ValueError(
                f"{tile_path(tile)} has {len(hashes)} bytes; with its width of {tile.width} it must have {tile.width * HASH_BYTES}"
            )
        return hashes
