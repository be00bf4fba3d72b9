"""The golden examples of ``schemas/examples``, turned into bytes by the plain Avro library with all logical types, as a foreign client would.

A file holds ``about``, and either ``value`` (the record in JSON: amounts and dates as text, times in RFC 3339, bytes in hex; nullable fields may be left
out), or ``hex`` (a raw value, framing included) or ``null_value``. A valid one also holds ``body_hex``, the Avro body that must never change; an invalid one
holds ``code``, the rejection it must meet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib import resources
from io import BytesIO
from typing import Any, Protocol

import fastavro

from corpactions.domain.errors import Rejected
from corpactions.serde.schemas import schema_text

RECORDS = {
    "corporate-actions-events": "CorporateActionEvent",
    "corporate-actions-audit": "AuditRecord",
    "corporate-actions-summaries": "BatchSummary",
}


class Decoder(Protocol):
    def decode(self, value: bytes | None) -> object: ...


@dataclass(frozen=True)
class Example:
    topic: str
    name: str
    content: dict[str, Any]

    def framed(self, schema_id: int, schema: str | None = None, **changes: object) -> bytes:
        """The value on the topic, written with the packaged schema or another one, with some fields changed."""
        tree = json.loads(schema or schema_text(RECORDS[self.topic]))
        buffer = BytesIO()
        buffer.write(b"\x00" + schema_id.to_bytes(4, "big"))
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(tree), _from_json(tree, {**self.content["value"], **changes}))
        return buffer.getvalue()

    def value(self, schema_id: int) -> bytes | None:
        """The value on the topic, whichever way the file gives it."""
        if self.content.get("null_value"):
            return None
        if "hex" in self.content:
            return bytes.fromhex(self.content["hex"])
        return self.framed(schema_id)


def examples(topic: str, kind: str) -> list[Example]:
    """All examples of a topic that are ``valid`` or ``invalid``, by name."""
    folder = resources.files("schemas") / "examples" / topic / kind
    found = [Example(topic, entry.name.removesuffix(".json"), json.loads(entry.read_text())) for entry in folder.iterdir()]
    return sorted(found, key=lambda example: example.name)


def example(topic: str, name: str) -> Example:
    """One valid example."""
    return next(found for found in examples(topic, "valid") if found.name == name)


def rejection_of(codec: Decoder, value: bytes | None) -> Rejected:
    """The rejection that a value meets; an AssertionError when it is taken."""
    try:
        decoded = codec.decode(value)
    except Rejected as rejected:
        return rejected
    raise AssertionError(f"taken as {decoded}")


def _from_json(schema: Any, value: Any) -> Any:
    """A JSON value as the Python value that the Avro library expects for a schema."""
    if isinstance(schema, list):
        return None if value is None else _from_json(next(branch for branch in schema if branch != "null"), value)
    if not isinstance(schema, dict):
        return bytes.fromhex(value) if schema == "bytes" else value
    if schema["type"] == "record":
        return {field["name"]: _from_json(field["type"], value[field["name"]]) for field in schema["fields"] if field["name"] in value}
    if schema["type"] == "array":
        return [_from_json(schema["items"], item) for item in value]
    if isinstance(value, str):
        return _logical(schema, value)
    return value if not isinstance(schema["type"], dict) else _from_json(schema["type"], value)


def _logical(schema: dict[str, Any], text: str) -> Any:
    match schema.get("logicalType"):
        case "decimal":
            return Decimal(text)
        case "date":
            return date.fromisoformat(text)
        case "timestamp-micros":
            return datetime.fromisoformat(text)
        case _:
            return text if isinstance(schema["type"], str) else _from_json(schema["type"], text)
