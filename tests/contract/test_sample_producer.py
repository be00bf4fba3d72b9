"""The producer that upstream teams copy, run as they would run it."""

from __future__ import annotations

import ast
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer

from corpactions.domain.identity import partition_of
from corpactions.domain.terms import Dividend
from corpactions.kafka.registry import Registry
from corpactions.kafka.topics import EVENTS, subject_of
from corpactions.serde.events import EventCodec
from corpactions.system import SystemClock

SAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "producer.py"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SAMPLE), *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_sample_is_short_and_needs_one_library() -> None:
    tree = ast.parse(SAMPLE.read_text())
    modules = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert modules - set(sys.stdlib_module_names) == {"confluent_kafka"}
    statements = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)]
    assert len(statements) <= 15


def test_the_sample_sends_a_message_that_we_read(endpoints: dict[str, Any], topics: str) -> None:
    topic = topics + EVENTS
    for _ in range(2):
        done = _run(endpoints["kafka"], endpoints["registry"], topic)
        assert done.returncode == 0, done.stderr
    consumer = Consumer({"bootstrap.servers": endpoints["kafka"], "group.id": f"{topics}sample", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    first, second = consumer.consume(2, timeout=20)
    consumer.close()
    registry = Registry(endpoints["registry"], SystemClock())
    codec = EventCodec(registry, registry.latest_id(subject_of(topic)))
    message = codec.decode(first.value())
    assert first.key() == b"MSFT"
    assert first.partition() == partition_of(b"MSFT", 12)
    assert message.terms is not None
    assert isinstance(message.terms, Dividend)
    assert message.terms.amount_per_share == Decimal("0.83")
    assert codec.decode(second.value())._replace(accepted_at=message.accepted_at) == message


def test_the_sample_says_when_nothing_was_delivered(endpoints: dict[str, Any], topics: str) -> None:
    done = _run("127.0.0.1:9", endpoints["registry"], topics + EVENTS)
    assert done.returncode == 1
    assert "not delivered" in done.stderr
