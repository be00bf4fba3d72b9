"""Verifying an export bundle: with a pinned key and, where there is one, the witness's, and nothing else in the world.

The steps are those of docs/audit-format.md, "Verifying a bundle". Every file is looked at even after a finding, so that all places are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from corpactions.domain.audit.batch import Batch, offsets_text
from corpactions.domain.audit.bundle import CHECKPOINT, MANIFEST, Files, Manifest, bundles_for, paths_for, tiles_for
from corpactions.domain.audit.claims import read_claim
from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.findings import Check, Finding, Findings
from corpactions.domain.audit.joined import Joined
from corpactions.domain.audit.joining import Joiner
from corpactions.domain.audit.keys import Untrusted, key_for
from corpactions.domain.audit.merkle import root_at, root_of
from corpactions.domain.audit.notes import Key, Note, Signature, signed_by
from corpactions.domain.audit.offsets import Span
from corpactions.domain.audit.peaks import Peaks
from corpactions.domain.audit.ranges import BatchRow, CheckpointNote, Claim, Range, Rules
from corpactions.domain.audit.tiles import WIDTH, TileId, TileTree, bundle_path, decode_bundle, split, tile_path
from corpactions.domain.audit.trust import Trust, check_own_entries, establish, predecessor_of
from corpactions.domain.audit.verification import RangeVerifier

_HASH_BYTES: Final = 32
_NO_SIGNATURE: Final = Signature("", bytes(4), b"")


class BundleReport(NamedTuple):
    """What the verification of a bundle found. ``manifest`` is None when it cannot be read, and then nothing else was looked at."""

    manifest: Manifest | None
    manifest_sha256: bytes
    entries: int
    batches: int
    cosigned_at: datetime | None
    findings: tuple[Finding, ...]
    counts: dict[str, int]

    @property
    def verified(self) -> bool:
        """Nothing was found."""
        return not self.counts

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        manifest = self.manifest
        about = {} if manifest is None else {name: getattr(manifest, name) for name in ("origin", "log_id", "first", "end", "size")}
        return {
            **about,
            "manifest_sha256": self.manifest_sha256.hex(),
            "entries": self.entries,
            "batches": self.batches,
            "cosigned_at": None if self.cosigned_at is None else self.cosigned_at.isoformat(),
            "findings": [finding._asdict() for finding in self.findings],
            "counts": self.counts,
            "verified": self.verified,
        }


def verify_bundle(files: Files, rules: Rules, trusted: Key) -> BundleReport:
    """Verify a bundle.

    Args:
        files: the bundle.
        rules: with ``verify``, ``decode``, and the witness's key if there is one; origin and keys are taken from the bundle and held against ``trusted``.
        trusted: the pinned key.
    """
    data = files.read(MANIFEST) if MANIFEST in files.names() else b""
    try:
        manifest = Manifest.parse(data, rules.decode)
    except ValueError as error:
        found = Findings(trusted.name)
        found.add("manifest", MANIFEST, f"it cannot be read: {error}" if data else "there is none")
        return BundleReport(None, sha256(data).digest(), 0, 0, None, tuple(found.items), dict(found.counts))
    checked = _Bundle(files, rules, manifest)
    checked.files()
    checked.keys(trusted)
    claim = checked.checkpoint()
    checked.tiles(claim)
    joined = checked.ranges(claim)
    found, time = checked.found, None if claim is None else claim.cosigned_at
    items = tuple(sorted(found.items, key=lambda each: (-1 if each.seq is None else each.seq, each.check)))
    return BundleReport(manifest, sha256(data).digest(), joined.entries, joined.batches - checked.unproved, time, items, dict(found.counts))


class _Bundle:
    def __init__(self, files: Files, rules: Rules, manifest: Manifest) -> None:
        self._files = files
        self._names = frozenset(files.names())
        self._manifest = manifest
        self._rules = rules._replace(origin=manifest.origin)
        self.found = Findings(manifest.origin)
        self._tree = TileTree(manifest.size, lambda tile: self._read(tile_path(tile)))
        self._statements: list[bytes] = []
        self._batches: list[BatchRow] = []
        self._trust: Trust | None = None
        self.unproved = 0

    def files(self) -> None:
        """Exactly the files of the manifest, each with its hash, and all that the range needs."""
        listed = self._manifest.files
        for path in sorted(self._names - listed.keys() - {MANIFEST}):
            self.found.add("manifest", path, "the manifest does not list it")
        for path, digest in sorted(listed.items()):
            if path not in self._names:
                self.found.add("manifest", path, "it is listed and not there")
            elif sha256(self._files.read(path)).hexdigest() != digest:
                self.found.add("manifest", path, "it has another hash than the manifest says")
        batches = [int(path[8:]) for path in self._names if path.startswith("batches/") and path[8:].isdigit()]
        keys = sum(path.startswith("keys/") for path in self._names)
        wanted = paths_for(self._manifest, batches, keys)
        for path in sorted(wanted - self._names):
            check: Check = (
                "sequence"
                if path.startswith("tile/entries/")
                else "tile"
                if path.startswith("tile/")
                else "key"
                if "keys/" in path
                else "checkpoint"
            )
            self.found.add(check, path, "it is missing")
        for path in sorted((self._names & listed.keys()) - wanted):
            self.found.add("manifest", path, "no bundle of this range has such a file")
        number = _number(self._manifest.origin)
        if self._manifest.log_id != number:
            self.found.add("manifest", MANIFEST, f"it says log {self._manifest.log_id}, but {self._manifest.origin} is log {number}")

    def keys(self, trusted: Key) -> None:
        """Walk the key history from the pinned key; from here on, signatures are looked at."""
        numbers = range(1, 1 + sum(path.startswith("keys/") for path in self._names))
        self._statements = [self._read(f"keys/{number}") for number in numbers if f"keys/{number}" in self._names]
        trust = establish(self._statements, trusted, self._rules.verify, self.found) if self._rules.verify else None
        self._trust = trust
        if trust is not None:
            self._rules = self._rules._replace(periods=trust.periods)
        firsts = sorted(int(path[8:]) for path in self._names if path.startswith("batches/") and path[8:].isdigit())
        self._batches = [row for first in firsts if (row := self._batch(first)) is not None]

    def checkpoint(self) -> Claim | None:
        """The checkpoint's word for the root."""
        if CHECKPOINT not in self._names:
            return None
        note = CheckpointNote("checkpoint", self._manifest.size, self._read(CHECKPOINT), cosigned=self._rules.witness is not None or None)
        claim = read_claim(note, self._rules)
        if isinstance(claim, Finding):
            self.found.take([claim], {claim.check: 1})
            return None
        return claim

    def tiles(self, claim: Claim | None) -> None:
        """Each full tile is the one that the tile above names, and the partial ones give the checkpoint's root."""
        for tile in tiles_for(self._manifest.first, self._manifest.end, self._manifest.size):
            data, path = self._read(tile_path(tile)), tile_path(tile)
            if len(data) != tile.width * _HASH_BYTES:
                self.found.add(
                    "tile", _place(tile), f"{path} has {len(data)} bytes instead of {tile.width * _HASH_BYTES}", seq=_first(tile)
                )
            elif tile.width == WIDTH and (above := self._above(tile)) is not None and root_of(split(data)) != above:
                self.found.add("tile", _place(tile), "its root is not the hash at its place in the tile above", seq=_first(tile))
        if claim is not None:
            try:
                if root_at(claim.size, self._tree.node) != claim.root:
                    self.found.add("root", f"checkpoint {claim.size}", "the partial tiles do not give the checkpoint's root", seq=0)
            except ValueError:
                pass  # a partial tile is missing or has a wrong length, which was found above

    def _above(self, tile: TileId) -> bytes | None:
        level, index = tile.level + 1, tile.index // WIDTH
        width = min(WIDTH, (self._manifest.size >> 8 * level) - index * WIDTH)
        data, at = self._read(tile_path(TileId(level, index, width))) if width > 0 else b"", tile.index % WIDTH * _HASH_BYTES
        return data[at : at + _HASH_BYTES] if len(data) == width * _HASH_BYTES else None

    def ranges(self, claim: Claim | None) -> Joined:
        """Entries, chain, times, batches and roots."""
        manifest = self._manifest
        self._check_cover()
        begin, end = manifest.first // WIDTH * WIDTH, min(-(-manifest.end // WIDTH) * WIDTH, manifest.size)
        joined = Joined(manifest.origin, begin)
        left = self._peaks(begin)
        if begin % SEGMENT == 0:
            joined.peaks, left = list(left), ()
        joined.last_leaf = self._leaf(begin - 1)
        joiner = Joiner(self._rules, lambda level, index: self._read(tile_path(TileId(level, index))), joined)
        first = begin
        while first < end:
            stop = min((first // SEGMENT + 1) * SEGMENT, end)
            verifier = RangeVerifier(self._rules, self._part(first, stop, left))
            verifier.feed(self._entries(first, stop))
            joiner.add(verifier.finish())
            first, left = stop, ()
        found = joiner.finish()
        self.found.take(found.items, found.counts)
        self._check_time(claim, joined)
        self._check_own_entries(begin, end)
        return joined

    def _part(self, first: int, end: int, left: Sequence[tuple[int, bytes]]) -> Range:
        manifest, tiles = self._manifest, {}
        for index in range(first // WIDTH, end // WIDTH):
            tiles[0, index] = self._read(tile_path(TileId(0, index)))
        if end - first == SEGMENT:
            tiles[1, first // SEGMENT] = self._read(tile_path(TileId(1, first // SEGMENT)))
        batches = [row for row in self._batches if first <= row.first < end]
        notes = []
        if first < manifest.size <= end and CHECKPOINT in self._names:
            notes.append(
                CheckpointNote("checkpoint", manifest.size, self._read(CHECKPOINT), cosigned=self._rules.witness is not None or None)
            )
        signed = Span(max(first, manifest.first), min(end, manifest.end))
        return Range(first, end, batches, tiles, notes, (), left, signed)

    def _entries(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        for bundle in bundles_for(first, end, self._manifest.size):
            path, at = bundle_path(bundle.index, bundle.width), bundle.index * WIDTH
            try:
                bodies = decode_bundle(self._read(path))
            except ValueError as error:
                self.found.add("sequence", path, str(error), seq=at)
                continue
            if len(bodies) != bundle.width:
                self.found.add("sequence", path, f"it holds {len(bodies)} entries instead of {bundle.width}", seq=at)
            yield from enumerate(bodies[: bundle.width], at)

    def _check_cover(self) -> None:
        """The batches' range is the bundle's."""
        if self._batches and (self._batches[0].first, self._batches[-1].size) != (self._manifest.first, self._manifest.end):
            begin, end = self._batches[0].first, self._batches[-1].size
            detail = (
                f"the batch notes are of entries {begin} to {end - 1}, the bundle is of {self._manifest.first} to {self._manifest.end - 1}"
            )
            self.found.add("batch", f"batch {begin}", detail, seq=begin)

    def _check_time(self, claim: Claim | None, joined: Joined) -> None:
        """What the witness saw was recorded by then, also where the checkpoint lies beyond the range."""
        if claim is None or claim.cosigned_at is None or joined.last_time is None or joined.position >= claim.size:
            return
        limit = claim.cosigned_at + self._rules.allowed
        if joined.last_time > limit.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z":
            detail = f"recorded at {joined.last_time}, but the checkpoint over it was witnessed at {claim.cosigned_at:%Y-%m-%dT%H:%M:%SZ}"
            self.found.add("time", f"entry {joined.position - 1}", detail, seq=joined.position - 1, found_by="witness")

    def _check_own_entries(self, begin: int, end: int) -> None:
        """The first entry opens the log, and those from which on a new key signs state it."""
        if self._trust is None:
            return
        wanted = {0, *(period.from_seq for period in self._trust.periods if period.log_origin == self._manifest.origin)}
        bodies = dict(row for seq in sorted(wanted) if begin <= seq < end for row in self._entries(seq, seq + 1) if row[0] == seq)
        predecessor = predecessor_of(bodies.get(0))
        check_own_entries(self._manifest.origin, predecessor, self._trust, self._statements, bodies, self.found)

    def _batch(self, first: int) -> BatchRow | None:
        place = f"batch {first}"
        try:
            note = Note.parse(self._read(f"batches/{first}"))
            batch = Batch.parse(note.text)
        except ValueError as error:
            self.found.add("batch", place, f"its note cannot be read: {error}", seq=first)
            return None
        if batch.first != first or batch.origin != self._manifest.origin:
            self.found.add("batch", place, f"its note is of batch {batch.first} of {batch.origin}", seq=first)
            return None
        line = self._line(note, first)
        return BatchRow(
            *(batch.first, batch.size, batch.epoch, batch.recorded_at, offsets_text(batch.offsets).encode()),
            *(batch.batch_root, batch.tree_root, line.key_id, line.signature),
        )

    def _line(self, note: Note, first: int) -> Signature:
        """The line of the key of the batch's period, without its signature where one line of that key is not good."""
        periods, verify = self._rules.periods, self._rules.verify
        if verify is None or not periods:
            return _NO_SIGNATURE
        try:
            key = key_for(periods, self._manifest.origin, first)
        except Untrusted as error:
            self.found.add("key", f"batch {first}", error.reason, seq=first)
            self.unproved += 1
            return _NO_SIGNATURE
        line = next((line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)), _NO_SIGNATURE)
        return line if signed_by(note, key, verify) else line._replace(signature=b"")

    def _peaks(self, size: int) -> tuple[tuple[int, bytes], ...]:
        try:
            return Peaks.at(size, self._tree.node).items()
        except ValueError as error:
            self.found.add("tile", f"entry {size}", f"what lies before cannot be taken from the tiles: {error}", seq=size)
            return ()

    def _leaf(self, seq: int) -> str | None:
        tile = TileId(0, seq // WIDTH, min(WIDTH, self._manifest.size - seq // WIDTH * WIDTH))
        if seq < 0 or tile_path(tile) not in self._names:
            return None
        at = seq % WIDTH * _HASH_BYTES
        return self._read(tile_path(tile))[at : at + _HASH_BYTES].hex()

    def _read(self, path: str) -> bytes:
        """The contents; nothing for a file that is not there, which was found when the files were counted."""
        return self._files.read(path) if path in self._names else b""


def _place(tile: TileId) -> str:
    return f"tile {tile.level}/{tile.index}"


def _first(tile: TileId) -> int:
    return tile.index << (8 * (tile.level + 1))


def _number(origin: str) -> int:
    """The log's number, by its name."""
    tail = origin.rpartition("/")[2]
    return int(tail) if tail.isdigit() else 1
