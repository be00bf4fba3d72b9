"""Microseconds per record of every codec, beside the Avro library on the same bytes: ``python -m tests.benchmarks serde``."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro

from corpactions.serde import schemas
from corpactions.serde.audit import AuditCodec
from corpactions.serde.events import EventCodec
from corpactions.serde.summaries import SummaryCodec
from tests.benchmarks.output import report
from tests.support.examples import example
from tests.support.schema_source import AUDIT_SCHEMA, EVENT_SCHEMA, SUMMARY_SCHEMA, FixedSchemas

LOOPS, REPEATS = 5_000, 5
CASES = (
    ("serde.event", "CorporateActionEvent", ("corporate-actions-events", "newm_dividend"), EventCodec, EVENT_SCHEMA),
    ("serde.audit", "AuditRecord", ("corporate-actions-audit", "applied"), AuditCodec, AUDIT_SCHEMA),
    ("serde.summary", "BatchSummary", ("corporate-actions-summaries", "changes"), SummaryCodec, SUMMARY_SCHEMA),
)


def _microseconds(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=LOOPS, repeat=REPEATS)) / LOOPS * 1e6


def _floor(record: str, body: bytes) -> tuple[float, float]:
    """What the library alone takes to write and read the same bytes, logical types left out."""
    plain: Any = schemas.parse(schemas.schema_text(record)).plain
    fields: Any = fastavro.schemaless_reader(BytesIO(body), plain, None)
    write = _microseconds(lambda: fastavro.schemaless_writer(BytesIO(), plain, fields))
    return write, _microseconds(lambda: fastavro.schemaless_reader(BytesIO(body), plain, None))


def measure() -> None:
    """One result for each codec and direction. The floor is the library's time; ours also converts and checks. A ratio above 1: we are faster."""
    source = FixedSchemas()
    for name, record, (topic, golden), codec_type, schema_id in CASES:
        codec: Any = codec_type(source, schema_id)
        value = example(topic, golden).framed(schema_id)
        decoded = codec.decode(value)
        floors = _floor(record, value[5:])
        timings = (_microseconds(lambda: codec.encode(decoded)), _microseconds(lambda: codec.decode(value)))  # noqa: B023 - called here
        for direction, took, floor in zip(("encode", "decode"), timings, floors, strict=True):
            report(f"{name}.{direction}", took, "us/record", floor, less_is_better=True)
