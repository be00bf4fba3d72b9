"""What a feed tells people and programs: rejected lines as they are met, progress, and the summary."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final, TextIO

from corpactions.domain.rules import Problem
from producers.feed.feeder import Counts

SHOWN: Final = 20
"""Rejected lines shown of each file when all of them also go to a file."""
_VALUE_CHARACTERS: Final = 120


class Ending(StrEnum):
    """How a file ended: read to its end, not readable, or broken off since a server was away."""

    COMPLETE = "complete"
    UNUSABLE = "unusable"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file; ``error`` tells why it was not read to its end."""

    file: str
    counts: Counts
    seconds: float
    ending: Ending
    error: str | None = None


class RejectReport:
    """Writes each problem of a rejected line for people, and as one JSON object a line to ``rejects`` where that is wanted."""

    def __init__(self, people: TextIO, rejects: TextIO | None) -> None:
        self._people = people
        self._rejects = rejects
        self._shown = 0

    def start(self, file: str) -> None:
        """Begin with the next file."""
        self._file = file
        self._shown = 0

    def rejected(self, number: int, problems: list[Problem]) -> None:
        """Report all problems of a line."""
        self._shown += 1
        for problem in problems:
            value = _bounded(problem.value)
            if self._rejects is not None:
                entry = {
                    "file": self._file,
                    "line": number,
                    "field": problem.field,
                    "value": value,
                    "reason": problem.detail,
                    "mend": problem.mend,
                }
                self._rejects.write(json.dumps(entry, ensure_ascii=False) + "\n")
            if self._rejects is None or self._shown <= SHOWN:
                shown = "" if value is None else f" {value!r}"
                print(f"{self._file}:{number}: {problem.field}{shown} {problem.detail}; {problem.mend}", file=self._people)
        if self._rejects is not None and self._shown == SHOWN + 1:
            print(f"{self._file}: further rejected lines are in the rejects file only", file=self._people)


def summary_json(results: list[FileResult], *, dry_run: bool) -> str:
    """The summary for programs."""
    total = _total(results)
    return json.dumps({**asdict(total), "dry_run": dry_run, "files": [_flat(result) for result in results]}, ensure_ascii=False)


def summary_text(results: list[FileResult], *, dry_run: bool) -> str:
    """The summary for people: one line a file, and a total when there are several."""
    done = "good" if dry_run else "sent"
    lines = []
    for result in results:
        rate = f", {result.counts.lines / result.seconds:,.0f} lines/s" if result.counts.lines > SHOWN and result.seconds > 0 else ""
        text = f"{result.file}: {result.counts.lines:,} lines, {result.counts.sent:,} {done}, {result.counts.rejected:,} rejected{rate}"
        lines.append(text if result.error is None else f"{text}; stopped: {result.error}")
    if len(results) > 1:
        total = _total(results)
        lines.append(f"total: {total.lines:,} lines, {total.sent:,} {done}, {total.rejected:,} rejected")
    return "\n".join(lines)


def _flat(result: FileResult) -> dict[str, object]:
    return {
        "file": result.file,
        **asdict(result.counts),
        "seconds": round(result.seconds, 3),
        "ending": result.ending,
        "error": result.error,
    }


def _total(results: list[FileResult]) -> Counts:
    return Counts(
        sum(result.counts.lines for result in results),
        sum(result.counts.sent for result in results),
        sum(result.counts.rejected for result in results),
    )


def _bounded(value: object) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 1] + "…"
