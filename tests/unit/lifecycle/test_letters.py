"""Dead letters, as Spring Kafka's tools read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from consumers.lifecycle.letters import REASON_CHARACTERS, RECORD_BYTES, dead_letter, rejection, size_of
from corpactions.domain.errors import Rejected
from tests.support.announcing import newm, record
from tests.support.lifecycle import TOPICS, header

ORIGINAL = record(
    2**33,
    b"\x00\xffany",
    headers=(("ca-correlation-id", b"x"), ("empty", None), ("kafka_dlt-original-topic", b"older")),
    key=b"\xff",
    partition=7,
    timestamp=datetime(2026, 10, 30, 9, 0, 0, 123000, tzinfo=UTC),
)


def test_the_original_is_carried_byte_for_byte_into_the_partition_of_the_same_number() -> None:
    letter = dead_letter(ORIGINAL, "code", "reason", 0, TOPICS)
    assert (letter.topic, letter.partition, letter.key, letter.value) == ("dlq", 7, ORIGINAL.key, ORIGINAL.value)
    assert letter.headers[: len(ORIGINAL.headers)] == ORIGINAL.headers, "old headers stay in front, so a letter's history is kept"


def test_positions_and_times_are_big_endian_as_spring_writes_them() -> None:
    letter = dead_letter(ORIGINAL, "code", "reason", 0, TOPICS)
    assert header(letter, "kafka_dlt-original-topic") == b"corporate-actions-events"
    assert header(letter, "kafka_dlt-original-partition") == bytes.fromhex("00000007")
    assert header(letter, "kafka_dlt-original-offset") == bytes.fromhex("0000000200000000")
    assert int.from_bytes(header(letter, "kafka_dlt-original-timestamp"), "big") == 1793350800123
    assert header(letter, "kafka_dlt-original-timestamp-type") == b"CreateTime"
    assert header(letter, "kafka_dlt-original-consumer-group") == b"corporate-actions-lifecycle"


def test_the_cause_names_code_and_reason_and_the_kind_of_failure() -> None:
    rejected = dead_letter(ORIGINAL, "bad_field", "symbol='x'", 0, TOPICS)
    failed = dead_letter(ORIGINAL, "bad_field", "symbol='x'", 3, TOPICS)
    assert header(rejected, "kafka_dlt-exception-message") == b"bad_field: symbol='x'"
    assert header(rejected, "kafka_dlt-exception-fqcn").endswith(b"Rejected")
    assert header(failed, "kafka_dlt-exception-fqcn").endswith(b"Retryable")
    assert (header(rejected, "ca-revision"), header(failed, "ca-revision")) == (b"0", b"3")


def test_reasons_are_bounded() -> None:
    letter = dead_letter(ORIGINAL, "code", "é" * 100_000, 0, TOPICS)
    assert len(header(letter, "kafka_dlt-exception-message").decode()) == REASON_CHARACTERS
    told = rejection(ORIGINAL, None, Rejected("code", "é" * 100_000))
    assert told.reason is not None
    assert len(told.reason) == REASON_CHARACTERS


def test_the_audit_record_of_a_rejection_takes_its_time_from_the_record() -> None:
    told = rejection(ORIGINAL, newm(), Rejected("code", "reason"))
    assert told.recorded_at == ORIGINAL.timestamp
    assert told.correlation_id == newm().correlation_id


@pytest.mark.parametrize("key", [b"AAPL", None])
def test_a_record_too_large_for_a_letter_is_named_and_left_where_it_is(key: bytes | None) -> None:
    letter = dead_letter(ORIGINAL._replace(key=key, value=b"\x00" * (RECORD_BYTES + 1)), "record_too_large", "reason", 0, TOPICS)
    assert (letter.key, letter.value, letter.partition) == (key, None, 7)
    assert header(letter, "ca-omitted").endswith(b" bytes")
    assert header(letter, "kafka_dlt-original-offset") == bytes.fromhex("0000000200000000")


def test_a_key_too_large_for_a_letter_is_left_out_too() -> None:
    letter = dead_letter(ORIGINAL._replace(key=b"k" * (RECORD_BYTES + 1)), "record_too_large", "reason", 0, TOPICS)
    assert (letter.key, letter.value, letter.partition) == (None, None, 7)


def test_the_largest_record_is_carried_whole() -> None:
    room = RECORD_BYTES - size_of(ORIGINAL._replace(value=None))
    original = ORIGINAL._replace(value=b"x" * room)
    assert dead_letter(original, "code", "reason", 0, TOPICS).value == original.value
