"""The demonstration's judgement: it must notice when a number does not come out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Message
from corpactions.serde.events import EventCodec
from producers.feed.demo import report
from producers.feed.demo.expectations import Expectation, expected_of
from producers.feed.demo.follow import Letter
from producers.feed.demo.outcome import Latency, Outcome
from producers.feed.demo.poison import poison
from producers.feed.demo.rest import Refusal, submission_of
from producers.feed.reader import Line
from tests.support.schema_source import AUDIT_SCHEMA, EVENT_SCHEMA, FixedSchemas
from tests.unit.feed.test_lines import DIVIDEND, FIELDS, STAMP, made
from tests.unit.feed.test_sample import good


def event(status: str = "COMPLETED", version: int = 1, **more: Any) -> dict[str, Any]:
    times = {"created_at": "2026-11-24T09:00:00Z", "completed_at": "2026-11-24T09:00:00.250000Z"}
    known = {
        "event_id": "e",
        "event_type": "DIVIDEND",
        "symbol": "AAPL",
        "origin": "gateway",
        "payload": DIVIDEND,
        "effect": {"event_code": "DVCA"},
    }
    return {"status": status, "version": version, "error": None, "flags": [], **times, **known, **more}


def fine() -> Outcome:
    return Outcome(
        expectations=[Expectation("a", "REST", "COMPLETED", 1), Expectation("b", "Kafka", "CANCELLED", 2)],
        events={"a": event(), "b": event("CANCELLED", 2)},
        letters=[Letter("text", "not_avro", "not_avro", "no framing")],
        letters_expected=1,
        refusals=[Refusal("currency", "USX", "is none", "use USD")],
        refusals_expected=1,
        feed_rejected=3,
        feed_rejected_expected=3,
        messages=2,
        fed=2,
        fed_again=2,
        repeated_request_known=True,
    )


def broken(outcome: Outcome) -> set[str]:
    return {check.name for check in outcome.checks() if not check.holds}


def test_a_complete_outcome_adds_up() -> None:
    assert broken(fine()) == set()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"events": {"a": event()}}, "accepted events found in their final state"),
        ({"events": {"a": event("PENDING"), "b": event("CANCELLED", 2)}}, "completed"),
        ({"events": {"a": event("FAILED", error="broke"), "b": event("CANCELLED", 2)}}, "completed"),
        ({"events": {"a": event(), "b": event("COMPLETED", 1)}}, "cancelled or withdrawn"),
        ({"letters": []}, "wrong records found in the dead-letter topic"),
        ({"letters": [Letter("text", "not_avro", "null_value", "")]}, "dead letters with the right reason"),
        ({"refusals": []}, "wrong submissions refused by the gateway"),
        ({"feed_rejected": 2}, "wrong lines reported by the feed, not sent"),
        ({"fed": 1}, "messages acknowledged by Kafka"),
        ({"changed_by_repetition": 1}, "events changed by feeding everything twice"),
        ({"repeated_request_known": False}, "repeated request answered with the same event"),
    ],
)
def test_each_thing_that_may_go_wrong_is_noticed(change: dict[str, Any], name: str) -> None:
    assert name in broken(replace(fine(), **change))


def test_events_that_an_earlier_demonstration_announced_are_recognised() -> None:
    before = event("FAILED", error="duplicate_announcement: held by another event")
    outcome = replace(fine(), events={"a": before, "b": event("CANCELLED", 2)})
    assert broken(outcome) == set()
    assert outcome.announced_before() == 1


def test_what_did_not_end_is_told_with_its_reason() -> None:
    outcome = replace(fine(), events={"a": event("FAILED", error="broke")})
    assert [(expectation.event_id, why) for expectation, why in outcome.unfinished()] == [("a", "broke"), ("b", "lost, status None")]


def test_latencies_are_nearest_ranks_in_milliseconds() -> None:
    assert Latency.of([number / 1000 for number in range(1, 101)]) == Latency(100, 50.0, 95.0, 99.0, 100.0)
    assert Latency.of([]) is None
    assert fine().latencies()["REST, accepted to COMPLETED"] == Latency(1, 250.0, 250.0, 250.0, 250.0)


def test_the_highest_version_of_an_event_decides_its_end() -> None:
    ends = Counter((expectation.status, expectation.version) for expectation in expected_of(good("kafka.csv") + good("amendments.csv")))
    assert ends == {("COMPLETED", 1): 579, ("COMPLETED", 2): 6, ("CANCELLED", 2): 4}


def test_poison_is_in_every_partition_and_its_kinds_are_all_different() -> None:
    codec = EventCodec(FixedSchemas(), EVENT_SCHEMA)
    accepted: Message = made(FIELDS, DIVIDEND)
    records = poison(codec.encode, STAMP, accepted, AUDIT_SCHEMA, 12)
    places = {record.partition if record.partition is not None else partition_of(record.key or b"", 12) for record in records}
    assert places == set(range(12))
    assert len({(record.key, record.value) for record in records}) == len(records)


def test_a_line_becomes_a_submission() -> None:
    line = Line(
        2,
        {"event_type": "MERGER", "symbol": "TWX", "function": "NEWM", "version": "1"},
        {"shares_new": "3", "shares_old": "2", "attributes": '{"a":1}'},
    )
    expected = {"event_type": "MERGER", "symbol": "TWX", "payload": {"shares_new": 3, "shares_old": 2, "attributes": {"a": 1}}}
    assert submission_of(line) == expected


def test_the_report_shows_events_reasons_and_what_is_wrong() -> None:
    outcome = replace(fine(), events={"a": event(), "b": event("FAILED", error="broke [badly]")})
    text = StringIO()
    report.show(Console(file=text, width=200), outcome, "http://127.0.0.1:8000")
    shown = text.getvalue()
    for expected in (
        "0.250 USD on 2026-11-10",
        "not_avro",
        "is none; use USD",
        "broke [badly]",
        "0, expected 1",
        "curl -s http://127.0.0.1:8000/api/v1/events/e",
    ):
        assert expected in shown
    assert '"adds_up":false' in report.as_json(outcome)
