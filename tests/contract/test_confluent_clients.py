"""Any Confluent client reads what we write and writes what we read: confluent_kafka's own serializer and deserializer against our codecs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from corpactions.domain.messages import Function
from corpactions.domain.terms import Dividend
from corpactions.kafka.registry import Registry
from corpactions.serde.audit import AuditCodec
from corpactions.serde.events import EventCodec
from corpactions.serde.schemas import schema_text
from corpactions.serde.summaries import SummaryCodec
from corpactions.system import SystemClock
from tests.support.examples import RECORDS, Example, examples

CODECS: dict[str, Any] = {"CorporateActionEvent": EventCodec, "AuditRecord": AuditCodec, "BatchSummary": SummaryCodec}
VALID = [example for topic in RECORDS for example in examples(topic, "valid")]


class Client(NamedTuple):
    """Both sides on one topic of the test's own."""

    ours: Any
    schema_id: int
    serializer: AvroSerializer
    deserializer: AvroDeserializer
    context: SerializationContext


@pytest.fixture
def client(request: pytest.FixtureRequest, endpoints: dict[str, Any], topic_prefix: str) -> Client:
    record = request.param if hasattr(request, "param") else "CorporateActionEvent"
    topic = topic_prefix + record
    registry = Registry(endpoints["registry"], SystemClock())
    schema_id = registry.register(f"{topic}-value", schema_text(record)).schema_id
    confluent = SchemaRegistryClient({"url": endpoints["registry"]})
    settings = {"auto.register.schemas": False, "subject.name.strategy": topic_subject_name_strategy}
    return Client(
        CODECS[record](registry, schema_id),
        schema_id,
        AvroSerializer(confluent, schema_text(record), conf=settings),
        AvroDeserializer(confluent, schema_text(record), conf={"subject.name.strategy": topic_subject_name_strategy}),
        SerializationContext(topic, MessageField.VALUE),
    )


@pytest.mark.parametrize(
    ("client", "example"),
    [(RECORDS[example.topic], example) for example in VALID],
    indirect=["client"],
    ids=lambda case: getattr(case, "name", ""),
)
def test_the_two_sides_agree_on_every_example(client: Client, example: Example) -> None:
    value = example.framed(client.schema_id)
    fields = client.deserializer(value, client.context)
    assert client.serializer(fields, client.context) == value
    ours = client.ours.decode(value)
    assert client.ours.decode(client.serializer(fields, client.context)) == ours
    assert client.deserializer(client.ours.encode(ours), client.context) == fields


def test_a_message_written_by_the_serializer_is_a_message_of_ours(client: Client) -> None:
    fields = {
        "event_id": "0199c2f0-5d00-7000-8000-0000000000a1",
        "origin": "vendor-a",
        "version": 1,
        "function": "NEWM",
        "event_type": "DIVIDEND",
        "symbol": "MSFT",
        "source": "vendor-a",
        "accepted_at": datetime(2026, 10, 30, 12, tzinfo=UTC),
        "actor": "vendor-a",
        "correlation_id": "5f0c4c1e-6f3f-4e58-9d0b-0c1f8e0d7a11",
        "dividend": {"amount_per_share": Decimal("0.83"), "currency": "USD", "dividend_type": "CASH", "ex_date": date(2026, 11, 19)},
    }
    message = client.ours.decode(client.serializer(fields, client.context))
    assert message.function is Function.NEWM
    assert message.terms == Dividend(Decimal("0.83"), "USD", date(2026, 11, 19))
    assert message.accepted_at == fields["accepted_at"]


def test_what_we_write_reads_as_standard_logical_types(client: Client) -> None:
    announced = next(example for example in VALID if example.name == "newm_dividend")
    fields: Any = client.deserializer(client.ours.encode(client.ours.decode(announced.framed(client.schema_id))), client.context)
    assert fields["dividend"]["amount_per_share"] == Decimal("0.25")
    assert fields["dividend"]["ex_date"] == date(2026, 11, 10)
    assert fields["accepted_at"] == datetime(2026, 10, 30, 12, 0, 0, 123, tzinfo=UTC)
