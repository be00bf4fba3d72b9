"""`corpactions feed` against a real broker and registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Message
from corpactions.kafka.inspector import Inspector
from corpactions.kafka.reader import TopicReader
from corpactions.kafka.registry import Registry
from corpactions.ports.records import Record
from corpactions.serde.events import EventCodec
from corpactions.system import SystemClock

SAMPLE = Path(str(files("producers.feed") / "sample"))
COMMAND = Path(sys.executable).parent / "corpactions"
Feed = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def feed(endpoints: dict[str, Any], topics: str) -> Feed:
    """Runs the command against this test's own topics."""

    def run(*arguments: str, stdin: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "CA_KAFKA_BOOTSTRAP": endpoints["kafka"],
            "CA_REGISTRY_URL": endpoints["registry"],
            "CA_TOPIC_PREFIX": topics,
        }
        return subprocess.run(
            [COMMAND, "feed", *arguments], env=environment | settings, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def records(endpoints: dict[str, Any], prefix: str) -> list[Record]:
    topic = f"{prefix}corporate-actions-events"
    ends = Inspector(endpoints["kafka"]).end_offsets(topic, 5)
    found: list[Record] = []
    with TopicReader(endpoints["kafka"], topic, dict.fromkeys(ends, 0)) as reader:
        while len(found) < sum(ends.values()) and (more := reader.read(10)):
            found += more
    return found


def decoded(endpoints: dict[str, Any], prefix: str) -> list[Message]:
    registry = Registry(endpoints["registry"], SystemClock())
    codec = EventCodec(registry, registry.latest_id(f"{prefix}corporate-actions-events-value"))
    return [codec.decode(record.value) for record in records(endpoints, prefix)]


def test_the_sample_arrives_whole_where_its_symbols_belong_and_faulty_lines_do_not(
    endpoints: dict[str, Any], topics: str, feed: Feed, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.ndjson"
    names = ("rest.csv", "kafka.csv", "amendments.csv", "faulty.csv")
    done = feed(*(str(SAMPLE / name) for name in names), "--json", "--rejects", str(rejects))
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["lines"], summary["sent"], summary["rejected"]) == (913, 889, 24)
    assert len({json.loads(line)["line"] for line in rejects.read_text().splitlines()}) == 24
    assert "faulty.csv:2: currency 'USX' is not an ISO 4217 currency code" in done.stderr
    found = records(endpoints, topics)
    assert len(found) == 889
    assert all(record.key is not None and partition_of(record.key, 12) == record.partition for record in found)
    messages = decoded(endpoints, topics)
    assert {message.symbol.encode() for message in messages} == {record.key for record in found}
    assert len({(message.event_id, message.version) for message in messages}) == 889


def test_feeding_twice_says_the_same_under_the_same_identity(endpoints: dict[str, Any], topics: str, feed: Feed) -> None:
    for _ in range(2):
        assert feed(str(SAMPLE / "amendments.csv")).returncode == 0
    said = [
        message._replace(accepted_at=None, correlation_id="")  # type: ignore[arg-type] # the two that may differ are taken out
        for message in decoded(endpoints, topics)
    ]
    assert len(said) == 20
    assert len(set(said)) == 10


def test_json_lines_from_standard_input(endpoints: dict[str, Any], topics: str, feed: Feed) -> None:
    payload = {"amount_per_share": "0.25", "currency": "USD", "ex_date": "2026-11-10", "attributes": {"desk": "LDN"}}
    lines = [
        {"event_type": "DIVIDEND", "symbol": "AAPL", "payload": payload},
        {"event_type": "DIVIDEND", "symbol": "aapl", "payload": payload},
    ]
    done = feed("-", "--format", "ndjson", "--source", "desk", stdin="\n".join(map(json.dumps, lines)))
    assert done.returncode == 1
    assert "-:2: symbol 'aapl' is not a symbol" in done.stderr
    (message,) = decoded(endpoints, topics)
    assert (message.source, message.origin, message.terms and message.terms.attributes) == ("desk", "desk", '{"desk":"LDN"}')


def test_a_dry_run_needs_no_server(tmp_path: Path, feed: Feed) -> None:
    done = feed(str(SAMPLE / "rest.csv"), "--dry-run", "--json", CA_KAFKA_BOOTSTRAP="127.0.0.1:9", CA_REGISTRY_URL="http://127.0.0.1:9")
    assert done.returncode == 0
    assert json.loads(done.stdout)["sent"] == 290


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"CA_REGISTRY_URL": "http://127.0.0.1:9"}, "registry is unavailable"),
        ({"CA_KAFKA_BOOTSTRAP": "127.0.0.1:9", "CA_DELIVERY_TIMEOUT_SECONDS": "1"}, "kafka is unavailable"),
    ],
)
def test_a_server_that_is_away_is_one_clear_line(feed: Feed, settings: dict[str, str], expected: str) -> None:
    done = feed(str(SAMPLE / "amendments.csv"), **settings)
    assert done.returncode == 3
    assert expected in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_unusable_files_and_arguments_are_status_2_and_do_not_stop_the_others(feed: Feed, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("date,amount\n")
    done = feed(str(wrong), str(tmp_path / "absent.csv"), str(SAMPLE / "amendments.csv"), "--json")
    assert done.returncode == 2
    assert [(file["ending"], file["sent"]) for file in json.loads(done.stdout)["files"]] == [
        ("unusable", 0),
        ("unusable", 0),
        ("complete", 10),
    ]
    for arguments in (("-",), (str(tmp_path / "sample.txt"),), (str(SAMPLE / "rest.csv"), "--rejects", str(tmp_path / "no" / "where"))):
        assert feed(*arguments).returncode == 2
