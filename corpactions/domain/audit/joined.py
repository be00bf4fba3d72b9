"""How far the verification of a log is: everything that the joiner needs to go on, as plain values that can be kept in a file.

Invariant: what is read back continues exactly where it was written. A file that cannot be read is refused; nothing of it is believed in part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from corpactions.domain.audit.findings import Finding
from corpactions.domain.audit.offsets import Runs, Span
from corpactions.domain.audit.ranges import Claim

FORMAT: Final = 1


class Streak(NamedTuple):
    """Claims of one kind that do not fit, since the last one that did (``good``: its size; 0 for none)."""

    first: Claim
    length: int
    last: int
    good: int


@dataclass(slots=True)
class Joined:
    """A verified beginning of a log (or a part of it that began elsewhere), up to ``position``.

    ``claims`` counts the checkpoints looked at, ``witnessed`` is the size of the largest one that fits and has the witness's signature. ``good`` is the size of the last claim that fits, by check and who made it; ``open`` are witnessed checkpoints at
    ``position``, whose next entry is not known yet; ``rows`` are the nodes of tiles above the segments that are not full yet, by level.
    """

    origin: str = ""
    position: int = 0
    entries: int = 0
    batches: int = 0
    claims: int = 0
    witnessed: int = 0
    peaks: list[tuple[int, bytes]] = field(default_factory=list)
    last_leaf: str | None = None
    last_time: str | None = None
    offsets: dict[int, int] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    runs: Runs = field(default_factory=dict)
    open: list[Claim] = field(default_factory=list)
    streaks: dict[tuple[str, str], Streak] = field(default_factory=dict)
    good: dict[tuple[str, str], int] = field(default_factory=dict)
    rows: dict[int, list[bytes]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "format": FORMAT,
            "origin": self.origin,
            "position": self.position,
            "entries": self.entries,
            "batches": self.batches,
            "claims": self.claims,
            "witnessed": self.witnessed,
            "peaks": [[level, node.hex()] for level, node in self.peaks],
            "last_leaf": self.last_leaf,
            "last_time": self.last_time,
            "offsets": [[partition, offset] for partition, offset in self.offsets.items()],
            "epochs": self.epochs,
            "runs": [[topic, partition, spans] for (topic, partition), spans in self.runs.items()],
            "open": [_claim_document(claim) for claim in self.open],
            "streaks": [[*key, _claim_document(each.first), *each[1:]] for key, each in self.streaks.items()],
            "good": [[*key, size] for key, size in self.good.items()],
            "rows": [[level, [node.hex() for node in row]] for level, row in self.rows.items()],
            "findings": [list(finding) for finding in self.findings],
            "counts": self.counts,
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Joined:
        """The reverse of :meth:`document`.

        Raises:
            ValueError: the document is none of this release's.
        """
        if document.get("format") != FORMAT:
            raise ValueError(f"its format is {document.get('format')!r}, not {FORMAT}")
        try:
            return cls(
                origin=str(document["origin"]),
                position=int(document["position"]),
                entries=int(document["entries"]),
                batches=int(document["batches"]),
                claims=int(document["claims"]),
                witnessed=int(document["witnessed"]),
                peaks=[(level, bytes.fromhex(node)) for level, node in document["peaks"]],
                last_leaf=document["last_leaf"],
                last_time=document["last_time"],
                offsets=dict(document["offsets"]),
                epochs=list(document["epochs"]),
                runs={(topic, partition): [Span(*span) for span in spans] for topic, partition, spans in document["runs"]},
                open=[_claim(values) for values in document["open"]],
                streaks={(check, by): Streak(_claim(values), *rest) for check, by, values, *rest in document["streaks"]},
                good={(check, by): size for check, by, size in document["good"]},
                rows={level: [bytes.fromhex(node) for node in row] for level, row in document["rows"]},
                findings=[Finding(*values) for values in document["findings"]],
                counts=dict(document["counts"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks {error} or holds it in another form") from None


def _claim_document(claim: Claim) -> list[Any]:
    time = None if claim.cosigned_at is None else claim.cosigned_at.isoformat()
    return [claim.found_by, claim.place, claim.size, claim.root.hex(), time]


def _claim(values: list[Any]) -> Claim:
    found_by, place, size, root, time = values
    return Claim(found_by, place, size, bytes.fromhex(root), None if time is None else datetime.fromisoformat(time))
