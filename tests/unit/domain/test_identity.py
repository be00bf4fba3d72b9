"""Identities that other programs must agree with, or that stored records are compared with for ever."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain import identity
from corpactions.domain.identity import (
    content_sha256,
    feed_event_id,
    id_range,
    isin_is_valid,
    nth_id,
    partition_of,
    payload_commitment,
    time_ordered_id,
)
from corpactions.domain.messages import Function, Message, VersionRef
from tests.support.announcing import START, decision, dividend, event_id, newm, repl

# From the tests of Kafka's own client (UtilsTest.testMurmur2): the signed 32-bit hash of each key.
KAFKA_HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "hashed"), KAFKA_HASHES.items())
def test_partitions_are_those_of_java_s_default_partitioner(key: bytes, hashed: int) -> None:
    assert partition_of(key, 2**31) == hashed & 0x7FFFFFFF
    assert partition_of(key, 12) == (hashed & 0x7FFFFFFF) % 12


@pytest.mark.parametrize("isin", ["US0378331005", "US67066G1040", "GB0002634946", "DE0007164600"])
def test_real_isins_are_valid(isin: str) -> None:
    assert isin_is_valid(isin)


@given(st.sampled_from(["US0378331005", "DE0007164600"]), st.integers(2, 11), st.integers(1, 9))
def test_one_wrong_digit_makes_an_isin_invalid(isin: str, place: int, step: int) -> None:
    wrong = str((int(isin[place]) + step) % 10)
    assert not isin_is_valid(isin[:place] + wrong + isin[place + 1 :])


@pytest.mark.parametrize("text", ["", "US037833100", "us0378331005", "US03783310055", "US037833100X", "US0378331005\n", "ÜS0378331005"])
def test_what_has_not_the_shape_of_an_isin_is_invalid(text: str) -> None:
    assert not isin_is_valid(text)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_gateway_ids_are_version_7_and_begin_with_the_time(milliseconds: int, entropy: bytes) -> None:
    made = uuid.UUID(time_ordered_id(milliseconds, entropy))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == milliseconds


@given(st.dates(), st.lists(st.text(), max_size=3))
def test_feed_ids_are_version_8_and_begin_with_the_date(day: date, identity: list[str]) -> None:
    made = uuid.UUID(feed_event_id(day, *identity))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert made.int >> 80 == day.toordinal()
    assert feed_event_id(day, *identity) == str(made)


@given(st.lists(st.text(max_size=3), max_size=3), st.lists(st.text(max_size=3), max_size=3))
def test_feed_ids_differ_with_what_the_announcement_is_known_by(one: list[str], other: list[str]) -> None:
    day = date(2026, 11, 10)
    assert (feed_event_id(day, *one) == feed_event_id(day, *other)) == (one == other)


def test_a_range_counts_over_the_whole_number() -> None:
    assert nth_id("00000000-0000-7000-8000-0000ffffffff", 1) == "00000000-0000-7000-8000-000100000000"
    assert id_range("00000000-0000-7000-8000-0000ffffffff", 2) == [
        "00000000-0000-7000-8000-0000ffffffff",
        "00000000-0000-7000-8000-000100000000",
    ]


CONTENT: dict[str, Any] = {
    "event_id": event_id(2),
    "origin": "vendor",
    "version": 2,
    "function": Function.REPL,
    "event_type": "MERGER",
    "symbol": "MSFT",
    "isin": "US0378331005",
    "source": "vendor",
    "source_reference": None,
    "terms_json": "{}",
}
AROUND: dict[str, Any] = {
    "accepted_at": START + timedelta(days=1),
    "actor": "user:bob",
    "correlation_id": event_id(5),
    "reason": "because",
    "based_on": VersionRef("gateway", 1),
}


@pytest.mark.parametrize(("field", "value"), CONTENT.items())
def test_the_content_hash_depends_on(field: str, value: Any) -> None:
    assert content_sha256(newm()._replace(**{field: value})) != content_sha256(newm())


@pytest.mark.parametrize(("field", "value"), AROUND.items())
def test_the_content_hash_does_not_depend_on(field: str, value: Any) -> None:
    assert content_sha256(newm()._replace(**{field: value})) == content_sha256(newm())


def test_every_field_of_a_message_is_in_the_hash_or_left_out_on_purpose() -> None:
    derived = {"terms", "decision"}  # the terms through their canonical JSON, the decision below
    assert set(CONTENT) | set(AROUND) | derived == set(Message._fields)


def test_two_decisions_alike_in_everything_else_differ() -> None:
    one, other = (decision(Function.DISCARD, number, None, 1) for number in (1, 2))
    assert content_sha256(one) != content_sha256(other)


def test_fields_cannot_flow_into_each_other() -> None:
    assert content_sha256(newm(source="ab", source_reference="c")) != content_sha256(newm(source="a", source_reference="bc"))
    assert content_sha256(newm(source_reference=None)) != content_sha256(newm(source_reference="null"))
    assert content_sha256(newm(source_reference='a","b')) != content_sha256(newm(source_reference='a\\","b'))


def test_the_same_amount_in_another_spelling_is_the_same_announcement() -> None:
    assert content_sha256(repl(2, dividend("0.250"))) == content_sha256(repl(2, dividend("0.25")))


def test_a_commitment_tells_nothing_without_its_salt() -> None:
    assert payload_commitment(b"a" * 16, "{}") != payload_commitment(b"b" * 16, "{}")
    assert len(payload_commitment(b"a" * 16, "{}")) == 32


def test_an_etag_reads_back_as_the_version_it_names() -> None:
    assert VersionRef.parse(str(VersionRef("vendor.eu", 12))) == VersionRef("vendor.eu", 12)


@pytest.mark.parametrize("text", ["", "gateway", "gateway.", ".1", "gateway.x", "gateway.-1", "gateway.١"])
def test_what_is_no_etag_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not of the form origin\.version"):
        VersionRef.parse(text)


def test_no_long_text_is_remembered() -> None:
    """Whoever may send a megabyte in the place of an ISIN must not make the process keep thousands of them."""
    before = identity._checks_out.cache_info().currsize
    assert not isin_is_valid("X" * 1_000_000)
    assert identity._checks_out.cache_info().currsize == before
