"""audit.signing: what a signature on each entry costs, as one over the batch's root with a path for each entry, and as a call for each.

CPU time of building batches with the product's own appender; the two are taken in turns. No server takes part.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from statistics import median
from typing import Final

from corpactions.domain.audit.appending import Appender, Built, Head
from corpactions.domain.audit.entry import Content, Draft, Source
from corpactions.domain.audit.merkle import leaf_hash, path_within, verify_inclusion
from corpactions.domain.audit.tiles import Edge
from corpactions.security.signing import verify
from corpactions.serde.canonical import encode
from tests.benchmarks.output import report
from tests.support.signing import LOG, MemorySigner

_BATCH: Final = 1_000
_ROUNDS: Final = 15
_NOW: Final = datetime(2026, 11, 24, 17, 55, tzinfo=UTC)
_SIGNER: Final = MemorySigner(LOG, 1)


def measure() -> None:
    """Measure and print."""
    drafts = [
        Draft(Content(f"e{n}:1", "APPLIED", "feed", f"event:e{n}", "DIVIDEND", "AAPL", {"revision": 1, "flags": []}), Source("audit", 0, n))
        for n in range(_BATCH)
    ]
    batched, called, read = [], [], []
    for _ in range(_ROUNDS):
        started = time.process_time()
        built = Appender(Head(LOG, Edge()), 1, _SIGNER.sign, encode).build(drafts, {0: _BATCH}, _NOW)
        batched.append(time.process_time() - started)
        started = time.process_time()
        for entry in built.entries:
            _SIGNER.sign(entry.body)
        called.append(batched[-1] + time.process_time() - started)
        read.append(_verified(built))
    value, floor = (median(series) / _BATCH * 1e6 for series in (batched, called))
    report("audit.signing.batch", value, "us/entry", None, a_call_per_entry_us=round(floor, 1), batch=_BATCH)
    report("audit.signing.verify_one", median(read) * 1e6, "us", None, path=len(path_within([leaf_hash(b"")] * _BATCH, 0)))


def _verified(built: Built) -> float:
    """CPU seconds of verifying one entry by its batch's signature and its path."""
    leaves = [leaf_hash(entry.body) for entry in built.entries]
    path = path_within(leaves, 7)
    started = time.process_time()
    good = verify(_SIGNER.public_key, built.signature, built.batch.text().encode())
    good = good and verify_inclusion(leaf_hash(built.entries[7].body), 7, len(leaves), path, built.batch.batch_root)
    seconds = time.process_time() - started
    assert good
    return seconds
