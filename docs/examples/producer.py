"""Announce a dividend straight into Kafka. Usage: producer.py BOOTSTRAP REGISTRY_URL [TOPIC]; needs `pip install "confluent-kafka[avro,schemaregistry]"`."""

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

bootstrap, registry_url, topic = [*sys.argv[1:], "corporate-actions-events"][:3]
settings = {"auto.register.schemas": False, "use.latest.version": True, "subject.name.strategy": topic_subject_name_strategy}
serialize = AvroSerializer(SchemaRegistryClient({"url": registry_url}), conf=settings)
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True, "acks": "all"})
event_id = str(uuid5(NAMESPACE_URL, "vendor-a/MSFT-2026-Q4"))  # the same announcement keeps its id, so sending it twice changes nothing
event = {"event_id": event_id, "origin": "vendor-a", "version": 1, "function": "NEWM", "event_type": "DIVIDEND", "symbol": "MSFT"}
event |= {"source": "vendor-a", "source_reference": "MSFT-2026-Q4", "actor": "vendor-a", "correlation_id": event_id}
event |= {"accepted_at": datetime.now(UTC)}
event |= {"dividend": {"amount_per_share": Decimal("0.83"), "currency": "USD", "dividend_type": "CASH", "ex_date": date(2026, 11, 19)}}
value = serialize(event, SerializationContext(topic, MessageField.VALUE))
failures: list[object] = []
producer.produce(topic, key="MSFT", value=value, on_delivery=lambda error, _: failures.append(error) if error else None)
sys.exit(f"not delivered: {failures}" if producer.flush(5) or failures else 0)
