"""The packaged Avro schemas, and what is compared when a registered schema differs from them.

Bodies are read and written by a *plain* form of each schema, without logical types: the same bytes in half the time, with the conversions done by hand
where the types are known. What the plain form drops (an amount's scale, a timestamp's unit) is compared once per schema id instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from fastavro import parse_schema
from fastavro.schema import SchemaParseException

_DROPPED: Final = frozenset({"logicalType", "precision", "scale", "doc"})
_NESTED: Final = frozenset({"type", "items", "values", "fields"})


def schema_text(record: str) -> str:
    """The packaged schema of a record, for example ``AuditRecord``, as JSON text: what is registered."""
    return (resources.files("schemas") / "avro" / f"{record}.avsc").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Schema:
    """A record schema in its plain form, with the paths that it defines.

    ``shape`` maps every path (``dividend.ex_date``; ``function=NEWM`` for a symbol of an enum) to its logical type with unit or scale, or to an empty text.
    """

    name: str
    plain: dict[str, Any]
    shape: dict[str, str]

    def missing_from(self, other: Schema) -> list[str]:
        """Paths that this schema has and the other lacks."""
        return sorted(self.shape.keys() - other.shape.keys())

    def contradictions(self, writer: Schema) -> list[str]:
        """Where the writer means something else (another scale or unit) by a value whose bytes would decode all the same."""
        return [
            f"{path} is {writer.shape[path] or 'a plain number'}, not {meaning or 'a plain number'}"
            for path, meaning in self.shape.items()
            if writer.shape.get(path, meaning) != meaning
        ]


def parse(text: str) -> Schema:
    """Parse the JSON text of a schema.

    Raises:
        ValueError: the text is not an Avro record schema.
    """
    try:
        tree = json.loads(text)
        plain: Any = parse_schema(_plain(tree))
        schema = Schema(plain["name"], plain, dict(_shape(tree, "")))
    except (SchemaParseException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an Avro record schema ({error})") from error
    if plain["type"] != "record":
        raise ValueError(f"not an Avro record schema (it is of type {plain['type']})")
    return schema


def _plain(node: Any) -> Any:
    """The schema without logical types, and without words, so that a better explanation does not make it another schema."""
    if isinstance(node, list):
        return [_plain(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _plain(value) if name in _NESTED else value for name, value in node.items() if name not in _DROPPED}
    return kept["type"] if kept.keys() == {"type"} and isinstance(kept["type"], str) else kept


def _shape(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for branch in node:
            if branch != "null":
                yield from _shape(branch, path)
        return
    if not isinstance(node, dict):
        yield path, ""
        return
    kind = node["type"]
    if kind == "record":
        yield path, ""
        for field in node["fields"]:
            yield from _shape(field["type"], f"{path}.{field['name']}" if path else str(field["name"]))
    elif kind in {"array", "map"}:
        yield from _shape(node["items" if kind == "array" else "values"], f"{path}[]")
    elif kind == "enum":
        yield path, ""
        for symbol in node["symbols"]:
            yield f"{path}={symbol}", ""
    elif isinstance(kind, str):
        yield path, _meaning(node)
    else:
        yield from _shape(kind, path)


def _meaning(node: dict[str, Any]) -> str:
    """The logical type with what changes its values. A uuid is the text that it is written as, so it means no more than a string here."""
    logical = node.get("logicalType", "")
    if logical == "decimal":
        return f"decimal with scale {node.get('scale', 0)}"
    return "" if logical == "uuid" else str(logical)
