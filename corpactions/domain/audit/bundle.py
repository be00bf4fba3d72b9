"""An export bundle: which files it has and what its manifest says. ``docs/audit-format.md`` lays it out for others.

Invariant: a bundle is whole batches of one log under one checkpoint, and everything that proves them but the pinned key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from corpactions.domain.audit.bodies import Decode
from corpactions.domain.audit.entry import canonical, parse_time, time_text
from corpactions.domain.audit.tiles import WIDTH, TileId, bundle_path, edge_shape, tile_path

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
CHECKPOINT: Final = "checkpoint"


class Files(Protocol):
    """The files of a bundle, wherever they are."""

    def names(self) -> Collection[str]:
        """All paths, relative, parted by slashes."""

    def read(self, path: str) -> bytes:
        """The contents of one. Raises KeyError when it is not there."""


class Manifest(NamedTuple):
    """What a bundle says it is: entries ``first`` to ``end`` - 1 of a log, in its tree of ``size``; ``files`` has each other file's SHA-256 in hex."""

    origin: str
    log_id: int
    first: int
    end: int
    size: int
    created_at: datetime
    files: Mapping[str, str]

    def encode(self) -> bytes:
        """The bytes of ``manifest.json``."""
        return canonical({**self._asdict(), "created_at": time_text(self.created_at), "files": dict(self.files), "format": FORMAT})

    @classmethod
    def parse(cls, data: bytes, decode: Decode) -> Manifest:
        """The reverse.

        Raises:
            ValueError: it is no manifest, or not in its one form.
        """
        fields: Any = decode(data)
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT or fields.keys() != set(cls._fields):
            raise ValueError(f"it has not exactly the members format ({FORMAT}), {', '.join(cls._fields)}")
        numbers = [fields["log_id"], fields["first"], fields["end"], fields["size"]]
        files = fields["files"]
        texts = [fields["origin"], fields["created_at"], *files.values()] if isinstance(files, dict) else [None]
        if not all(type(number) is int for number in numbers) or not all(isinstance(text, str) for text in texts):
            raise ValueError("a member has a wrong type")
        manifest = cls(**{**fields, "created_at": parse_time(fields["created_at"])})
        if not 0 <= manifest.first < manifest.end <= manifest.size:
            raise ValueError(f"its range of {manifest.first} to {manifest.end} is none of a log of {manifest.size} entries")
        return manifest


def tiles_for(first: int, end: int, size: int) -> list[TileId]:
    """The tiles that prove the entries ``first`` to ``end`` - 1, and the one before them, in a tree of ``size``."""
    begin, tiles = max(0, first - 1), []
    for level, (full, width) in enumerate(edge_shape(size)):
        span = WIDTH ** (level + 1)
        tiles += [TileId(level, index) for index in range(begin // span, min((end - 1) // span, full - 1) + 1)]
        if width:
            tiles.append(TileId(level, full, width))
    return tiles


def bundles_for(first: int, end: int, size: int) -> list[TileId]:
    """The bundles that hold these entries in a tree of ``size``; their level is -1."""
    return [TileId(-1, index, min(WIDTH, size - index * WIDTH)) for index in range(first // WIDTH, (end - 1) // WIDTH + 1)]


def paths_for(manifest: Manifest, batches: Collection[int], keys: int) -> set[str]:
    """The paths of all files but the manifest: with batches that begin at these entries, and so many keys."""
    tiles = {tile_path(tile) for tile in tiles_for(manifest.first, manifest.end, manifest.size)}
    bundles = {bundle_path(bundle.index, bundle.width) for bundle in bundles_for(manifest.first, manifest.end, manifest.size)}
    return {CHECKPOINT} | tiles | bundles | {f"batches/{first}" for first in batches} | {f"keys/{number + 1}" for number in range(keys)}
