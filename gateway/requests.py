"""What a route reads of its request: the body within its limit, the caller, the idempotency key, the precondition."""

from __future__ import annotations

import re

from fastapi import Request

from corpactions.domain.audit.entry import LARGEST_INTEGER
from corpactions.domain.identity import EVENT_ID
from corpactions.domain.messages import VersionRef
from corpactions.ports.reservations import KeyedRequest
from gateway.handler import Caller, Precondition
from gateway.problems import Code, FieldError, Refused, invalid
from gateway.validation import Document

SINGLE_BYTES = 1_048_576
"""Largest body of a request about one event: attributes may have 65,536 characters, everything else is small."""
BULK_BYTES = 4_194_304
_MAX_INT = 2**31 - 1
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


async def read_document(request: Request, limit: int) -> Document:
    """The request's JSON body.

    Raises:
        Refused: 415 for another media type or a content encoding, 413 as soon as more than ``limit`` bytes are announced or have arrived, 400 for bytes
            that are not JSON.
    """
    media_type = _header(request, b"content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refused(Code.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is {media_type[:64] or 'missing'!r}; send application/json")
    if _header(request, b"content-encoding", "identity").lower() != "identity":
        raise Refused(Code.UNSUPPORTED_MEDIA_TYPE, "the body has a content encoding; send it plain")
    announced = _header(request, b"content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    received, parts, more = 0, [], True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Refused(Code.MALFORMED_JSON, "the connection ended before the body did")
        part = message.get("body", b"")
        received += len(part)
        if received > limit:
            raise _too_large(limit)
        parts.append(part)
        more = message.get("more_body", False)
    return Document(b"".join(parts))


async def read_optional_document(request: Request, limit: int) -> Document:
    """The request's JSON body; an empty object when there is none. Raises as :func:`read_document` does."""
    length = _header(request, b"content-length", "0")
    if length == "0" and not _headers(request, b"content-type") and not _headers(request, b"transfer-encoding"):
        return Document(b"{}")
    return await read_document(request, limit)


def _too_large(limit: int) -> Refused:
    return Refused(
        Code.BODY_TOO_LARGE, f"the body has more than {limit} bytes; send fewer events in a request, or keep documents elsewhere"
    )


def caller_of(request: Request) -> Caller:
    """Who asks. Until callers authenticate, everybody is the same anonymous one; an authenticating layer puts ``principal`` into the request's state."""
    state = request.scope["state"]
    principal = state.get("principal", "anonymous")
    return Caller(principal, f"gateway:{principal}", state["correlation_id"])


def keyed(request: Request, caller: Caller, document: Document) -> KeyedRequest:
    """The request under its idempotency key.

    Raises:
        Refused: 400 when the key is missing, there are several, or it is not a UUID.
    """
    given = _headers(request, b"idempotency-key")
    if not given:
        raise Refused(
            Code.MISSING_IDEMPOTENCY_KEY,
            "send an Idempotency-Key header with a fresh UUID, and the same one whenever you repeat this request",
        )
    key = given[0].strip().strip('"').lower()
    if len(given) > 1 or not EVENT_ID.fullmatch(key):
        error = FieldError("/header/idempotency-key", given[0], "is not one UUID", "send 36 characters, for example from uuid4()")
        raise Refused(Code.MALFORMED_IDEMPOTENCY_KEY, "the Idempotency-Key header is not one UUID; send 36 characters", errors=[error])
    scope = (request.method, request.scope["path"], _header(request, b"if-match", ""))
    return KeyedRequest(caller.principal, key, document.sha256(*scope))


def precondition_of(request: Request) -> Precondition | None:
    """The ``If-Match`` header: one entity tag as this API hands them out, or ``*``.

    Raises:
        Refused: 400 for anything else; a weak tag never matches (RFC 9110, section 13.1.1) and is refused likewise.
    """
    given = request.headers.get("if-match")
    if given is None:
        return None
    if given.strip() == "*":
        return Precondition(None)
    tag = given.strip()
    try:
        if len(tag) < 2 or tag[0] != '"' or tag[-1] != '"' or '"' in tag[1:-1]:
            raise ValueError(tag)
        seen = VersionRef.parse(tag[1:-1])
        if not 1 <= seen.version <= _MAX_INT:
            raise ValueError(tag)
    except ValueError:
        error = FieldError(
            "/header/if-match", given, "is not an entity tag of this API", 'send the ETag of your last read, for example "gateway.1"'
        )
        raise Refused(
            Code.MALFORMED_HEADER, "If-Match is not one entity tag of this API; send the ETag of your last read", errors=[error]
        ) from None
    return Precondition(seen)


def event_id_of(given: str) -> str:
    """An event id from a path, in lower case. Raises Refused (422) when it is no UUID."""
    return id_of(given, "event_id")


def id_of(given: str, name: str) -> str:
    """An id of the gateway's own from a path, in lower case. Raises Refused (422) when it is no UUID."""
    found = given.lower()
    if not EVENT_ID.fullmatch(found):
        raise invalid([FieldError(f"/path/{name}", given, "is not a UUID", f"send the {name} that the gateway answered")])
    return found


def number_of(given: str, pointer: str, least: int = 0) -> int:
    """A number of entries, from a path or a query, in its one spelling. Raises Refused (422) for anything else."""
    if not _NUMBER.fullmatch(given) or not least <= int(given) <= LARGEST_INTEGER:
        mend = f"write {least} or more in digits, without a sign or leading zeros"
        raise invalid([FieldError(pointer, given, "is no such number", mend)])
    return int(given)


def no_parameters(request: Request) -> None:
    """Refuse (422) whatever stands in the query of an address that takes nothing there."""
    if names := [name for name, _ in request.query_params.multi_items()]:
        raise invalid([FieldError(f"/query/{name[:64]}", name, "is not a known parameter", "remove it") for name in names])


def _headers(request: Request, name: bytes) -> list[str]:
    """Every value of a header. Read from the scope: the few that are needed come at a fraction of what the framework's mapping costs."""
    return [value.decode("latin-1") for given, value in request.scope["headers"] if given == name]


def _header(request: Request, name: bytes, default: str) -> str:
    values = _headers(request, name)
    return values[0] if values else default
