"""The witness as the log and its verifiers see it: it cosigns a checkpoint only if the log has merely grown since the one it cosigned before.

What the witness keeps lies outside the log's database, so whoever rewrites the whole log, signatures included, still differs from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from corpactions.domain.audit.notes import Note, Signature
from corpactions.domain.errors import CorporateActionsError


class WitnessConflict(CorporateActionsError):
    """The witness has cosigned another size than the one the proof starts from; ask again from ``size``.

    Args:
        size: the newest size that the witness has cosigned; 0 if none.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness has cosigned {size} entries")
        self.size = size


class WitnessRefused(CorporateActionsError):
    """The witness will not cosign this. After a mistake in configuration is ruled out, the log was rewritten or its key is in other hands: stop and look.

    Args:
        reason: the witness's own words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the witness refuses: {reason}")
        self.reason = reason


class Witness(Protocol):
    """Every method raises Unavailable when the witness does not answer, answers 5xx, or answers against the protocol."""

    def newest(self, origin: str) -> Note | None:
        """The checkpoint of the largest size it has cosigned of this log; None if there is none."""

    def at(self, origin: str, size: int) -> Note | None:
        """The checkpoint of exactly this size as it was first cosigned; None if this size never was."""

    def between(self, origin: str, first: int, last: int) -> Iterator[Note]:
        """All cosigned checkpoints of sizes ``first`` to ``last``, both included, smallest first; fetched as they are read."""

    def add(self, old_size: int, path: Sequence[bytes], note: Note) -> list[Signature]:
        """Have a checkpoint cosigned.

        Args:
            old_size: the size that the witness has cosigned last; 0 for none.
            path: the consistency path from there; empty from 0 and for the same size.
            note: the checkpoint with the log's signature.

        Returns:
            The witness's signatures, for ``notes.add_signature``.

        Raises:
            WitnessConflict: it has cosigned another size last.
            WitnessRefused: it does not know the log or its key, the proof does not hold, or it knows another tree of this size.
        """

    def hand_over(self, origin: str, statements: Sequence[bytes]) -> None:
        """Tell it of the log's keys; it trusts a new key that the newest key it trusts has signed. Telling it again changes nothing.

        Raises:
            WitnessRefused: a statement does not follow from what it trusts.
        """
