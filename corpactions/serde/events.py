"""Messages of the events topic: Avro bytes to :class:`Message` and back.

What is checked here is structure: that the record says who speaks about which event, and carries the terms its function needs. Whether the terms make
sense is :mod:`corpactions.domain.rules`' business, so that a refusal of theirs can still name the event.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from corpactions.domain import fields as rules
from corpactions.domain.errors import Rejected
from corpactions.domain.identity import EVENT_ID
from corpactions.domain.messages import CARRIES_TERMS, DECISIONS, Decision, Function, Message, VersionRef
from corpactions.domain.rules import Problem
from corpactions.domain.terms import EventType, Terms
from corpactions.ports.schemas import SchemaSource
from corpactions.serde.compiled import Fields
from corpactions.serde.terms import FIELD_BY_TYPE, canonical_json, terms_from, terms_to
from corpactions.serde.values import MAX_INT, micros_of, time_of
from corpactions.serde.wire import RecordFormat

RECORD: Final = "CorporateActionEvent"

_FUNCTIONS: Final = {function.value: function for function in Function}
_LONGEST: Final = 16 + 12 + 64 + 64 + rules.MAX_ACTOR
"""Characters of symbol, ISIN, origin, source and actor together, at most."""
_EVENT_TYPES: Final = {event_type.value: event_type for event_type in EventType}


class EventCodec:
    """Bytes of ``corporate-actions-events`` to messages and back.

    Args:
        source: where schemas of foreign ids are read.
        schema_id: the id under which encoded messages refer to their schema.

    Raises:
        Fatal, Unavailable: as :class:`RecordFormat`.
    """

    def __init__(self, source: SchemaSource, schema_id: int) -> None:
        self._format = RecordFormat(source, RECORD, schema_id)

    def encode(self, message: Message) -> bytes:
        """The framed Avro value of a message.

        Raises:
            Rejected: bad_field, when a value does not fit the wire (an amount with more than 12 decimal places, say).
        """
        try:
            return self._format.write(_fields(message))
        except (ValueError, OverflowError) as error:
            raise Rejected("bad_field", f"the message does not fit the schema: {error}") from error

    def decode(self, value: bytes | None) -> Message:
        """The message in a record's value, its structure checked.

        Raises:
            Rejected: null_value, not_avro, unknown_schema, wrong_schema, undecodable, unknown_function, unknown_event_type or bad_field; the reason
                names field, value and mend.
            Unavailable: a schema id not met before, while the registry does not answer.
        """
        return _message(self._format.read(value))


def bad_field(name: str, value: object, mend: str) -> Rejected:
    """A rejection that names the field, shows a bounded piece of the value and says what is expected."""
    shown = repr(value)
    return Rejected("bad_field", f"{name}={shown if len(shown) <= 80 else shown[:77] + '...'}: {mend}")


def _fields(message: Message) -> Fields:
    fields: Fields = {
        "event_id": message.event_id,
        "origin": message.origin,
        "version": _fitting("version", message.version),
        "function": message.function,
        "event_type": message.event_type,
        "symbol": message.symbol,
        "isin": message.isin,
        "source": message.source,
        "source_reference": message.source_reference,
        "accepted_at": micros_of(message.accepted_at),
        "actor": message.actor,
        "correlation_id": message.correlation_id,
        "reason": message.reason,
    }
    if message.based_on is not None:
        fields["based_on_origin"] = message.based_on.origin
        fields["based_on_version"] = _fitting("based_on_version", message.based_on.version)
    if message.decision is not None:
        fields["decision_id"] = message.decision.decision_id
        fields["seen_revision"] = _fitting("seen_revision", message.decision.seen_revision)
        if message.decision.seen is not None:
            fields["seen_origin"] = message.decision.seen.origin
            fields["seen_version"] = _fitting("seen_version", message.decision.seen.version)
    if message.terms is not None:
        fields[FIELD_BY_TYPE[message.event_type]] = terms_to(message.terms)
    return fields


def _fitting(name: str, number: int) -> int:
    if not 0 <= number <= MAX_INT:
        raise ValueError(f"{name}={number} is not an integer from 0 to {MAX_INT}")
    return number


def _message(fields: Fields) -> Message:
    function = _FUNCTIONS.get(fields["function"])
    if function is None:
        raise Rejected(
            "unknown_function", f"the message function is not one of {', '.join(_FUNCTIONS)}; this release does not know newer ones"
        )
    event_type = _EVENT_TYPES.get(fields["event_type"])
    if event_type is None:
        raise Rejected(
            "unknown_event_type", f"the event type is not one of {', '.join(_EVENT_TYPES)}; this release does not know newer ones"
        )
    _check_identity(fields, function)
    terms = _terms(fields, function, event_type)
    try:
        accepted_at = time_of(fields["accepted_at"])
    except OverflowError:
        raise bad_field("accepted_at", fields["accepted_at"], "send microseconds since 1970 within the years 1 to 9999") from None
    return Message(  # by position: a fifth of a microsecond for each name would add up
        fields["event_id"],
        fields["origin"],
        fields["version"],
        function,
        event_type,
        fields["symbol"],
        fields["source"],
        accepted_at,
        fields["actor"],
        fields["correlation_id"],
        fields["isin"],
        fields["source_reference"],
        terms,
        None if terms is None else canonical_json(terms),
        fields["reason"],
        _version_ref(fields, "based_on"),
        _decision(fields, function),
    )


def _check_identity(fields: Fields, function: Function) -> None:
    for name in ("event_id", "correlation_id"):
        if not EVENT_ID.fullmatch(fields[name]):
            raise bad_field(name, fields[name], "send a UUID as 36 lower-case characters")
    around = (fields["symbol"], fields["isin"], fields["origin"], fields["source"], fields["actor"])
    # Only what is short enough to be right is remembered: megabytes in its place would fill the memory.
    remembered = len(around[0]) + len(around[1] or "") + len(around[2]) + len(around[3]) + len(around[4]) <= _LONGEST
    for problem in (
        (_around_the_terms if remembered else _around_the_terms.__wrapped__)(*around),
        rules.source_reference_problem(fields["source_reference"]),
        rules.reason_problem(fields["reason"]),
    ):
        if problem is not None:
            raise bad_field(problem.field, problem.value, f"{problem.detail}; {problem.mend}")
    version = fields["version"]
    if not 1 <= version <= MAX_INT:
        raise bad_field("version", version, f"count versions from 1 to {MAX_INT} within the origin")
    if version != 1 and function is Function.NEWM:
        raise bad_field("version", version, "NEWM is always version 1; announce a change with REPL")


@lru_cache(maxsize=8_192)
def _around_the_terms(symbol: str, isin: str | None, origin: str, source: str, actor: str) -> Problem | None:
    """The first problem of fields that repeat from record to record, hence remembered."""
    return (
        rules.symbol_problem(symbol)
        or rules.isin_problem(isin)
        or rules.source_problem(origin, "origin")
        or rules.source_problem(source)
        or rules.actor_problem(actor)
    )


def _terms(fields: Fields, function: Function, event_type: EventType) -> Terms | None:
    """The terms, present exactly when the function carries them, and of the event's own type."""
    if fields["encrypted_payload"] is not None:
        raise bad_field("encrypted_payload", "(set)", "encrypted payloads are not supported yet; send the plain terms")
    wanted = FIELD_BY_TYPE[event_type] if function in CARRIES_TERMS else None
    for name in FIELD_BY_TYPE.values():
        if name != wanted and fields[name] is not None:
            allowed = f"an event of type {event_type} carries {wanted} alone" if wanted else f"a {function} message carries no terms"
            raise bad_field(name, "(set)", f"{allowed}; leave it null")
    if wanted is None:
        return None
    if fields[wanted] is None:
        raise bad_field(wanted, None, f"a {function} message for a {event_type} must carry its terms here")
    try:
        return terms_from(event_type, fields[wanted])
    except (ValueError, OverflowError) as error:
        raise bad_field(wanted, fields[wanted], f"{error}; dates lie in the years 1 to 9999, amounts have at most 38 digits") from error


def _version_ref(fields: Fields, prefix: str) -> VersionRef | None:
    origin, version = fields[f"{prefix}_origin"], fields[f"{prefix}_version"]
    if origin is None and version is None:
        return None
    if origin is None or version is None:
        missing = f"{prefix}_origin" if origin is None else f"{prefix}_version"
        raise bad_field(missing, None, f"{prefix}_origin and {prefix}_version are given together or not at all")
    if not 1 <= version <= MAX_INT:
        raise bad_field(f"{prefix}_version", version, "versions count from 1")
    if (problem := rules.source_problem(origin, f"{prefix}_origin")) is not None:
        raise bad_field(problem.field, origin, f"{problem.detail}; {problem.mend}")
    return VersionRef(origin, version)


def _decision(fields: Fields, function: Function) -> Decision | None:
    decision_id, revision = fields["decision_id"], fields["seen_revision"]
    seen = _version_ref(fields, "seen")
    if function not in DECISIONS:
        if decision_id is not None or revision is not None or seen is not None:
            raise bad_field(
                "decision_id", decision_id, f"only {' and '.join(sorted(DECISIONS))} carry a decision; leave it and seen_* null"
            )
        return None
    if decision_id is None or not EVENT_ID.fullmatch(decision_id):
        raise bad_field("decision_id", decision_id, f"{function} needs the decision's UUID as 36 lower-case characters")
    if revision is None or not 0 <= revision <= MAX_INT:
        raise bad_field("seen_revision", revision, f"{function} needs the revision that the deciding person saw")
    return Decision(decision_id, seen, revision)
