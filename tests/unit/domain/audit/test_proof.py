"""A proof of one entry stands on its own, and only as it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from corpactions.domain.audit.merkle import path_within, root_of
from corpactions.domain.audit.notes import Key, encode_base64
from corpactions.domain.audit.proof import Proof, check_proof
from corpactions.domain.audit.ranges import Rules
from corpactions.security.signing import verify
from corpactions.serde.canonical import decode
from tests.support.audit_bundles import ORIGIN, WITNESS_VKEY, GrownLog, log_vkey, record

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
RULES = Rules(ORIGIN, (), verify, decode, Key.parse(WITNESS_VKEY))


def grown() -> GrownLog:
    log = GrownLog(AT)
    log.add([record(number) for number in range(20)], AT + timedelta(seconds=1), {0: 20})
    log.rotate(AT + timedelta(seconds=2), *[record(number) for number in range(20, 33)], offsets={0: 33})
    return log


def proof_of(log: GrownLog, seq: int) -> Proof:
    note = next(each for each in log.batches if each.batch.first <= seq < each.batch.size)
    leaves = log.leaves
    batch = leaves[note.batch.first : note.batch.size]
    path, batch_path = path_within(leaves, seq), path_within(batch, seq - note.batch.first)
    assert root_of(leaves) == log.batches[-1].batch.tree_root
    checkpoint = log.checkpoint(int(AT.timestamp()) + 3)
    return Proof(ORIGIN, seq, log.bodies[seq], checkpoint, tuple(path), note.note, tuple(batch_path), tuple(log.statements))


def wrong(proof: Proof, key: int = 1) -> list[str]:
    return check_proof(proof, Key.parse(log_vkey(key)), RULES)


@pytest.mark.parametrize("seq", [0, 1, 20, 21, 34])
def test_every_entry_can_be_proved_and_the_proof_written_down(seq: int) -> None:
    proof = proof_of(grown(), seq)
    assert wrong(proof) == []
    assert Proof.parse(json.dumps(proof.document())) == proof


def test_a_later_key_proves_what_it_signed() -> None:
    assert wrong(proof_of(grown(), 25), key=2) == []
    assert wrong(proof_of(grown(), 5), key=2)[0].startswith("batch: key statement 2: entry 1 of")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"body": proof_of(grown(), 6).body}, "body: it is of entry 6"),
        ({"seq": 6}, "body: it is of entry 5"),
        ({"origin": "corporate-actions/audit/2"}, "body: it is of entry 5"),
        ({"path": ()}, "path: it does not lead"),
        ({"batch_path": ()}, "batch_path: it does not lead"),
        ({"checkpoint": b"nonsense"}, "checkpoint: "),
        ({"batch": proof_of(grown(), 25).batch}, "batch: it is of entries 21 to 34"),
        ({"keys": ()}, "key statement 1"),
        ({"checkpoint": proof_of(grown(), 5).checkpoint.replace(b"35", b"36")}, "checkpoint: the log's key has not signed it"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_nothing_else_passes(change: dict[str, Any], why: str) -> None:
    assert any(why in told for told in wrong(proof_of(grown(), 5)._replace(**change)))


@pytest.mark.parametrize(
    "change", [{"format": "other"}, {"body": 1}, {"path": "x"}, {"path": [encode_base64(b"short")]}, {"keys": None}], ids=str
)
def test_what_is_no_proof_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="p"):
        Proof.parse(json.dumps({**proof_of(grown(), 5).document(), **change}))
