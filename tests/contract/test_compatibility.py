"""How the schemas may change, as the real registry judges under FULL_TRANSITIVE: they grow, and nothing that was said can be unsaid."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from corpactions.domain.errors import Rejected
from corpactions.kafka.registry import Registry
from corpactions.serde.events import EventCodec
from corpactions.serde.schemas import schema_text
from corpactions.system import SystemClock
from tests.support.examples import example, rejection_of

Schema = dict[str, Any]
Change = Callable[[Schema], None]


def _field(schema: Schema, name: str) -> Schema:
    found: Schema = next(field for field in schema["fields"] if field["name"] == name)
    return found


def _add_event_type(schema: Schema) -> None:
    _field(schema, "event_type")["type"]["symbols"].append("RIGHTS_ISSUE")
    rights = {
        "type": "record",
        "name": "RightsIssue",
        "doc": "Terms.",
        "fields": [{"name": "ratio_new", "type": "long", "doc": "New shares."}],
    }
    schema["fields"].append(
        {"name": "rights_issue", "type": ["null", rights], "default": None, "doc": "Terms when event_type is RIGHTS_ISSUE."}
    )


def _add_symbol(field: str, symbol: str) -> Change:
    return lambda schema: _field(schema, field)["type"]["symbols"].append(symbol)


def _add_nullable(name: str) -> Change:
    return lambda schema: schema["fields"].append({"name": name, "type": ["null", "string"], "default": None, "doc": "New."})


def _add_required(schema: Schema) -> None:
    schema["fields"].append({"name": "desk", "type": "string", "doc": "New."})


def _drop(name: str) -> Change:
    return lambda schema: schema["fields"].remove(_field(schema, name))


def _rename(name: str) -> Change:
    return lambda schema: _field(schema, name).update(name=f"{name}_2")


def _retype(name: str, kind: Any) -> Change:
    return lambda schema: _field(schema, name).update(type=kind)


def _require(name: str) -> Change:
    def change(schema: Schema) -> None:
        _field(schema, name)["type"] = "string"
        del _field(schema, name)["default"]

    return change


def _narrow_amount(schema: Schema) -> None:
    _field(_field(schema, "dividend")["type"][1], "amount_per_share")["type"] = "double"


def _require_in_terms(schema: Schema) -> None:
    _field(schema, "merger")["type"][1]["fields"].append({"name": "election", "type": "string", "doc": "New."})


def _retype_nested(field: str, nested: str, kind: str) -> Change:
    return lambda schema: _field(_field(schema, field)["type"]["items"], nested).update(type=kind)


GROWTH: list[tuple[str, str, Change]] = [
    ("CorporateActionEvent", "a fourth event type with its terms", _add_event_type),
    ("CorporateActionEvent", "a new message function", _add_symbol("function", "SUSPEND")),
    ("CorporateActionEvent", "a nullable field", _add_nullable("desk")),
    ("AuditRecord", "a new action", _add_symbol("action", "CORRECTED")),
    ("AuditRecord", "a nullable field", _add_nullable("session")),
    ("BatchSummary", "a nullable field", _add_nullable("worker")),
]
BREAKAGE: list[tuple[str, str, Change]] = [
    ("CorporateActionEvent", "a field without default", _add_required),
    ("CorporateActionEvent", "a required field gone", _drop("symbol")),
    ("CorporateActionEvent", "a field renamed", _rename("event_id")),
    ("CorporateActionEvent", "a number instead of text", _retype("source", "long")),
    ("CorporateActionEvent", "version as text", _retype("version", "string")),
    ("CorporateActionEvent", "a floating-point amount", _narrow_amount),
    ("CorporateActionEvent", "a required field in a type's terms", _require_in_terms),
    ("CorporateActionEvent", "a nullable field that is required", _require("isin")),
    ("AuditRecord", "a field without default", _add_required),
    ("AuditRecord", "a required field gone", _drop("record_id")),
    ("AuditRecord", "the position's offset as text", _retype("offset", ["null", "string"])),
    ("AuditRecord", "a transition's time as text", _retype_nested("transitions", "at", "string")),
    ("BatchSummary", "a field without default", _add_required),
    ("BatchSummary", "a required field gone", _drop("summary_seq")),
    ("BatchSummary", "a count as text", _retype_nested("deltas", "count", "string")),
]


@pytest.fixture
def registry(endpoints: dict[str, Any]) -> Registry:
    return Registry(endpoints["registry"], SystemClock())


def _changed(record: str, change: Change) -> str:
    schema: Schema = json.loads(schema_text(record))
    change(schema)
    return json.dumps(schema)


def _ids(case: object) -> str | None:
    return case if isinstance(case, str) else None


@pytest.mark.parametrize(("record", "name", "change"), GROWTH, ids=_ids)
def test_the_schema_can_grow(registry: Registry, topic_prefix: str, record: str, name: str, change: Change) -> None:
    subject = f"{topic_prefix}{record}-value"
    first = registry.register(subject, schema_text(record))
    grown = _changed(record, change)
    assert registry.check(subject, grown), name
    second = registry.register(subject, grown)
    assert second.outcome == "registered"
    assert second.schema_id != first.schema_id
    assert registry.latest_id(subject) == second.schema_id
    assert registry.register(subject, schema_text(record)).schema_id == first.schema_id


@pytest.mark.parametrize(("record", "name", "change"), BREAKAGE, ids=_ids)
def test_the_schema_cannot_break(registry: Registry, topic_prefix: str, record: str, name: str, change: Change) -> None:
    subject = f"{topic_prefix}{record}-value"
    registry.register(subject, schema_text(record))
    broken = _changed(record, change)
    assert not registry.check(subject, broken), name
    with pytest.raises(Rejected, match="incompatible_schema"):
        registry.register(subject, broken)


def test_every_version_so_far_counts(registry: Registry, topic_prefix: str) -> None:
    """A field may not come back with another type after a version without it."""
    subject = f"{topic_prefix}CorporateActionEvent-value"
    registry.register(subject, _changed("CorporateActionEvent", _add_nullable("desk")))
    registry.register(subject, schema_text("CorporateActionEvent"))
    with pytest.raises(Rejected):
        registry.register(
            subject,
            _changed(
                "CorporateActionEvent",
                lambda schema: schema["fields"].append({"name": "desk", "type": ["null", "long"], "default": None, "doc": "?"}),
            ),
        )


def test_this_release_reads_what_a_later_one_writes(registry: Registry, topic_prefix: str) -> None:
    subject = f"{topic_prefix}CorporateActionEvent-value"
    ours = registry.register(subject, schema_text("CorporateActionEvent")).schema_id
    grown = _changed("CorporateActionEvent", _add_event_type)
    theirs = registry.register(subject, grown).schema_id
    codec = EventCodec(registry, ours)
    announced = example("corporate-actions-events", "newm_dividend")
    assert codec.decode(announced.framed(theirs, grown)) == codec.decode(announced.framed(ours))
    later = announced.framed(theirs, grown, event_type="RIGHTS_ISSUE", dividend=None, rights_issue={"ratio_new": 1})
    assert rejection_of(codec, later).code == "unknown_event_type"
    # and this release, started after the later one registered its schema, writes what both read
    assert codec.decode(EventCodec(registry, registry.latest_id(subject)).encode(codec.decode(announced.framed(ours)))) is not None
