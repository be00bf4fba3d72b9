"""A log that grows in memory with keys from fixed seeds, and the export bundles of it, as ``docs/audit-format.md`` lays them out.

Bodies, batches, notes and tiles are the product's own; nothing else of it takes part. The same calls always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from corpactions.domain.audit import keys
from corpactions.domain.audit.appending import Appender, Head
from corpactions.domain.audit.batch import Batch
from corpactions.domain.audit.entry import OWN_ACTOR, Content, Draft, Encode, Source, canonical, time_text
from corpactions.domain.audit.merkle import leaf_hash, root_of
from corpactions.domain.audit.notes import Checkpoint, Note, add_signature, cosign, plain_signature, sign_note
from corpactions.domain.audit.tiles import WIDTH, Edge, TileId, bundle_path, edge_shape, encode_bundle, tile_path, tiles_of
from tests.support.signing import LOG, WITNESS, MemorySigner

Files = dict[str, bytes]
"""A bundle: contents by path."""
ORIGIN = LOG
TOPIC = "corporate-actions-audit"


def seed_signer(name: str, letter: bytes) -> MemorySigner:
    """The key whose seed is 32 times this byte, as the published vectors have it."""
    return MemorySigner(name, int.from_bytes(letter * 32, "big"))


def log_signer(number: int) -> MemorySigner:
    """Key ``number`` of the log; its seed is 32 times this byte."""
    return seed_signer(ORIGIN, bytes([number]))


def log_vkey(number: int) -> str:
    return log_signer(number).key.vkey


WITNESS_SIGNER = seed_signer(WITNESS, b"w")
WITNESS_VKEY = WITNESS_SIGNER.cosigning_key.vkey


class Logged(NamedTuple):
    """A batch with its note."""

    batch: Batch
    note: bytes


class GrownLog:
    """A log from its ``LOG_OPENED`` on, which is a batch of its own unless more is opened with it.

    With another ``encode`` it is one whose holder of the keys cheats: bodies are then what that makes of their fields.
    """

    def __init__(self, at: datetime, *more: Draft, offsets: Mapping[int, int] | None = None, encode: Encode = canonical) -> None:
        self.bodies: list[bytes] = []
        self.batches: list[Logged] = []
        self.statements = [keys.state(1, ORIGIN, 0, log_signer(1)).encode()]
        self._appender = Appender(Head(ORIGIN, Edge()), 1, self._sign, encode)
        self.add([own("LOG_OPENED", f"log:{ORIGIN}", {"key": log_vkey(1), "predecessor": None}), *more], at, offsets or {})

    @property
    def signer(self) -> MemorySigner:
        """The key in use."""
        return log_signer(len(self.statements))

    def _sign(self, message: bytes) -> bytes:
        return self.signer.sign(message)  # the one in use now, not when the log was opened

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(body) for body in self.bodies]

    def add(self, drafts: Sequence[Draft], at: datetime, offsets: Mapping[int, int]) -> Batch:
        """Append one batch."""
        batch, signature, entries, _ = self._appender.build(drafts, offsets, at)
        self.bodies += [entry.body for entry in entries]
        note = add_signature(Note(batch.text(), ()), plain_signature(batch.text(), self.signer))
        assert note.signatures[0].signature == signature
        self.batches.append(Logged(batch, note.encode()))
        return batch

    def rotate(self, at: datetime, *more: Draft, offsets: Mapping[int, int] | None = None) -> Batch:
        """Take the next key into use, with a batch that begins with its ``KEY_ADDED``."""
        number = len(self.statements) + 1
        statement = keys.state(number, ORIGIN, len(self.bodies), log_signer(number), self.signer)
        self.statements.append(statement.encode())
        added = own("KEY_ADDED", f"key:{ORIGIN}:{number}", {"statement": statement.encode().decode()})
        return self.add([added, *more], at, offsets or {})

    def checkpoint(self, cosigned_at: int) -> bytes:
        """The log as it stands, signed and cosigned."""
        note = sign_note(Checkpoint(ORIGIN, len(self.bodies), self.batches[-1].batch.tree_root).text(), self.signer)
        return add_signature(note, cosign(note, WITNESS_SIGNER, cosigned_at)).encode()

    def bundle(self, first: int, end: int, cosigned_at: int, created_at: datetime) -> Files:
        """An export of whole batches under a checkpoint of the log as it stands."""
        size = len(self.bodies)
        files: Files = {"checkpoint": self.checkpoint(cosigned_at)}
        files |= {f"keys/{number}": statement for number, statement in enumerate(self.statements, 1)}
        files |= {f"batches/{batch.first}": note for batch, note in self.batches if first <= batch.first < end}
        files |= {tile_path(tile): tile_hashes(self.leaves, tile) for tile in tiles_above(first, end, size)}
        for index in range(first // WIDTH, (end - 1) // WIDTH + 1):
            bodies = self.bodies[index * WIDTH : (index + 1) * WIDTH]
            files[bundle_path(index, len(bodies))] = encode_bundle(bodies)
        return with_manifest(
            files, {"created_at": time_text(created_at), "end": end, "first": first, "log_id": 1, "origin": ORIGIN, "size": size}
        )


def with_manifest(files: Files, about: Mapping[str, Any]) -> Files:
    """The files with a manifest that fits them; takes the place of one that is there."""
    listed = {path: sha256(data).hexdigest() for path, data in files.items() if path != "manifest.json"}
    return {**files, "manifest.json": canonical({**about, "format": 1, "files": listed})}


def tiles_above(first: int, end: int, size: int) -> list[TileId]:
    """The tiles that an export of ``first`` to ``end`` - 1 holds."""
    shape = edge_shape(size)
    begin = max(0, first - 1)

    def needed(tile: TileId) -> bool:
        span = WIDTH ** (tile.level + 1)
        return begin // span <= tile.index <= (end - 1) // span or tile.index == shape[tile.level][0]

    return [tile for tile in tiles_of(size) if needed(tile)]


def tile_hashes(leaves: Sequence[bytes], tile: TileId) -> bytes:
    """A tile's bytes, straight from the leaves."""
    span = WIDTH**tile.level
    begin = tile.index * WIDTH
    return b"".join(root_of(leaves[number * span : (number + 1) * span]) for number in range(begin, begin + tile.width))


def own(action: str, record_id: str, detail: dict[str, Any], resource: str = f"log:{ORIGIN}", source: Source | None = None) -> Draft:
    """An entry that the log makes itself."""
    return Draft(Content(record_id, action, OWN_ACTOR, resource, None, None, detail), source)


def record(offset: int, partition: int = 0, **detail: Any) -> Draft:
    """The entry of a record of the pipeline: an event that was applied."""
    event = f"0192f1c2-0000-7000-8000-{partition:04d}{offset:08d}"
    told = {
        "after": "COMPLETED",
        "before": None,
        "cause": {"offset": 100 + offset, "partition": partition, "topic": "corporate-actions-events"},
        "code": None,
        "correlation_id": "9b2f6c1e-7d0a-4c39-8a55-1f2e3d4c5b6a",
        "flags": [],
        "function": "NEWM",
        "happened_at": "2026-11-24T09:00:00.000000Z",
        "origin": "gateway",
        "payload_commitment": sha256(event.encode()).hexdigest(),
        "reason": None,
        "revision": 1,
        "transitions": [
            {"at": "2026-11-24T08:59:59.750000Z", "from": None, "to": "PENDING"},
            {"at": "2026-11-24T09:00:00.000000Z", "from": "PENDING", "to": "COMPLETED"},
        ],
        "version": 1,
    }
    content = Content(f"{event}:1", "APPLIED", "user:ops.anna", f"event:{event}", "DIVIDEND", "MSFT", {**told, **detail})
    return Draft(content, Source(TOPIC, partition, offset))
