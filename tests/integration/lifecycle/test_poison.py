"""Records that can never be applied: each ends in the dead-letter topic, byte for byte, with a reason that a person understands, and harms nobody beside it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Message
from corpactions.kafka.registry import Registry
from corpactions.kafka.topics import catalogue
from corpactions.ports.records import Record
from corpactions.serde.schemas import schema_text
from corpactions.system import SystemClock
from tests.support.checker import judge
from tests.support.examples import example
from tests.support.product import PARTITIONS, Product
from tests.support.upstream import Upstream, amendment, announcement, day, dividend

LIMIT = int(next(spec for spec in catalogue() if spec.name == "corporate-actions-events").config["max.message.bytes"])
"""The topic's own limit, which counts the whole batch that a record travels in."""
KEY = b"AAPL"
HOME = partition_of(KEY, PARTITIONS)
HEADERS: list[tuple[str, str | bytes | None]] = [("traceparent", b"00-ab-cd-01"), ("empty", b""), ("none", None), ("traceparent", b"again")]


class Poison(NamedTuple):
    """A record and the code it must be refused with; words that its reason must hold for a person."""

    code: str
    words: str
    value: bytes | None
    key: bytes | None = KEY
    partition: int = HOME


def _sound(product: Product, **fields: Any) -> bytes:
    return product.codec.encode(announcement("AAPL", dividend(ex_date=day(900)))._replace(**fields))


def _newer_schema(product: Product, field: str, symbol: str) -> bytes:
    """A record of a schema with one symbol more in an enum, registered as a newer release would."""
    tree = json.loads(schema_text("CorporateActionEvent"))
    enum = next(item["type"] for item in tree["fields"] if item["name"] == field)
    enum["symbols"].append(symbol)
    registered = Registry(product.endpoints["registry"], SystemClock()).register(f"{product.topic('events')}-value", json.dumps(tree))
    return example("corporate-actions-events", "newm_dividend").framed(
        registered.schema_id, json.dumps(tree), **{field: symbol, "symbol": "AAPL"}
    )


def _audit_record(product: Product) -> bytes:
    registry = Registry(product.endpoints["registry"], SystemClock())
    schema_id = registry.latest_id(f"{product.topic('audit')}-value")
    return example("corporate-actions-audit", "applied").framed(schema_id)


CASES: dict[str, Callable[[Product], Poison]] = {
    "not Avro": lambda _: Poison("not_avro", "Avro serializer", b'{"symbol": "AAPL"}'),
    "empty": lambda _: Poison("not_avro", "0 bytes", b""),
    "unknown schema id": lambda _: Poison("unknown_schema", "987654321", b"\x00" + struct.pack(">I", 987654321) + b"body"),
    "truncated": lambda product: Poison("undecodable", "one record a message", _sound(product)[:-2]),
    "bytes behind the record": lambda product: Poison("undecodable", "one record a message", _sound(product) + b"\x00"),
    "null value": lambda _: Poison("null_value", "tombstone", None),
    "null key": lambda product: Poison("null_key", "key it by its symbol", _sound(product), None),
    "key that is not the symbol": lambda product: Poison(
        "key_mismatch", "AAPL", _sound(product), b"MSFT", partition_of(b"MSFT", PARTITIONS)
    ),
    "binary key": lambda product: Poison("key_mismatch", "AAPL", _sound(product), b"\xff\x00\xfe"),
    "wrong partition": lambda product: Poison("wrong_partition", "murmur2_random", _sound(product), KEY, (HOME + 1) % PARTITIONS),
    "a megabyte of garbage": lambda _: Poison("not_avro", "0xff", b"\xff" * (LIMIT - 1000)),
    "a megabyte of a key": lambda product: Poison("key_mismatch", "AAPL", _sound(product), b"K" * (LIMIT - 2000)),
    "schema of another subject": lambda product: Poison("wrong_schema", "AuditRecord", _audit_record(product)),
    "event type of a newer release": lambda product: Poison("unknown_event_type", "newer", _newer_schema(product, "event_type", "SPINOFF")),
    "function of a newer release": lambda product: Poison("unknown_function", "newer", _newer_schema(product, "function", "ADDB")),
    "contradicting terms": lambda product: Poison("invalid_terms", "amount_per_share", _sound(product, terms=dividend("-1"))),
}


def _letters_of(product: Product, poison: Poison) -> list[Record]:
    """Letters with the poison's bytes that came after its sending."""
    return [letter for letter in product.letters() if (letter.key, letter.value) == (poison.key, poison.value)]


def _check(product: Product, poison: Poison, letter: Record) -> None:
    headers = dict(letter.headers)
    assert letter.headers[: len(HEADERS)] == tuple(HEADERS), "the original headers come first, in their order"
    message = headers["kafka_dlt-exception-message"]
    assert message is not None
    assert message.decode().startswith(poison.code)
    assert poison.words in message.decode()
    assert headers["kafka_dlt-original-topic"] == product.topic("events").encode()
    assert headers["kafka_dlt-original-partition"] == struct.pack(">i", letter.partition)
    (offset,) = struct.unpack(">q", headers["kafka_dlt-original-offset"] or b"")
    original = next(record for record in product.records("events") if (record.partition, record.offset) == (letter.partition, offset))
    assert (original.key, original.value) == (poison.key, poison.value)
    milliseconds = struct.unpack(">q", headers["kafka_dlt-original-timestamp"] or b"")[0]
    assert milliseconds / 1000 == pytest.approx(original.timestamp.timestamp(), abs=0.0001)
    assert headers["kafka_dlt-original-consumer-group"] == product.settings["CA_CONSUMER_GROUP"].encode()


def test_each_poison_alone_between_two_good_records(shared: Product) -> None:
    upstream = Upstream(shared)
    poisons = {name: case(shared) for name, case in CASES.items()}
    good: list[Message] = []
    for number, poison in enumerate(poisons.values()):
        before, after = (announcement("AAPL", dividend(ex_date=day(2 * number + side))) for side in (0, 1))
        upstream.send(before)
        upstream.post(poison.key, poison.value, HEADERS, poison.partition)
        upstream.send(after)
        good += [before, after]
    shared.settle()
    assert {shared.status(event.event_id) for event in good} == {"COMPLETED"}
    for name, poison in poisons.items():
        letters = _letters_of(shared, poison)
        assert len(letters) == 1, name
        _check(shared, poison, letters[0])
    judge(shared, acked=upstream.acked)


def test_all_poisons_at_once_in_one_batch(shared: Product) -> None:
    upstream = Upstream(shared)
    good = [announcement("AAPL", dividend(ex_date=day(500 + number))) for number in range(50)]
    for number, case in enumerate(CASES.values()):
        poison = case(shared)
        upstream.post(poison.key, poison.value, HEADERS, poison.partition)
        upstream.post(good[number].symbol.encode(), shared.codec.encode(good[number]))
    upstream.send(*good[len(CASES) :])
    shared.settle()
    assert {shared.status(event.event_id) for event in good} == {"COMPLETED"}
    judge(shared, acked=upstream.acked)


def _framed_size(upstream: Upstream, value: bytes) -> bool:
    """Whether the broker takes a value of this size."""
    try:
        upstream.post(KEY, value)
        upstream.flush()
    except Exception:
        return False
    return True


def test_the_largest_record_that_the_topic_takes_is_carried_through(shared: Product) -> None:
    upstream = Upstream(shared)
    low, high = LIMIT - 500, LIMIT
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _framed_size(upstream, b"\xff" * middle) else (low, middle)
    upstream.post(KEY, b"\xfe" * low)
    upstream.flush()
    shared.settle()
    assert [letter for letter in shared.letters() if letter.value == b"\xfe" * low]
    judge(shared)


def test_a_compressed_record_larger_than_any_topic_takes_uncompressed_is_refused_and_named(shared: Product) -> None:
    upstream = Upstream(shared, settings={"compression.type": "gzip", "message.max.bytes": 50_000_000})
    upstream.post(KEY, b"\x00" * 30_000_000, HEADERS)
    upstream.flush()
    after = announcement("AAPL", dividend(ex_date=day(800)))
    upstream.send(after)
    shared.wait_for(after.event_id, "COMPLETED")
    shared.settle()
    letter = next(
        letter for letter in shared.letters() if b"record_too_large" in (dict(letter.headers)["kafka_dlt-exception-message"] or b"")
    )
    assert (letter.key, letter.value) == (KEY, None)


def test_a_conflicting_version_and_a_stale_one_are_refused(shared: Product) -> None:
    upstream = Upstream(shared)
    event = announcement("AAPL", dividend(ex_date=day(810)))
    other = event._replace(isin="US0378331005")
    stale = amendment(event, 3, based_on=amendment(event, 2).ref)
    upstream.send(event, other, stale)
    shared.settle()
    codes = [dict(letter.headers)["ca-code"] for letter in shared.letters()]
    assert {b"version_conflict", b"stale_version"} <= set(codes)
    judge(shared)
