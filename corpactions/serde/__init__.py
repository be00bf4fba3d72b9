"""Avro bytes to domain values and back: the only user of fastavro.

Every topic value is in Confluent's wire format (a zero byte, the schema id in four bytes, the Avro body), so any Confluent client reads and writes it.
Invariant: what one codec wrote, every later release reads, since the subjects are FULL_TRANSITIVE and bodies are resolved from their writer's schema.
"""
