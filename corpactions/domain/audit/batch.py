"""The statement that is signed for every batch: with a Merkle path inside the batch it is each entry's own digital signature.

Invariant: every column of a stored batch stands in this text, so that none can be changed without breaking the signature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from corpactions.domain.audit.entry import LARGEST_INTEGER, canonical, parse_time, time_text
from corpactions.domain.audit.notes import encode_base64, parse_decimal, parse_hash

HEADER: Final = "corporate-actions/audit-batch/v1"


class Batch(NamedTuple):
    """What one transaction appended: entries ``first`` to ``size`` - 1 of the log ``origin``.

    ``offsets`` is, by partition of the audit topic, the offset of the first record that no entry up to here stands for; ``batch_root`` the Merkle root over the
    batch's leaves alone, ``tree_root`` the one over all ``size`` leaves of the log.
    """

    origin: str
    epoch: int
    first: int
    size: int
    recorded_at: datetime
    offsets: Mapping[int, int]
    batch_root: bytes
    tree_root: bytes

    def text(self) -> str:
        """The text of the signed note."""
        return (
            f"{HEADER}\n{self.origin}\n{self.epoch}\n{self.first} {self.size}\n{time_text(self.recorded_at)}\n{offsets_text(self.offsets)}\n"
            f"{encode_base64(self.batch_root)}\n{encode_base64(self.tree_root)}\n"
        )

    @classmethod
    def parse(cls, text: str) -> Batch:
        """The batch of a note's text.

        Raises:
            ValueError: it is none, or is written in another way than :meth:`text` does.
        """
        lines = text.split("\n")
        if len(lines) != 9 or lines[0] != HEADER:
            raise ValueError("this is not the text of a batch note")
        first, _, size = lines[3].partition(" ")
        batch = cls(
            lines[1],
            parse_decimal(lines[2], "an epoch"),
            parse_decimal(first, "the first entry of a batch"),
            parse_decimal(size, "the size after a batch"),
            parse_time(lines[4]),
            parse_offsets(lines[5]),
            parse_hash(lines[6], "a batch root"),
            parse_hash(lines[7], "a tree root"),
        )
        if batch.text() != text:
            raise ValueError("the batch note is not written as the format says")
        return batch


def offsets_text(offsets: Mapping[int, int]) -> str:
    """Offsets by partition as canonical JSON."""
    return canonical({str(partition): offset for partition, offset in offsets.items()}).decode()


def parse_offsets(text: str) -> dict[int, int]:
    """The reverse of :func:`offsets_text`; raises ValueError for anything else."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("offsets are nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("offsets are an object of partition numbers and offsets")  # noqa: TRY004 - to the reader of a log, it is a wrong value
    offsets: dict[int, int] = {}
    for partition, offset in found.items():
        if type(offset) is not int or not 0 <= offset <= LARGEST_INTEGER:
            raise ValueError(f"the offset of partition {partition[:20]!r} is none that Kafka gives")
        offsets[parse_decimal(partition, "a partition")] = offset
    return offsets
