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


def _microseconds(*calls: Callable[[], object]) -> list[float]:
    """The best time of each call. They take turns, so that a neighbour on the machine hits all of them."""
    turns = [[timeit.timeit(call, number=LOOPS) for call in calls] for _ in range(REPEATS)]
    return [min(times) / LOOPS * 1e6 for times in zip(*turns, strict=True)]


def measure() -> None:
    """One result for each codec and direction. The floor is the library alone on the same bytes, logical types left out;
    ours also converts and checks. A ratio above 1: we are faster."""
    source = FixedSchemas()
    for name, record, (topic, golden), codec_type, schema_id in CASES:
        codec: Any = codec_type(source, schema_id)
        value = example(topic, golden).framed(schema_id)
        decoded = codec.decode(value)
        body = value[5:]
        plain: Any = schemas.parse(schemas.schema_text(record)).plain
        fields: Any = fastavro.schemaless_reader(BytesIO(body), plain, None)
        encode, encode_floor, decode, decode_floor = _microseconds(
            lambda: codec.encode(decoded),  # noqa: B023 - all are called here
            lambda: fastavro.schemaless_writer(BytesIO(), plain, fields),  # noqa: B023
            lambda: codec.decode(value),  # noqa: B023
            lambda: fastavro.schemaless_reader(BytesIO(body), plain, None),  # noqa: B023
        )
        report(f"{name}.encode", encode, "us/record", encode_floor, less_is_better=True)
        report(f"{name}.decode", decode, "us/record", decode_floor, less_is_better=True)
