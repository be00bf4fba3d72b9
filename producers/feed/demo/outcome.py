"""What the demonstration found, and whether it adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Final, NamedTuple

from corpactions.auditing.report import Report
from corpactions.commands.gateway_client import Json
from producers.feed.demo.expectations import CANCELLED, COMPLETED, FAILED, Expectation
from producers.feed.demo.follow import Letter
from producers.feed.demo.rest import Refusal

_ANNOUNCED_BEFORE: Final = "duplicate_announcement"
_BEFORE: Final = "announced before"
_LOST: Final = "lost"
_OPEN: Final = "open"


class Check(NamedTuple):
    """A number that must come out: ``expected`` equals ``found``."""

    name: str
    expected: int
    found: int

    @property
    def holds(self) -> bool:
        return self.expected == self.found


class Latency(NamedTuple):
    """Durations in milliseconds, over so many ``samples``."""

    samples: int
    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency | None:
        """The percentiles of some durations, by nearest rank; None without any."""
        if not seconds:
            return None
        ordered = [round(value * 1000, 1) for value in sorted(seconds)]
        p50, p95, p99 = (ordered[max(0, ceil(len(ordered) * share) - 1)] for share in (0.50, 0.95, 0.99))
        return cls(len(ordered), p50, p95, p99, ordered[-1])


@dataclass(slots=True)
class Outcome:
    """Everything that was seen, filled in step by step."""

    expectations: list[Expectation] = field(default_factory=list)
    events: dict[str, Json] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    letters_expected: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    refusals_expected: int = 0
    feed_rejected: int = 0
    feed_rejected_expected: int = 0
    messages: int = 0
    fed: int = 0
    fed_again: int = 0
    changed_by_repetition: int = 0
    repeated_request_known: bool = False
    accepted_before: int = 0
    request_seconds: list[float] = field(default_factory=list)
    bulk_events: int = 0
    bulk_seconds: float = 0.0
    started: datetime | None = None
    proof: Report | None = None

    def checks(self) -> list[Check]:
        """All that must come out for nothing to be lost, doubled or silently dropped."""
        ends = Counter(self._end(expectation) for expectation in self.expectations)
        due = Counter(expectation.status for expectation in self.expectations if self._end(expectation) != _BEFORE)
        right = sum(letter.code == letter.expected_code for letter in self.letters)
        return [
            Check(
                "accepted events found in their final state",
                len(self.expectations),
                sum(ends.values()) - ends[_LOST] - ends[_OPEN] - ends[FAILED],
            ),
            Check("completed", due[COMPLETED], ends[COMPLETED]),
            Check("cancelled or withdrawn", due[CANCELLED], ends[CANCELLED]),
            Check("messages acknowledged by Kafka", self.messages, self.fed),
            Check("messages acknowledged by Kafka a second time", self.messages, self.fed_again),
            Check("wrong lines reported by the feed, not sent", self.feed_rejected_expected, self.feed_rejected),
            Check("wrong submissions refused by the gateway", self.refusals_expected, len(self.refusals)),
            Check("wrong records found in the dead-letter topic", self.letters_expected, len(self.letters)),
            Check("dead letters with the right reason", self.letters_expected, right),
            Check("events changed by feeding everything twice", 0, self.changed_by_repetition),
            *self._proof_checks(),
            Check("repeated request answered with the same event", 1, int(self.repeated_request_known)),
        ]

    def _proof_checks(self) -> list[Check]:
        if self.proof is None:
            return []
        return [
            Check("audit records not in the log", 0, -1 if self.proof.not_logged is None else self.proof.not_logged),
            Check("findings in the audit log", 0, sum(self.proof.counts.values()) + len(self.proof.missing)),
            Check("entries of the audit log under a witnessed checkpoint", self.proof.size, self.proof.witnessed),
        ]

    def announced_before(self) -> int:
        """Events of the sample that an earlier demonstration had announced under other ids."""
        return sum(self._end(expectation) == _BEFORE for expectation in self.expectations)

    def unfinished(self) -> list[tuple[Expectation, str]]:
        """The accepted events that did not come to their end, and what is known of them."""
        found = []
        for expectation in self.expectations:
            if (end := self._end(expectation)) in {_LOST, _OPEN, FAILED}:
                event = self.events.get(expectation.event_id, {})
                found.append((expectation, str(event.get("error") or f"{end}, status {event.get('status')}")))
        return found

    def latencies(self) -> dict[str, Latency | None]:
        """From acceptance to COMPLETED by route, for events of this run in their first version; and the gateway's answers."""
        found = {"REST request to 201": Latency.of(self.request_seconds)}
        for route in ("REST", "Kafka"):
            found[f"{route}, accepted to COMPLETED"] = Latency.of([end - begin for begin, end in self._spans(route)])
        return found

    def events_per_second(self) -> float | None:
        """Events completed in this run, over the time from the first acceptance to the last completion."""
        spans = self._spans("REST") + self._spans("Kafka")
        if len(spans) < 2:
            return None
        return round(len(spans) / (max(end for _, end in spans) - min(begin for begin, _ in spans)), 1)

    def flags(self) -> Counter[str]:
        """How often each warning stands on an event."""
        return Counter(flag for event in self.events.values() for flag in event["flags"])

    def _spans(self, route: str) -> list[tuple[float, float]]:
        spans = []
        for expectation in self.expectations:
            event = self.events.get(expectation.event_id)
            if expectation.route != route or event is None or event["status"] != COMPLETED or event["version"] != 1:
                continue
            begin, end = datetime.fromisoformat(event["created_at"]), datetime.fromisoformat(event["completed_at"])
            if self.started is None or begin >= self.started:
                spans.append((begin.timestamp(), end.timestamp()))
        return spans

    def _end(self, expectation: Expectation) -> str:
        event = self.events.get(expectation.event_id)
        if event is None:
            return _LOST
        if expectation.met_by(event):
            return expectation.status
        if event["status"] == FAILED:
            return _BEFORE if _ANNOUNCED_BEFORE in (event["error"] or "") else FAILED
        return _OPEN
