"""Batches against entries: whether every entry is in a signed batch, and which hash each entry must have.

The signed root of a batch is the judge. When the bodies do not give it, what the tile and the next entry say of them is tried; whichever fits tells which bodies
were changed, and the rest of the verification goes on with the hashes that were signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.findings import Findings
from corpactions.domain.audit.keys import Untrusted, key_for
from corpactions.domain.audit.merkle import HASH_BYTES, root_of
from corpactions.domain.audit.notes import signed_by
from corpactions.domain.audit.ranges import BatchRow, Range, Rules
from corpactions.domain.audit.tiles import WIDTH

_UNKNOWN: Final = bytes(HASH_BYTES)


def settle_batches(
    rules: Rules,
    part: Range,
    leaves: Sequence[bytes | None],
    links: Mapping[int, str],
    found: Findings,
) -> list[bytes]:
    """Check the range's batches, and give the hash that each entry must have: the body's own wherever nothing better speaks against it.

    Args:
        rules: what is taken for granted.
        part: the range.
        leaves: the hash of each body, None where there is none.
        links: where they do not fit: the hash that the next entry names, by entry.
        found: gets the findings.
    """
    witnesses = _Witnesses(links, part.tiles)
    settled = list(leaves)
    start, end = part.signed or (part.first, part.end)
    at = start
    for row in part.batches:
        if row.first > at:
            _uncovered(at, row.first, found)
        elif row.first < at != start:
            found.add("batch", f"batch {row.first}", f"it begins inside the batch before, which ends at entry {at - 1}", seq=row.first)
        check_batch(rules, row, found)
        if part.first <= row.first < row.size <= part.end:
            _settle(row, part.first, settled, witnesses, found)
        at = max(at, row.size)
    if at < end:
        _uncovered(at, end, found)
    return [leaf or witnesses.tile(number) or witnesses.link(number) or _UNKNOWN for number, leaf in enumerate(settled, part.first)]


class _Witnesses:
    """Who else knows an entry's hash."""

    def __init__(self, links: Mapping[int, str], tiles: Mapping[tuple[int, int], bytes]) -> None:
        self._links = links
        self._tiles = tiles

    def tile(self, seq: int) -> bytes | None:
        at = seq % WIDTH * HASH_BYTES
        found = self._tiles.get((0, seq // WIDTH), b"")[at : at + HASH_BYTES]
        return found if len(found) == HASH_BYTES else None

    def link(self, seq: int) -> bytes | None:
        try:
            found = bytes.fromhex(self._links.get(seq, ""))
        except ValueError:
            return None
        return found if len(found) == HASH_BYTES else None


def _settle(row: BatchRow, base: int, settled: list[bytes | None], witnesses: _Witnesses, found: Findings) -> None:
    """Find the hashes that give the batch's root: the bodies', or the tile's, or the links' where the bodies do not fit them."""
    low, high = row.first - base, row.size - base
    own = settled[low:high]
    if _fit(own, row.batch_root):
        return
    sequence = range(row.first, row.size)
    tile = [witnesses.tile(seq) or leaf for seq, leaf in zip(sequence, own, strict=True)]
    link = [witnesses.link(seq) or leaf for seq, leaf in zip(sequence, own, strict=True)]
    either = [witnesses.link(seq) or leaf for seq, leaf in zip(sequence, tile, strict=True)]
    for hashes, who in ((tile, "its tile"), (link, "the next entry"), (either, "its tile or the next entry")):
        if _fit(hashes, row.batch_root):
            settled[low:high] = hashes
            _changed(row, own, hashes, f"{who} and the batch's root say", found)
            return
    detail = f"entries {row.first} to {row.size - 1} do not give its root"
    if None not in own and own == either:
        detail += f"; the links between them fit, so it is the last one, entry {row.size - 1}, or all from some entry on"
    found.add("batch", f"batch {row.first}", detail, seq=row.first)
    _changed(row, own, tile, "its tile says", found)


def _fit(hashes: Sequence[bytes | None], root: bytes) -> bool:
    known = [leaf for leaf in hashes if leaf is not None]
    return len(known) == len(hashes) and root_of(known) == root


def _changed(row: BatchRow, own: Sequence[bytes | None], right: Sequence[bytes | None], who: str, found: Findings) -> None:
    for seq, leaf, other in zip(range(row.first, row.size), own, right, strict=True):
        if leaf is not None and other is not None and leaf != other:
            found.entry("body", seq, f"it was changed: its bytes have the hash {leaf.hex()[:16]}…, {who} {other.hex()[:16]}…")


def check_batch(rules: Rules, row: BatchRow, found: Findings) -> None:
    """What can be said of a batch without its entries."""
    place = f"batch {row.first}"
    if row.size <= row.first or row.first // SEGMENT != (row.size - 1) // SEGMENT:
        found.add("batch", place, f"it holds the entries {row.first} to {row.size - 1}, which no batch can", seq=row.first)
    try:
        text = row.batch(rules.origin).text()
        offsets = text.split("\n")[5].encode()
    except (ValueError, UnicodeDecodeError, AttributeError) as error:
        found.add("batch", place, f"its offsets cannot be read: {error}", seq=row.first)
        return
    if offsets != row.offsets:
        found.add("batch", place, "its offsets are not canonical", seq=row.first)
    if rules.verify is None or not rules.signed(row.first):
        return
    try:
        key = key_for(rules.periods, rules.origin, row.first)
    except Untrusted as error:
        found.add("signature", place, error.reason, seq=row.first)
        return
    if row.key_id != key.key_id:
        detail = f"it names the key {row.key_id.hex()}, but at entry {row.first} the log's key is {key.key_id.hex()}"
        found.add("signature", place, detail, seq=row.first)
    elif not signed_by(row.note(key, rules.origin), key, rules.verify):
        found.add("signature", place, f"the log's key {key.key_id.hex()} has not signed what is stored of it", seq=row.first)


def _uncovered(first: int, end: int, found: Findings) -> None:
    found.add("sequence", f"entry {first}", f"entries {first} to {end - 1} are in no signed batch", seq=first)
