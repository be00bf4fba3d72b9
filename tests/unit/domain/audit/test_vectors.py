"""The published vectors: what the product makes is what ``docs/audit-format.md`` and its file show, for ever, and it reads them back."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from corpactions.domain.audit import bodies, entry, keys
from corpactions.domain.audit.batch import Batch
from corpactions.domain.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from corpactions.domain.audit.notes import Checkpoint, Key, Note, cosigned_at, signed_by
from corpactions.security.signing import verify
from tests.support import audit_vectors

PAGE = Path(__file__).parents[4] / "docs" / "audit-format.md"
GOLDEN: dict[str, Any] = json.loads(audit_vectors.FILE.read_text())
BODIES = [body.encode() for body in GOLDEN["bodies"]]
HASHES = [bytes.fromhex(text) for text in GOLDEN["entry_hashes"]]
ROOTS = [b64decode(text) for text in GOLDEN["roots"]]
CHECKPOINTS = [Note.parse(text.encode()) for text in GOLDEN["checkpoints"]]


def path(name: str) -> list[bytes]:
    return [bytes.fromhex(step) for step in GOLDEN[name]]


def test_the_product_makes_exactly_the_published_bytes() -> None:
    assert audit_vectors.vectors() == GOLDEN


def test_the_page_shows_what_is_in_the_file() -> None:
    shown = PAGE.read_text().partition("## Test vectors")[2]
    published = {line for value in GOLDEN.values() if isinstance(value, list) for text in value for line in text.split("\n")} | {
        GOLDEN["witness"]
    }
    lines = [line.strip() for line in shown.splitlines() if line.startswith("    ")]
    assert len(lines) >= 40
    assert [line for line in lines if line not in published] == []


@pytest.mark.parametrize("seq", range(5))
def test_a_published_entry_is_read_and_hashes_to_its_link_and_leaf(seq: int) -> None:
    found = bodies.parse(BODIES[seq])
    assert (found.log, found.seq) == ("corporate-actions/audit", seq)
    assert found.prev == (HASHES[seq - 1].hex() if seq else entry.ZERO_LINK)
    assert leaf_hash(BODIES[seq]) == HASHES[seq]


def test_the_published_signatures_verify_with_the_key_of_their_period() -> None:
    periods = keys.walk([text.encode() for text in GOLDEN["key_statements"]], Key.parse(GOLDEN["keys"][0]), verify)
    assert [(period.number, period.from_seq, period.key.vkey) for period in periods] == [
        (1, 0, GOLDEN["keys"][0]),
        (2, 3, GOLDEN["keys"][1]),
    ]
    for text in GOLDEN["batch_notes"]:
        note = Note.parse(text.encode())
        batch = Batch.parse(note.text)
        assert signed_by(note, keys.key_for(periods, batch.origin, batch.first), verify)
        assert batch.tree_root == ROOTS[batch.size]
    for note, cosigned in zip(CHECKPOINTS, [audit_vectors.FIRST_COSIGNED, audit_vectors.COSIGNED], strict=True):
        checkpoint = Checkpoint.parse(note.text)
        assert checkpoint.root == ROOTS[checkpoint.size]
        assert signed_by(note, keys.key_for(periods, checkpoint.origin, checkpoint.size - 1), verify)
        assert cosigned_at(note, Key.parse(GOLDEN["witness"]), verify) == cosigned


def test_the_published_paths_verify() -> None:
    assert verify_inclusion(
        HASHES[1], 1, 3, path("inclusion_of_1_in_its_batch"), Batch.parse(Note.parse(GOLDEN["batch_notes"][0].encode()).text).batch_root
    )
    assert verify_inclusion(HASHES[1], 1, 5, path("inclusion_of_1_in_5"), ROOTS[5])
    assert verify_consistency(3, 5, ROOTS[3], ROOTS[5], path("consistency_of_3_and_5"))
