"""Problems as HTTP answers, for every way in which a request can fail. No stack trace, no secret and no unbounded echo leaves the process."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from corpactions.domain.errors import Rejected, Unavailable
from corpactions.persistence.audit_published import NotPublished
from gateway.problems import MEDIA_TYPE, RETRY_SECONDS, Code, FieldError, Refused, invalid, unavailable

_log = logging.getLogger(__name__)
_BY_STATUS = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}


def problem_response(refused: Refused, headers: Mapping[str, str] | None = None) -> Response:
    """The RFC 9457 answer of a refusal."""
    sent = dict(headers or {})
    if refused.retry_after is not None:
        sent["Retry-After"] = str(refused.retry_after)
    if refused.code is Code.BODY_TOO_LARGE:
        sent["Connection"] = "close"  # the rest of the body is not worth reading
    return Response(orjson.dumps(refused.document()), refused.code.status, sent, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make the app answer every failure with a problem document."""

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "registered for that class"
        code = _BY_STATUS.get(error.status_code, Code.NOT_FOUND)
        detail = f"{request.method} is not for this address" if code is Code.METHOD_NOT_ALLOWED else "nothing is served at this address"
        allowed = sorted({*_methods(request), *(error.headers or {}).get("Allow", "").split(", ")} - {""})
        headers = {"Allow": ", ".join(allowed)} if code is Code.METHOD_NOT_ALLOWED else None
        return problem_response(Refused(code, f"{detail}; see /docs"), headers)

    async def on_parameters(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError), "registered for that class"
        return problem_response(invalid([_parameter_error(item) for item in error.errors()]))

    async def on_failure(request: Request, error: Exception) -> Response:
        return failure_response(request, error)

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_parameters)
    for kind in (Refused, NotPublished, Unavailable, Rejected, Exception):
        app.add_exception_handler(kind, on_failure)


def failure_response(request: Request, error: Exception) -> Response:
    """The answer to whatever an operation raised, logged where it is our failure and not the sender's."""
    if isinstance(error, Refused):
        if error.code.status >= 500:
            _log.warning("%s", error, exc_info=error.__cause__)
        return problem_response(error)
    if isinstance(error, NotPublished):
        return problem_response(Refused(Code.NOT_PUBLISHED, error.reason, retry_after=RETRY_SECONDS if error.soon else None))
    if isinstance(error, Unavailable):
        _log.warning("%s", error)
        return problem_response(unavailable(error))
    if isinstance(error, Rejected):
        return problem_response(Refused(Code.INVALID_REQUEST, error.reason))
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(
        Refused(Code.INTERNAL_ERROR, "the gateway met an error of its own; repeat the request, and report its correlation id if it stays")
    )


def _methods(request: Request) -> set[str]:
    """Every method that some operation takes at the request's address."""
    address = request.url.path.split("/")
    found: set[str] = set()
    for template, operations in request.app.openapi()["paths"].items():
        steps = template.split("/")
        if len(steps) == len(address) and all(step == given or step.startswith("{") for step, given in zip(steps, address, strict=True)):
            found |= {method.upper() for method in operations}
    return found


def _parameter_error(item: Mapping[str, object]) -> FieldError:
    location = item["loc"]
    assert isinstance(location, tuple), "FastAPI names where it looked"
    pointer = "/" + "/".join(str(step)[:64] for step in location)
    if item["type"] == "extra_forbidden":
        return FieldError(pointer, location[-1], "is not a known parameter", "remove it, or correct its name")
    context = item.get("ctx")
    mend = context.get("mend") if isinstance(context, Mapping) else None
    return FieldError(pointer, item.get("input"), str(item["msg"]), str(mend or "see the API's description at /docs"))
