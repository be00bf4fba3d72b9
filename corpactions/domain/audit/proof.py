"""A proof of one entry that stands on its own: whoever has a key of the log can check it, with nothing else at hand.

It holds the entry's bytes; its path to the root of a checkpoint, which log and witness have signed; its path to the root of its batch, which is its own signature; and the
key history, which leads from the key that one has to those that signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from corpactions.domain.audit.batch import Batch
from corpactions.domain.audit.bodies import fields_of
from corpactions.domain.audit.claims import read_claim
from corpactions.domain.audit.findings import Finding
from corpactions.domain.audit.keys import key_for, walk
from corpactions.domain.audit.merkle import leaf_hash, verify_inclusion
from corpactions.domain.audit.notes import Checkpoint, Key, Note, encode_base64, parse_hash, signed_by
from corpactions.domain.audit.ranges import CheckpointNote, Rules

FORMAT: Final = "corporate-actions/audit-proof/v1"


class Proof(NamedTuple):
    """See above. ``path`` is to the checkpoint's root, ``batch_path`` to the batch's; notes are signed notes as bytes."""

    origin: str
    seq: int
    body: bytes
    checkpoint: bytes
    path: tuple[bytes, ...]
    batch: bytes
    batch_path: tuple[bytes, ...]
    keys: tuple[bytes, ...]

    def document(self) -> dict[str, Any]:
        """As JSON values; hashes in base64, the body as the text that it is."""
        return {
            "format": FORMAT,
            "origin": self.origin,
            "seq": self.seq,
            "body": self.body.decode(),
            "leaf_hash": encode_base64(leaf_hash(self.body)),
            "checkpoint": self.checkpoint.decode(),
            "path": [encode_base64(node) for node in self.path],
            "batch": self.batch.decode(),
            "batch_path": [encode_base64(node) for node in self.batch_path],
            "keys": [statement.decode() for statement in self.keys],
        }

    @classmethod
    def parse(cls, data: bytes | str) -> Proof:
        """Read a proof from JSON.

        Raises:
            ValueError: it is none.
        """
        document = json.loads(data)
        if not isinstance(document, Mapping) or document.get("format") != FORMAT:
            raise ValueError(f"this is no proof of the format {FORMAT}")
        try:
            return cls(
                document["origin"],
                document["seq"],
                document["body"].encode(),
                document["checkpoint"].encode(),
                tuple(parse_hash(node, "a node of the path") for node in document["path"]),
                document["batch"].encode(),
                tuple(parse_hash(node, "a node of the batch's path") for node in document["batch_path"]),
                tuple(statement.encode() for statement in document["keys"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the proof lacks {error}, or holds it in another form") from None


def check_proof(proof: Proof, trusted: Key, rules: Rules) -> list[str]:
    """What does not fit in a proof, one sentence each; nothing when it proves its entry.

    Args:
        proof: the proof.
        trusted: the pinned key.
        rules: ``verify``, ``decode``, and the witness's key if there is one; the rest is taken from the proof.
    """
    assert rules.verify is not None
    wrong: list[str] = []
    try:
        fields = fields_of(proof.body, rules.decode)
        if (fields["log"], fields["seq"]) != (proof.origin, proof.seq):
            wrong.append(f"body: it is of entry {fields['seq']} of {fields['log']}")
        periods = walk(proof.keys, trusted, rules.verify)
    except ValueError as error:
        return [*wrong, str(error)]
    rules = rules._replace(origin=proof.origin, periods=periods)
    return [*wrong, *_under_checkpoint(proof, rules), *_under_batch(proof, rules)]


def _under_checkpoint(proof: Proof, rules: Rules) -> list[str]:
    try:
        size = Checkpoint.parse(Note.parse(proof.checkpoint).text).size
    except ValueError as error:
        return [f"checkpoint: {error}"]
    claim = read_claim(CheckpointNote("checkpoint", size, proof.checkpoint, cosigned=rules.witness is not None or None), rules)
    if isinstance(claim, Finding):
        return [f"checkpoint: {claim.detail}"]
    good = verify_inclusion(leaf_hash(proof.body), proof.seq, claim.size, proof.path, claim.root)
    return [] if good else ["path: it does not lead from the entry to the checkpoint's root"]


def _under_batch(proof: Proof, rules: Rules) -> list[str]:
    assert rules.verify is not None
    try:
        note = Note.parse(proof.batch)
        batch = Batch.parse(note.text)
        key = key_for(rules.periods, proof.origin, batch.first)
    except ValueError as error:
        return [f"batch: {error}"]
    if batch.origin != proof.origin or not batch.first <= proof.seq < batch.size:
        return [f"batch: it is of entries {batch.first} to {batch.size - 1} of {batch.origin}"]
    if not signed_by(note, key, rules.verify):
        return ["batch: the log's key has not signed it"]
    good = verify_inclusion(leaf_hash(proof.body), proof.seq - batch.first, batch.size - batch.first, proof.batch_path, batch.batch_root)
    return [] if good else ["batch_path: it does not lead from the entry to the batch's root"]
