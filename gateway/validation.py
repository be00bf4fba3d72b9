"""From bytes to something that may be announced: JSON, structure, then the domain's rules. Nothing that fails here leaves a trace anywhere."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from corpactions.domain import fields
from corpactions.domain.audit.entry import LARGEST_INTEGER
from corpactions.domain.rules import Problem, problems_of
from corpactions.domain.terms import EventType, Terms
from corpactions.ports.reservations import Subject
from gateway.models.audit import VerificationRequest
from gateway.models.submission import (
    Amendment,
    Cancellation,
    DividendPayload,
    DividendSubmission,
    MergerPayload,
    MergerSubmission,
    Payload,
    StockSplitPayload,
    StockSplitSubmission,
    Submission,
)
from gateway.problems import Code, FieldError, Refused, invalid
from gateway.verifying import Wanted

_SUBMISSION: TypeAdapter[DividendSubmission | StockSplitSubmission | MergerSubmission] = TypeAdapter(Submission)
_PAYLOADS: dict[EventType, type[DividendPayload | StockSplitPayload | MergerPayload]] = {
    EventType.DIVIDEND: DividendPayload,
    EventType.STOCK_SPLIT: StockSplitPayload,
    EventType.MERGER: MergerPayload,
}
_EVENT_TYPES = {event_type.value: event_type for event_type in EventType}
MAX_BULK = 500


class Announcement(NamedTuple):
    """A valid submission: what it is about and its terms."""

    subject: Subject
    terms: Terms


class Document:
    """A parsed request body.

    Its ``attributes`` are read a second time where they occur, since the usual parser turns numbers into floats and would change their digits.
    """

    def __init__(self, body: bytes) -> None:
        """Raises Refused (malformed_json) when the bytes are not one JSON value in UTF-8."""
        self._body = body
        self._exact: Any = None
        try:
            self.content: Any = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            where = f"{error.msg} at line {error.lineno}, column {error.colno}" if body else "it is empty"
            raise Refused(Code.MALFORMED_JSON, f"the body is not JSON: {where}; send one JSON object in UTF-8") from None

    def sha256(self, *scope: str) -> bytes:
        """What identifies the request: the body's canonical JSON, its attributes digit for digit, and ``scope`` (method, path, precondition)."""
        canonical = orjson.dumps([scope, self.content], option=orjson.OPT_SORT_KEYS)
        if b'"attributes"' in canonical:
            canonical += _dump_exact(self._read_exact())
        return hashlib.sha256(canonical).digest()

    def attributes(self, *path: str | int) -> str:
        """The JSON text of the attributes at ``path``, every number spelled as it was announced.

        Raises:
            Refused: they are nested deeper than JSON libraries follow.
        """
        value = self._read_exact()
        for step in path:
            value = value[step]
        return _dump_exact(value).decode()

    def _read_exact(self) -> Any:
        if self._exact is None:
            try:
                self._exact = json.loads(self._body, parse_float=_Number, parse_int=_Number)
            except RecursionError:
                raise _too_deep() from None
        return self._exact


class _Number:
    """A JSON number as it was written."""

    def __init__(self, text: str) -> None:
        self.text = text


def _dump_exact(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=_fragment)
    except orjson.JSONEncodeError:
        raise _too_deep() from None


def _fragment(value: object) -> orjson.Fragment:
    assert isinstance(value, _Number), "JSON holds nothing else"
    return orjson.Fragment(value.text)


def _too_deep() -> Refused:
    return invalid([FieldError("", None, "is nested too deeply", "keep attributes flat: at most 200 levels")])


def announcement(document: Document, *path: str | int) -> Announcement:
    """The submission at ``path`` of the document (the whole of it by default).

    Raises:
        Refused: 422 with every wrong field.
    """
    content = document.content
    for step in path:
        content = content[step]
    try:
        model = _SUBMISSION.validate_python(content)
    except ValidationError as error:
        raise invalid(_field_errors(error, _pointer("", path), skip_tag=True)) from None
    attributes = None if model.payload.attributes is None else document.attributes(*path, "payload", "attributes")
    subject = Subject(model.symbol, _EVENT_TYPES[model.event_type], model.isin, model.source, model.source_reference)
    terms = model.payload.terms(attributes)
    around, inside = _subject_problems(subject), problems_of(terms)
    if around or inside:
        prefix = _pointer("", path)
        raise invalid(
            [FieldError.of(problem, prefix) for problem in around] + [FieldError.of(problem, f"{prefix}/payload") for problem in inside]
        )
    return Announcement(subject, terms)


def bulk_items(document: Document) -> list[Announcement | Refused]:
    """Each submission of a bulk body, or what is wrong with it.

    Raises:
        Refused: the envelope itself is wrong.
    """
    content = document.content
    events = content.get("events") if isinstance(content, dict) else None
    if not isinstance(events, list):
        raise invalid([FieldError("/events", None, "is not a list of events", 'send {"events": [ … ]}')])
    if unknown := [name for name in content if name != "events"]:
        raise invalid([FieldError(_pointer("", (name,)), name, "is not a known field", "remove it") for name in unknown])
    if not 1 <= len(events) <= MAX_BULK:
        raise invalid([FieldError("/events", len(events), f"holds {len(events)} events", f"send 1 to {MAX_BULK} in a request")])
    items: list[Announcement | Refused] = []
    for index in range(len(events)):
        try:
            items.append(announcement(document, "events", index))
        except Refused as refused:
            items.append(refused)
    return items


class Amended(NamedTuple):
    """A valid amendment: how to read the new terms once the event's type is known, and why."""

    terms_as: Callable[[EventType], Terms]
    reason: str


def amendment(document: Document) -> Amended:
    """The amendment in the document, its payload still unread. Raises Refused: 422 with every wrong field."""
    content = document.content
    reason = _envelope(content, ("payload", "reason"), Amendment.model_fields)["reason"]
    _check_reason(reason)
    payload = content["payload"]

    def terms_as(event_type: EventType) -> Terms:
        try:
            model: Payload = _PAYLOADS[event_type].model_validate(payload)
        except ValidationError as error:
            raise invalid(_field_errors(error, "/payload", skip_tag=False)) from None
        terms = model.terms(None if model.attributes is None else document.attributes("payload", "attributes"))
        if errors := [FieldError.of(problem, "/payload") for problem in problems_of(terms)]:
            raise invalid(errors)
        return terms

    return Amended(terms_as, reason)


def cancellation(document: Document) -> Cancellation:
    """The cancellation in the document. Raises Refused: 422 with every wrong field."""
    try:
        model = Cancellation.model_validate(document.content)
    except ValidationError as error:
        raise invalid(_field_errors(error, "", skip_tag=False)) from None
    _check_reason(model.reason)
    return model


def verification_request(document: Document) -> Wanted:
    """What is to be verified. Raises Refused: 422 with every wrong field."""
    try:
        model = VerificationRequest.model_validate(document.content)
    except ValidationError as error:
        raise invalid(_field_errors(error, "", skip_tag=False)) from None
    for name, value in (("from", model.first), ("to", model.end)):
        if value is not None and not 0 <= value <= LARGEST_INTEGER:
            raise invalid([FieldError(f"/{name}", value, "is no number of an entry", "entries are numbered from 0")])
    if model.end is not None and model.end <= model.first:
        raise invalid([FieldError("/to", model.end, f"is not after from, which is {model.first}", "give a larger one, or leave it out")])
    return Wanted(model.first, model.end)


def _envelope(content: object, names: tuple[str, ...], known: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise invalid([FieldError("", content, "is not a JSON object", f"send an object with {' and '.join(names)}")])
    errors = [FieldError(f"/{name}", None, "is missing", "add it") for name in names if name not in content]
    errors += [
        FieldError(_pointer("", (name,)), name, "is not a known field", _nearest(name, list(known)))
        for name in content
        if name not in known
    ]
    if errors:
        raise invalid(errors)
    return content


def _check_reason(reason: object) -> None:
    if not isinstance(reason, str):
        raise invalid([FieldError("/reason", reason, "is not text", "say in a few words why, in quotes")])
    if (problem := fields.reason_problem(reason)) is not None:
        raise invalid([FieldError.of(problem, "")])


def _subject_problems(subject: Subject) -> list[Problem]:
    found = (
        fields.symbol_problem(subject.symbol),
        fields.isin_problem(subject.isin),
        fields.source_problem(subject.source),
        fields.source_reference_problem(subject.source_reference),
    )
    return [problem for problem in found if problem is not None]


_MENDS = {
    "missing": ("is missing", "add it"),
    "string_type": ("is not text", "write it in quotes"),
    "int_type": ("is not a whole number", "write an integer without quotes, point or exponent"),
    "int_from_float": ("is not a whole number", "write an integer without quotes, point or exponent"),
    "dict_type": ("is not a JSON object", "write it in braces"),
    "model_type": ("is not a JSON object", "write it in braces"),
    "model_attributes_type": ("is not a JSON object", "write it in braces"),
    "union_tag_not_found": ("is missing", f"use one of {', '.join(EventType)}"),
    "union_tag_invalid": ("is not an event type", f"use one of {', '.join(EventType)}"),
}


def _field_errors(error: ValidationError, prefix: str, *, skip_tag: bool) -> list[FieldError]:
    """Pydantic's findings in our words. ``skip_tag``: the first step of a location names the union's branch, which the sender never wrote."""
    return [_field_error(item, prefix, skip_tag=skip_tag) for item in error.errors(include_url=False)]


def _field_error(item: ErrorDetails, prefix: str, *, skip_tag: bool) -> FieldError:
    kind, location, value = item["type"], item["loc"], item["input"]
    if kind.startswith("union_tag"):
        given = value.get("event_type") if isinstance(value, dict) else None
        return FieldError(f"{prefix}/event_type", given, *_MENDS[kind])
    steps = location[1:] if skip_tag else location
    pointer = _pointer(prefix, steps)
    if kind == "extra_forbidden":
        return FieldError(pointer, steps[-1], "is not a known field", "remove it, or correct its name")
    if kind == "missing":
        return FieldError(pointer, None, *_MENDS[kind])
    if kind in _MENDS:
        return FieldError(pointer, value, *_MENDS[kind])
    mend = item.get("ctx", {}).get("mend", "see the API's description at /docs")
    return FieldError(pointer, value, item["msg"], mend)


def _pointer(prefix: str, steps: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901); names of unknown fields are the sender's and therefore bounded."""
    return prefix + "".join("/" + str(step)[:64].replace("~", "~0").replace("/", "~1") for step in steps)


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else "remove it"
