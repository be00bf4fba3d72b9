"""Feeding: only what is acknowledged counts as sent, and what is refused is reported."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from corpactions.domain.errors import Rejected, Unavailable
from corpactions.domain.messages import Message
from corpactions.domain.rules import Problem
from corpactions.system import SystemClock, SystemIdSource
from producers.feed.command import AWAY, SOME_REJECTED, UNUSABLE, exit_status
from producers.feed.feeder import WINDOW, Counts, Feeder, TopicWriter
from producers.feed.reader import Line
from producers.feed.report import SHOWN, Ending, FileResult, RejectReport, summary_json, summary_text

FIELDS: dict[str, object] = {"event_type": "DIVIDEND", "symbol": "AAPL", "source": "feed", "source_reference": "R"}
PAYLOAD: dict[str, object] = {"amount_per_share": "1", "currency": "USD", "ex_date": "2026-11-10"}


class SymbolEncoder:
    def encode(self, message: Message) -> bytes:
        if message.symbol == "BAD":
            raise Rejected("bad_field", "does not fit")
        return message.symbol.encode()


@dataclass
class MemorySink:
    """Takes records; acknowledges them, until it is told to fail."""

    sent: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    waits: int = 0
    fail_at_wait: int = 0

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        self.sent.append((topic, key, value))

    def wait(self, timeout: float) -> None:
        self.waits += 1
        if self.waits == self.fail_at_wait:
            raise Unavailable("kafka", "gone")


def feeder(sink: MemorySink | None, rejected: list[tuple[int, list[Problem]]]) -> Feeder:
    writer = None if sink is None else TopicWriter("events", SymbolEncoder(), sink)
    return Feeder(
        writer, SystemClock(), SystemIdSource(), lambda number, problems: rejected.append((number, problems)), lambda _counts: None
    )


def line(number: int, symbol: str = "AAPL") -> Line:
    return Line(number, {**FIELDS, "symbol": symbol}, PAYLOAD)


def test_good_lines_are_sent_in_order_under_their_symbol_and_others_reported() -> None:
    sink, counts = MemorySink(), Counts()
    rejected: list[tuple[int, list[Problem]]] = []
    feeder(sink, rejected).feed([line(2), line(3, "oops"), line(4, "BAD"), line(5, "MSFT")], counts)
    assert sink.sent == [("events", b"AAPL", b"AAPL"), ("events", b"MSFT", b"MSFT")]
    assert [(number, problems[0].field) for number, problems in rejected] == [(3, "symbol"), (4, "line")]
    assert counts == Counts(lines=4, sent=2, rejected=2)


def test_what_was_not_acknowledged_is_not_counted_as_sent() -> None:
    sink, counts = MemorySink(fail_at_wait=2), Counts()
    with pytest.raises(Unavailable):
        feeder(sink, []).feed((line(number) for number in range(2 * WINDOW)), counts)
    assert counts.sent == WINDOW


def test_a_dry_run_sends_nothing() -> None:
    counts = Counts()
    feeder(None, []).feed([line(2), line(3, "oops")], counts)
    assert counts == Counts(lines=2, sent=1, rejected=1)


def test_rejects_hold_every_problem_and_people_see_the_first_lines() -> None:
    people, rejects = io.StringIO(), io.StringIO()
    report = RejectReport(people, rejects)
    report.start("a.csv")
    for number in range(2, SHOWN + 12):
        report.rejected(number, [Problem("symbol", "x" * 500, "is wrong", "mend it"), Problem("isin", None, "is missing", "add it")])
    entries = [json.loads(entry) for entry in rejects.getvalue().splitlines()]
    assert len(entries) == 2 * (SHOWN + 10)
    assert entries[1] == {"file": "a.csv", "line": 2, "field": "isin", "value": None, "reason": "is missing", "mend": "add it"}
    assert len(entries[0]["value"]) == 120
    shown = people.getvalue().splitlines()
    assert shown[1] == "a.csv:2: isin is missing; add it"
    assert len(shown) == 2 * SHOWN + 1


def test_without_a_rejects_file_people_see_every_line() -> None:
    people = io.StringIO()
    report = RejectReport(people, None)
    report.start("a.csv")
    for number in range(2 * SHOWN):
        report.rejected(number, [Problem("isin", None, "is missing", "add it")])
    assert len(people.getvalue().splitlines()) == 2 * SHOWN


@pytest.mark.parametrize(
    ("endings", "rejected", "status"),
    [
        ([Ending.COMPLETE], 0, 0),
        ([Ending.COMPLETE], 1, SOME_REJECTED),
        ([Ending.COMPLETE, Ending.UNUSABLE], 1, UNUSABLE),
        ([Ending.UNUSABLE, Ending.AWAY], 1, AWAY),
    ],
)
def test_the_gravest_ending_is_the_exit_status(endings: list[Ending], rejected: int, status: int) -> None:
    assert exit_status([FileResult("f", Counts(3, 2, rejected), 0.1, ending) for ending in endings]) == status


def test_the_summary_adds_the_files_up() -> None:
    results = [
        FileResult("a.csv", Counts(1000, 999, 1), 0.5, Ending.COMPLETE),
        FileResult("b.csv", Counts(2, 0, 0), 0.1, Ending.AWAY, "gone"),
    ]
    summary = json.loads(summary_json(results, dry_run=False))
    assert (summary["lines"], summary["sent"], summary["rejected"], summary["dry_run"]) == (1002, 999, 1, False)
    assert summary["files"][1] == {"file": "b.csv", "lines": 2, "sent": 0, "rejected": 0, "seconds": 0.1, "ending": "away", "error": "gone"}
    assert summary_text(results, dry_run=True).splitlines() == [
        "a.csv: 1,000 lines, 999 good, 1 rejected, 2,000 lines/s",
        "b.csv: 2 lines, 0 good, 0 rejected; stopped: gone",
        "total: 1,002 lines, 999 good, 1 rejected",
    ]


def test_an_acceptance_time_is_utc_and_each_line_has_its_own_correlation() -> None:
    seen: list[Message] = []

    class Remember(SymbolEncoder):
        def encode(self, message: Message) -> bytes:
            seen.append(message)
            return b""

    writer = TopicWriter("events", Remember(), MemorySink())
    before = datetime.now(UTC)
    Feeder(writer, SystemClock(), SystemIdSource(), lambda _n, _p: None, lambda _c: None).feed([line(2), line(3)], Counts())
    assert before <= seen[0].accepted_at <= datetime.now(UTC)
    assert seen[0].correlation_id != seen[1].correlation_id
