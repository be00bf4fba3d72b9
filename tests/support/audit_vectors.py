"""The test vectors of ``docs/audit-format.md``: a log of five entries in two batches, with two keys, two checkpoints, paths and its whole export bundle.

``python -m tests.support.audit_vectors`` writes them anew. They only change with the format.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from corpactions.domain.audit.entry import Draft, Source
from corpactions.domain.audit.merkle import consistency_path, inclusion_path, path_within, root_of
from corpactions.domain.audit.notes import encode_base64
from tests.support.audit_bundles import TOPIC, WITNESS_VKEY, Files, GrownLog, log_vkey, own, record

FILE = Path(__file__).parents[1] / "unit" / "domain" / "audit" / "vectors.json"
OPENED = datetime(2026, 11, 24, 9, 0, 0, 250_000, tzinfo=UTC)
SECOND_BATCH = OPENED + timedelta(seconds=1)
FIRST_COSIGNED = int(OPENED.timestamp()) + 1
COSIGNED = FIRST_COSIGNED + 1
EXPORTED = datetime(2026, 11, 25, tzinfo=UTC)
_STRANGE = 'quotes " and \\, a line\nend, a tab\t, \x01 and \x7f, Zürich, 東京, 𝄞, \u2028 and /'


def first_batch() -> GrownLog:
    """Entries 0 to 2: the opening, a record, and one whose reason has every kind of character."""
    rejected = record(1, 10, code="unknown_symbol", reason=_STRANGE, flags=["late", "manual"], version=None)
    return GrownLog(OPENED, record(4, 2), rejected, offsets={2: 5, 10: 2})


def whole() -> GrownLog:
    """Entries 0 to 4: the second key begins at entry 3, and entry 4 stands for a record that could not be read."""
    log = first_batch()
    log.rotate(SECOND_BATCH, _unreadable(), offsets={2: 7})
    return log


def _unreadable() -> Draft:
    place, value = f"{TOPIC}:2:6", b"\x00not a record"
    detail = {
        "code": "bad_frame",
        "reason": "the value has no schema id",
        "value_bytes": len(value),
        "value_sha256": sha256(value).hexdigest(),
    }
    return own("UNREADABLE", f"unreadable:{place}", detail, f"record:{place}", Source(TOPIC, 2, 6))


def bundle() -> Files:
    """The export of all five entries."""
    return whole().bundle(0, 5, COSIGNED, EXPORTED)


def vectors() -> dict[str, Any]:
    """Everything as text: hashes in hex where the format has hex, else in base64."""
    log = whole()
    leaves = log.leaves

    def node(level: int, index: int) -> bytes:
        return root_of(leaves[index << level : index + 1 << level])

    return {
        "key_seeds": ["01" * 32, "02" * 32],
        "witness_seed": "77" * 32,
        "keys": [log_vkey(1), log_vkey(2)],
        "witness": WITNESS_VKEY,
        "bodies": [body.decode() for body in log.bodies],
        "entry_hashes": [leaf.hex() for leaf in leaves],
        "roots": [encode_base64(root_of(leaves[:size])) for size in range(6)],
        "batch_notes": [note.decode() for _, note in log.batches],
        "key_statements": [statement.decode() for statement in log.statements],
        "checkpoints": [first_batch().checkpoint(FIRST_COSIGNED).decode(), log.checkpoint(COSIGNED).decode()],
        "inclusion_of_1_in_its_batch": [step.hex() for step in path_within(leaves[:3], 1)],
        "inclusion_of_1_in_5": [step.hex() for step in inclusion_path(1, 5, node)],
        "consistency_of_3_and_5": [step.hex() for step in consistency_path(3, 5, node)],
        "bundle": {path: encode_base64(data) for path, data in sorted(bundle().items())},
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=True) + "\n")
