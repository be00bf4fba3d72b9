"""Honest export bundles of 600 entries, and tables of broken ones with the check and place at which each must be found.

A table's value is what makes the bundle, and what the second verifier says of it: ``check: place`` for each finding.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from corpactions.domain.audit.entry import Encode, canonical
from corpactions.domain.audit.notes import Note, sign_note
from corpactions.domain.audit.tiles import decode_bundle, encode_bundle
from tests.support.audit_bundles import ORIGIN, Files, GrownLog, log_signer, log_vkey, record, seed_signer, with_manifest
from tests.support.signing import MemorySigner

Break = Callable[[Files], Files]
START = datetime(2026, 11, 24, 9, tzinfo=UTC)
COSIGNED = int(START.timestamp()) + 30
SIZE = 600
ROTATED_AT = 260
BOUNDARIES = [0, 1, 60, 160, ROTATED_AT, 300, 400, 512, SIZE]
STRANGER = seed_signer(ORIGIN, b"s")
ENTRIES_0, ENTRIES_1, ENTRIES_2 = "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"
EDGE_0, EDGE_1 = "tile/0/002.p/88", "tile/1/000.p/2"


def grown(encode: Encode = canonical, until: int = SIZE) -> GrownLog:
    """600 entries in 8 batches, or as many of them as are needed; the second key begins at entry 260."""
    log = GrownLog(START, encode=encode)
    for number, size in enumerate(BOUNDARIES[2:], 1):
        if len(log.bodies) >= until:
            break
        first, at = len(log.bodies), START + timedelta(seconds=number)
        if first == ROTATED_AT:
            log.rotate(at, *[record(seq, seq % 2) for seq in range(first + 1, size)], offsets={0: size, 1: size})
        else:
            log.add([record(seq, seq % 2) for seq in range(first, size)], at, {0: size, 1: size})
    return log


@cache
def honest(first: int = 0, end: int = SIZE) -> Files:
    return grown().bundle(first, end, COSIGNED, START + timedelta(days=1))


def listed(files: Files, **changes: Any) -> Files:
    """The files with a manifest that fits them again, as whoever breaks a bundle would write it."""
    about = json.loads(files["manifest.json"])
    return with_manifest(files, {**about, **changes})


# Whoever can write the files, but has no key.


def flip(path: str, at: int = 0) -> Break:
    """One bit turned in a file."""

    def break_(files: Files) -> Files:
        changed = bytearray(files[path])
        changed[at] ^= 1
        return {**files, path: bytes(changed)}

    return break_


def bodies(path: str, change: Callable[[list[bytes]], list[bytes]]) -> Break:
    return lambda files: {**files, path: encode_bundle(change(decode_bundle(files[path])))}


def swapped(found: list[bytes]) -> list[bytes]:
    return [*found[:10], found[11], found[10], *found[12:]]


def without(path: str) -> Break:
    return lambda files: {name: data for name, data in files.items() if name != path}


def text(path: str, old: str, new: str) -> Break:
    def break_(files: Files) -> Files:
        before = files[path].decode()
        assert old in before
        return {**files, path: before.replace(old, new, 1).encode()}

    return break_


def exchanged(one: str, other: str) -> Break:
    return lambda files: {**files, one: files[other], other: files[one]}


def resigned(path: str) -> Break:
    """One bit of the signature turned."""

    def break_(files: Files) -> Files:
        note = Note.parse(files[path])
        line = note.signatures[0]
        return {**files, path: Note(note.text, (line._replace(signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1])),)).encode()}

    return break_


BY_KEY_2 = {"checkpoint: checkpoint 600", *(f"signature: batch {first}" for first in BOUNDARIES if ROTATED_AT <= first < SIZE)}
CHANGED: dict[str, tuple[Break, set[str]]] = {
    "a word of a body": (
        bodies(ENTRIES_1, lambda found: [*found[:44], found[44].replace(b"ops.anna", b"ops.otto"), *found[45:]]),
        {"body: entry 300"},
    ),
    "two entries swapped": (bodies(ENTRIES_0, swapped), {"body: entry 10", "body: entry 11"}),
    "the last entry dropped": (bodies(ENTRIES_2, lambda found: found[:-1]), {"sequence: entry 599"}),
    "an entry put at the end": (bodies(ENTRIES_2, lambda found: [*found, found[0]]), {"sequence: entry 600"}),
    "a bundle cut off": (lambda files: {**files, ENTRIES_2: files[ENTRIES_2][:-1]}, {"sequence: entry 599"}),
    "a bundle missing": (without(ENTRIES_1), {"sequence: entries 256 to 511"}),
    "a leaf in a full tile": (
        flip("tile/0/000", 32 * 42),
        {"tile: tile 0/0", "body: entry 42", "chain: entry 43", "batch: batch 1", "root: batch 60", "root: batch 1"},
    ),
    "a leaf in the last tile": (flip(EDGE_0, 32 * 87), {"body: entry 599", "batch: batch 512", "root: batch 512", "root: checkpoint 600"}),
    "a hash in an upper tile": (
        flip(EDGE_1),
        {"tile: tile 0/0", "root: checkpoint 600", *(f"root: batch {first}" for first in (160, 260, 300, 400, 512))},
    ),
    "a tile missing": (without("tile/0/001"), {"tile: tile 0/1"}),
    "a tile too short": (lambda files: {**files, EDGE_1: files[EDGE_1][:-1]}, {"tile: tile 1/0"}),
    "a batch note missing": (without("batches/300"), {"sequence: entry 300"}),
    "two batch notes exchanged": (exchanged("batches/300", "batches/400"), {"batch: batch 300", "batch: batch 400"}),
    "an epoch": (text("batches/300", "\n1\n300 400", "\n2\n300 400"), {"signature: batch 300", "batch: batch 400"}),
    "a batch's time": (
        text("batches/512", "09:00:07", "09:00:08"),
        {"signature: batch 512", *(f"time: entry {seq}" for seq in range(512, SIZE))},
    ),
    "a batch's range": (
        text("batches/300", "300 400", "300 401"),
        {
            "signature: batch 300",
            "batch: batch 300",
            "root: batch 300",
            "time: entry 400",
            "batch: entry 400",
            "batch: batch 400",
            "sequence: entry 401",
        },
    ),
    "a batch's offsets": (text("batches/512", '{"0":600', '{"0":601'), {"signature: batch 512"}),
    "a batch's offsets in another form": (text("batches/512", '{"0":600', '{"0": 600'), {"batch: batch 512"}),
    "a signature": (resigned("batches/512"), {"signature: batch 512"}),
    "a signature in another spelling of base64": (
        lambda files: {**files, "checkpoint": files["checkpoint"][:-2] + b"\n"},
        {"checkpoint: checkpoint 600"},
    ),
    "a checkpoint of another tree": (text("checkpoint", "\n600\n", "\n599\n"), {"checkpoint: checkpoint 600"}),
    "a checkpoint missing": (without("checkpoint"), {"checkpoint: checkpoint 600"}),
    "the first key's statement": (text("keys/1", "\n1\n0\n", "\n1\n1\n"), {"key: key 1", "key: key history"}),
    "no statement of the second key": (without("keys/2"), BY_KEY_2),
    "the second key from an earlier entry on": (text("keys/2", "\n2\n260\n", "\n2\n160\n"), {"key: key 2", *BY_KEY_2}),
}


LISTED: dict[str, tuple[Break, str]] = {
    "a file that does not fit its hash": (flip(ENTRIES_1, 500), f"manifest: {ENTRIES_1}: has another SHA-256"),
    "a file that is listed and missing": (without("batches/60"), "manifest: batches/60: is listed but missing"),
    "a file that is not listed": (lambda files: {**files, "notes.txt": b""}, "manifest: notes.txt: is not listed"),
    "a listed file of no known kind": (lambda files: listed({**files, "notes.txt": b""}), "manifest: notes.txt: is no file of this bundle"),
    "a tile under a second name": (lambda files: listed({**files, "tile/0/0000": b""}), "manifest: tile/0/0000: is no file of this bundle"),
    "a batch behind the range": (lambda files: listed({**files, "batches/600": b""}), "manifest: batches/600: is no file of this bundle"),
    "a batch inside another": (
        lambda files: listed({**files, "batches/310": files["batches/300"]}),
        "batch: batch 310: does not begin where",
    ),
    "a key after a gap": (lambda files: listed({**files, "keys/4": files["keys/2"]}), "manifest: keys/4: is no file of this bundle"),
    "a manifest that is not canonical": (
        lambda files: {**files, "manifest.json": files["manifest.json"] + b"\n"},
        "manifest: manifest.json: is not canonical JSON",
    ),
    "a manifest of another log": (lambda files: listed(files, origin="somebody/else"), "manifest: manifest.json: is about somebody/else"),
    "another number of the log": (lambda files: listed(files, log_id=2), "manifest: manifest.json: names log 2"),
    "a range that no batch ends": (lambda files: listed(files, end=599), "batch: batch 512: ends at 600, behind the range"),
    "a range behind the checkpoint": (lambda files: listed(files, end=601), "manifest: manifest.json: has a range that is none"),
    "another size": (lambda files: listed(files, size=601), "checkpoint: checkpoint 601: is of corporate-actions/audit at 600"),
    "no manifest": (without("manifest.json"), "manifest: manifest.json: is missing"),
}


# Whoever holds the log's key and writes a log that its rules do not allow; all hashes and signatures of it are right.


def telling(at: int, **changes: Any) -> Encode:
    """Bodies as they should be, but for one."""
    return lambda fields: canonical({**fields, **changes} if fields["seq"] == at else fields)


def written(at: int, write: Callable[[bytes], bytes]) -> Encode:
    """Bodies in canonical form, but for one."""
    return lambda fields: write(canonical(fields)) if fields["seq"] == at else canonical(fields)


CHEATED: dict[str, tuple[Encode, set[str]]] = {
    "spaces": (written(42, lambda body: body.replace(b'"seq":', b'"seq": ')), {"body: entry 42"}),
    "another order": (written(42, lambda body: b'{"symbol":"MSFT",' + body[1:].replace(b',"symbol":"MSFT"', b"")), {"body: entry 42"}),
    "an escape too many": (written(42, lambda body: body.replace(b"MSFT", b"\\u004dSFT")), {"body: entry 42"}),
    "a member twice": (written(42, lambda body: body.replace(b'"format":1', b'"format":1,"format":1')), {"body: entry 42"}),
    "a fraction": (written(42, lambda body: body.replace(b'"version":1', b'"version":1.5')), {"body: entry 42"}),
    "a number too large": (written(42, lambda body: body.replace(b'"version":1', b'"version":9007199254740992')), {"body: entry 42"}),
    "a negative zero": (written(42, lambda body: body.replace(b'"version":1', b'"version":-0')), {"body: entry 42"}),
    "half a surrogate pair": (written(42, lambda body: body.replace(b"MSFT", b"\\ud834")), {"body: entry 42"}),
    "bytes that are no UTF-8": (written(42, lambda body: body.replace(b"MSFT", b"\xff")), {"body: entry 42"}),
    "a name that is not ASCII": (telling(42, detail={"é": 1}), {"body: entry 42"}),
    "a member too many": (telling(42, more=1), {"body: entry 42"}),
    "another format": (telling(42, format=2), {"body: entry 42"}),
    "a number that is true": (telling(42, format=True), {"body: entry 42"}),
    "a list for a name": (telling(42, actor=["user"]), {"body: entry 42"}),
    "a symbol too long": (telling(42, symbol="S" * 17), {"body: entry 42"}),
    "a body too long": (telling(42, detail={"reason": "r" * 33_000}), {"body: entry 42"}),
    "another log": (telling(42, log=f"{ORIGIN}/2"), {"body: entry 42"}),
    "another number": (telling(42, seq=43), {"sequence: entry 42"}),
    "an id twice": (telling(42, record_id="0192f1c2-0000-7000-8000-000100000041:1"), {"sequence: entry 42"}),
    "a second opening": (telling(42, action="LOG_OPENED"), {"sequence: entry 42"}),
    "no opening": (telling(0, action="APPLIED"), {"sequence: entry 0"}),
    "a broken link": (telling(42, prev="0" * 64), {"chain: entry 42"}),
    "a first entry with a link": (telling(0, prev="1" * 64), {"chain: entry 0"}),
    "a time that steps back": (telling(42, recorded_at="2026-11-24T08:59:59.000000Z"), {"time: entry 42"}),
    "a time in another form": (telling(42, recorded_at="2026-11-24T09:00:01Z"), {"body: entry 42"}),
    "a day that is none": (telling(42, recorded_at="2026-02-30T09:00:01.000000Z"), {"body: entry 42"}),
    "an offset behind its batch": (telling(42, source={"offset": 60, "partition": 0, "topic": "t"}), {"batch: entry 42"}),
    "an offset of the batch before": (telling(300, source={"offset": 299, "partition": 0, "topic": "t"}), {"batch: entry 300"}),
    "a partition that no batch knows": (telling(42, source={"offset": 42, "partition": 7, "topic": "t"}), {"batch: entry 42"}),
    "another key in the opening": (telling(0, detail={"key": log_vkey(2), "predecessor": None}), {"key: entry 0"}),
    "no statement where a key begins": (telling(ROTATED_AT, detail={"statement": ""}), {"key: entry 260"}),
}


def signed_again(path: str, old: str, new: str, signer: MemorySigner) -> Break:
    """A batch note with another text and a good signature of the signer."""

    def break_(files: Files) -> Files:
        note = Note.parse(files[path])
        assert old in note.text
        return {**files, path: sign_note(note.text.replace(old, new, 1), signer).encode()}

    return break_


def root_line(path: str, line: int) -> str:
    return Note.parse(honest()[path]).text.split("\n")[line]


OTHER_ROOT = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
SIGNED: dict[str, tuple[Break, set[str]]] = {
    "by the key before": (signed_again("batches/300", "", "", log_signer(1)), {"signature: batch 300"}),
    "by the key after": (signed_again("batches/160", "", "", log_signer(2)), {"signature: batch 160"}),
    "by a stranger's key": (signed_again("batches/300", "", "", STRANGER), {"signature: batch 300"}),
    "another batch root": (signed_again("batches/300", root_line("batches/300", 6), OTHER_ROOT, log_signer(2)), {"batch: batch 300"}),
    "another tree root": (signed_again("batches/300", root_line("batches/300", 7), OTHER_ROOT, log_signer(2)), {"root: batch 300"}),
    "another log's batch": (signed_again("batches/300", ORIGIN, f"{ORIGIN}/2", log_signer(2)), {"batch: batch 300"}),
    "an epoch that steps back": (signed_again("batches/300", "\n1\n", "\n0\n", log_signer(2)), {"batch: batch 300"}),
    "an offset that steps back": (signed_again("batches/512", '{"0":600', '{"0":511', log_signer(2)), {"batch: batch 512"}),
    "a leading zero": (signed_again("batches/300", "300 400", "0300 400", log_signer(2)), {"batch: batch 300"}),
}


def cheated(name: str) -> Files:
    """The export of a log that its keys' holder wrote against the rules, as far as the batch in which he did."""
    encode, expected = CHEATED[name]
    seq = int(next(iter(expected)).rpartition(" ")[2])
    log = grown(encode, until=seq + 1)
    return log.bundle(0, len(log.bodies), COSIGNED, START)
