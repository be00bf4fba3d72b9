"""Framed Avro bodies of one record type to fields and back, whoever wrote them and with whichever version of the schema.

Invariant: whatever the bytes are, reading them either gives the fields of the packaged schema, raises Rejected with a reason for a person, or raises
Unavailable because the registry must be asked and does not answer. A registry that is away is never mistaken for a bad record.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any, Final

from fastavro import schemaless_reader, schemaless_writer

from corpactions.domain.errors import Fatal, Rejected
from corpactions.ports.schemas import SchemaSource
from corpactions.serde import schemas
from corpactions.serde.compiled import Fields, reader_of, writer_of

HEADER_BYTES: Final = 5
"""Confluent's framing: one zero byte, then the schema id, big-endian."""

_Plain = dict[str, Any]
_Reader = Callable[[bytes, int], Fields]


class RecordFormat:
    """Reads and writes one record type.

    Writing uses the registered schema with id ``schema_id``, which may be newer than the packaged one (its new fields then take their defaults).

    Raises:
        Fatal: that schema is unknown, is of another record or lacks something that this release writes: registering is a step of the deployment.
        Unavailable: the registry does not answer.
    """

    def __init__(self, source: SchemaSource, record: str, schema_id: int) -> None:
        self._source = source
        self._own = schemas.parse(schemas.schema_text(record))
        self._own_reader = reader_of(self._own.plain)
        self._readers: dict[int, _Reader | Rejected] = {}
        target = self._registered(schema_id).plain
        self._writer = writer_of(self._own.plain) if target == self._own.plain else partial(_write_other, target)
        self._prefix = b"\x00" + schema_id.to_bytes(4, "big")

    def write(self, fields: Fields) -> bytes:
        """One framed value. Fields hold plain Avro values: amounts as unscaled bytes, dates as days, times as microseconds.

        Raises:
            ValueError, TypeError, KeyError, AttributeError, OverflowError: a field is missing or does not fit its type.
        """
        return self._writer(fields, self._prefix)

    def read(self, value: bytes | None) -> Fields:
        """The fields of a framed value, resolved to the packaged schema.

        Raises:
            Rejected: null_value, not_avro, unknown_schema, wrong_schema or undecodable.
            Unavailable: the schema id is not known yet and the registry does not answer.
        """
        schema_id, framed = id_of(value)
        reader = self._readers.get(schema_id) or self._learn(schema_id)
        if isinstance(reader, Rejected):
            raise Rejected(reader.code, reader.reason)
        try:
            return reader(framed, HEADER_BYTES)
        except Exception as error:  # whatever these bytes make the reader raise, it is the bytes that are wrong
            why = f"{type(error).__name__}: {error}"[:120]
            raise Rejected(
                "undecodable", f"the body is no record of schema {schema_id} ({why}); send what that schema says, one record a message"
            ) from error

    def _learn(self, schema_id: int) -> _Reader | Rejected:
        """Ask the registry once about an id. Only "there is none" is not kept here, since it may change."""
        text = self._source.schema_text(schema_id)
        if text is None:
            return Rejected("unknown_schema", f"the registry has no schema with id {schema_id}; register the schema, or send its real id")
        self._readers[schema_id] = reader = self._judge(schema_id, text)
        return reader

    def _judge(self, schema_id: int, text: str) -> _Reader | Rejected:
        try:
            writer = schemas.parse(text)
        except ValueError as error:
            return Rejected("wrong_schema", f"schema {schema_id} is {error}; use {self._own.name}")
        if writer.name != self._own.name:
            return Rejected("wrong_schema", f"schema {schema_id} describes {writer.name[:64]}; use {self._own.name}")
        if problems := self._own.contradictions(writer):
            return Rejected("wrong_schema", f"in schema {schema_id} {problems[0]}; use the logical types of {self._own.name}")
        return self._own_reader if writer.plain == self._own.plain else partial(_read_other, writer.plain, self._own.plain)

    def _registered(self, schema_id: int) -> schemas.Schema:
        text = self._source.schema_text(schema_id)
        if text is None:
            raise Fatal(f"the registry has no schema {schema_id} for {self._own.name}; run `corpactions schemas register`")
        try:
            registered = schemas.parse(text)
        except ValueError as error:
            raise Fatal(f"schema {schema_id} for {self._own.name} is {error}") from None
        missing = self._own.missing_from(registered)
        if registered.name != self._own.name or missing:
            lacks = f" and lacks {', '.join(missing[:5])}" if missing else ""
            raise Fatal(f"schema {schema_id} is {registered.name}{lacks}; run `corpactions schemas register` with this release first")
        return registered


def id_of(value: bytes | None) -> tuple[int, bytes]:
    """The schema id in a value's framing, and the value, which is then known to be there.

    Raises:
        Rejected: null_value or not_avro.
    """
    if value is None:
        raise Rejected("null_value", "the record has no value; a corporate action is ended by a CANC or WITH message, never by a tombstone")
    if len(value) < HEADER_BYTES:
        raise Rejected(
            "not_avro",
            f"the value has {len(value)} bytes, and the schema registry's framing alone takes {HEADER_BYTES}; use an Avro serializer",
        )
    if value[0]:
        raise Rejected(
            "not_avro",
            f"the value starts with byte 0x{value[0]:02x} instead of 0x00; use an Avro serializer with the schema registry's framing",
        )
    return int.from_bytes(value[1:HEADER_BYTES], "big"), value


def _write_other(target: _Plain, fields: Fields, prefix: bytes) -> bytes:
    buffer = BytesIO()
    buffer.write(prefix)
    schemaless_writer(buffer, target, fields)
    return buffer.getvalue()


def _read_other(writer: _Plain, own: _Plain, value: bytes, start: int) -> Fields:
    """Resolve a body of another version to ours: unknown fields fall away, missing ones take their defaults, unknown symbols read as UNKNOWN."""
    body = BytesIO(value)
    body.seek(start)
    fields: Fields = schemaless_reader(body, writer, own)  # type: ignore[assignment] # a record schema gives a dict
    if rest := len(value) - body.tell():
        raise ValueError(f"{rest} bytes are left after the record")
    return fields
