"""The API's description: bodies are validated by our own code from raw bytes, so what FastAPI cannot see is described here from the same models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from corpactions.domain.terms import EventType
from gateway.models.answers import Problem
from gateway.models.audit import VerificationRequest
from gateway.models.submission import Amendment, Bulk, Cancellation, DividendSubmission, MergerSubmission, StockSplitSubmission
from gateway.problems import MEDIA_TYPE, Code, Refused

_REF = "#/components/schemas/{model}"
_BODIES = (DividendSubmission, StockSplitSubmission, MergerSubmission, Bulk, Amendment, Cancellation, VerificationRequest, Problem)
_SUBMISSIONS = {
    EventType.DIVIDEND: DividendSubmission,
    EventType.STOCK_SPLIT: StockSplitSubmission,
    EventType.MERGER: MergerSubmission,
}
SUBMISSION_SCHEMA: dict[str, Any] = {
    "oneOf": [{"$ref": _REF.format(model=model.__name__)} for model in _SUBMISSIONS.values()],
    "discriminator": {
        "propertyName": "event_type",
        "mapping": {str(kind): _REF.format(model=model.__name__) for kind, model in _SUBMISSIONS.items()},
    },
}
_UUID = {"type": "string", "format": "uuid"}
CORRELATION_PARAMETER = {
    "name": "ca-correlation-id",
    "in": "header",
    "required": False,
    "description": "A UUID that ties together everything this request causes; one is made when it is missing. The answer carries it.",
    "schema": _UUID,
}
KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A fresh UUID for each new request, the same one for each repetition. Remembered for at least 24 hours.",
    "schema": _UUID,
}
MATCH_PARAMETER = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "ETag of the version that the change is based on. Another current version is answered with 412, or rejected by the worker.",
    "schema": {"type": "string", "pattern": r'^(\*|"[A-Za-z0-9._:/\-]{1,64}\.[1-9][0-9]{0,8}")$', "examples": ['"gateway.1"']},
}
_WRITE_CODES = (
    Code.MALFORMED_JSON,
    Code.MISSING_IDEMPOTENCY_KEY,
    Code.MALFORMED_IDEMPOTENCY_KEY,
    Code.MALFORMED_HEADER,
    Code.IDEMPOTENCY_KEY_REUSED,
    Code.DUPLICATE_REQUEST,
    Code.REQUEST_IN_PROGRESS,
    Code.BODY_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE,
    Code.INVALID_REQUEST,
    Code.INTERNAL_ERROR,
    Code.OUTCOME_UNKNOWN,
    Code.DEPENDENCY_UNAVAILABLE,
    Code.OVERLOADED,
)
_CHANGE_CODES = (*_WRITE_CODES, Code.EVENT_NOT_FOUND, Code.WRONG_STATE, Code.EVENT_NOT_READY, Code.STALE_VERSION)
_READ_CODES = (Code.MALFORMED_HEADER, Code.INVALID_REQUEST, Code.INTERNAL_ERROR, Code.DEPENDENCY_UNAVAILABLE, Code.OVERLOADED)
_RETRY_HEADER = {"Retry-After": {"description": "Seconds after which a repetition makes sense.", "schema": {"type": "integer"}}}


def body(schema: Mapping[str, Any] | str, examples: Mapping[str, Any], *parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a mutation's body and headers. A schema may be given by its model's name."""
    reference = {"$ref": _REF.format(model=schema)} if isinstance(schema, str) else dict(schema)
    shown = {name: {"value": value} for name, value in examples.items()}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference, "examples": shown}}},
        "parameters": [KEY_PARAMETER, *parameters, CORRELATION_PARAMETER],
    }


def optional_body(schema: str, examples: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a body that may be left out, of a request without an idempotency key."""
    described = body(schema, examples)
    return {"requestBody": described["requestBody"] | {"required": False}, "parameters": [CORRELATION_PARAMETER]}


def answer(model: type, description: str, example: object, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The description of a successful answer."""
    described = {name: {"description": text, "schema": {"type": "string"}} for name, text in (headers or {}).items()}
    return {"model": model, "description": description, "headers": described, "content": {"application/json": {"example": example}}}


def content(media_type: str, description: str, example: object | None = None) -> dict[str, Any]:
    """The description of a successful answer that is no JSON: text with an example, or bytes."""
    shown: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}} if example is None else {"example": example}
    described = {
        "ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}},
        "Cache-Control": {"description": "How long it may be kept.", "schema": {"type": "string"}},
    }
    return {"description": description, "headers": described, "content": {media_type: shown}}


def write_problems() -> dict[int | str, dict[str, Any]]:
    """Every problem of a request that announces."""
    return problems(*_WRITE_CODES)


def change_problems() -> dict[int | str, dict[str, Any]]:
    """Every problem of a request that changes an event."""
    return problems(*_CHANGE_CODES)


def read_problems(*more: Code) -> dict[int | str, dict[str, Any]]:
    """Every problem of a request that reads."""
    return problems(*_READ_CODES, *more)


def problems(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The description of problem answers, one entry for each status, one example for each code."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        retry = 2 if code.status == 503 or code is Code.REQUEST_IN_PROGRESS else None
        content = found.setdefault(
            code.status,
            {"description": "", "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}, "examples": {}}}},
        )
        content["description"] += f"{'; ' if content['description'] else ''}`{code.text}`: {code.title}"
        content["content"][MEDIA_TYPE]["examples"][code.text] = {
            "value": Refused(code, "what was found, and what would mend it").document()
        }
        if retry is not None:
            content["headers"] = _RETRY_HEADER
    return found


def describe(app: FastAPI) -> None:
    """Give the app an OpenAPI document that also describes the bodies."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags)
            _, definitions = models_json_schema([(model, "validation") for model in _BODIES], ref_template=_REF)
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(definitions["$defs"])
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way to extend the document
