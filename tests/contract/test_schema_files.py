"""The schema and topic files themselves: documented to the last field, and able to grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from corpactions.domain.audit.records import Action
from corpactions.domain.messages import Function
from corpactions.domain.terms import EventType
from corpactions.kafka.topics import EVENTS, EVENTS_DLQ, catalogue
from corpactions.serde.schemas import schema_text

RECORDS = sorted(
    entry.name.removesuffix(".avsc") for entry in (resources.files("schemas") / "avro").iterdir() if entry.name.endswith(".avsc")
)
HEADROOM = 128 * 1024
"""Bytes that a topic we write must take beyond the events topic: a dead letter's headers fit on top of the largest record."""


def _nodes(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every record, field and enum with its path."""
    if isinstance(node, list):
        for branch in node:
            yield from _nodes(branch, path)
    elif isinstance(node, dict):
        if node["type"] in {"record", "enum"}:
            yield path, node
        for field in node.get("fields", []):
            yield f"{path}.{field['name']}", field
            yield from _nodes(field["type"], f"{path}.{field['name']}")
        if node["type"] == "array":
            yield from _nodes(node["items"], f"{path}[]")
        elif isinstance(node["type"], dict | list):
            yield from _nodes(node["type"], path)


def _all_nodes(record: str) -> list[tuple[str, dict[str, Any]]]:
    return list(_nodes(json.loads(schema_text(record)), record))


@pytest.mark.parametrize("record", RECORDS)
def test_every_record_field_and_enum_is_documented(record: str) -> None:
    undocumented = [path for path, node in _all_nodes(record) if len(node.get("doc", "")) < 8]
    assert undocumented == []


@pytest.mark.parametrize("record", RECORDS)
def test_every_enum_can_grow(record: str) -> None:
    for path, node in _all_nodes(record):
        if node["type"] == "enum":
            assert node["default"] == node["symbols"][0] == "UNKNOWN", path


@pytest.mark.parametrize("record", RECORDS)
def test_every_nullable_field_defaults_to_null(record: str) -> None:
    for path, node in _all_nodes(record):
        if isinstance(node["type"], list):
            assert node["type"][0] == "null", path
            assert len(node["type"]) == 2, f"{path}: a union of several types cannot grow under FULL_TRANSITIVE"
            assert node["default"] is None, path


def test_no_schema_knows_floating_point() -> None:
    for record in RECORDS:
        assert '"float"' not in schema_text(record)
        assert '"double"' not in schema_text(record)


@pytest.mark.parametrize(
    ("record", "enum", "values"),
    [
        ("CorporateActionEvent", "MessageFunction", Function),
        ("CorporateActionEvent", "EventType", EventType),
        ("AuditRecord", "AuditAction", Action),
    ],
)
def test_the_enums_are_the_domains(record: str, enum: str, values: type[Function | EventType | Action]) -> None:
    (symbols,) = [node["symbols"] for _, node in _all_nodes(record) if node.get("name") == enum and node["type"] == "enum"]
    assert symbols[1:] == [value.value for value in values]


def test_every_schema_belongs_to_a_topic_with_full_transitive_compatibility() -> None:
    specs = catalogue()
    assert sorted(spec.schema for spec in specs if spec.schema) == RECORDS
    assert {spec.compatibility for spec in specs if spec.schema} == {"FULL_TRANSITIVE"}


def test_the_topics_keep_everything_and_leave_room_for_dead_letters() -> None:
    specs = {spec.name: spec for spec in catalogue()}
    largest = int(specs[EVENTS].config["max.message.bytes"])
    assert specs[EVENTS_DLQ].partitions == specs[EVENTS].partitions, "a dead letter keeps its partition"
    for spec in specs.values():
        assert spec.config["retention.ms"] == spec.config["retention.bytes"] == "-1", spec.name
        if spec.name != EVENTS:
            assert int(spec.config["max.message.bytes"]) >= largest + HEADROOM, spec.name
