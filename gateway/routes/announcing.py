"""POST, PATCH and cancel: the mutations of events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from corpactions.domain.messages import Function
from gateway import examples
from gateway.answers import accepted_change, accepted_event, bulk_answer
from gateway.handler import Change
from gateway.models.answers import AcceptedChange, AcceptedEvent, BulkAnswer
from gateway.openapi import MATCH_PARAMETER, SUBMISSION_SCHEMA, answer, body, change_problems, write_problems
from gateway.problems import Refused
from gateway.requests import BULK_BYTES, SINGLE_BYTES, caller_of, event_id_of, keyed, precondition_of, read_document
from gateway.services import services_of
from gateway.validation import amendment, announcement, bulk_items, cancellation

router = APIRouter(prefix="/api/v1/events", tags=["events"])
hot = APIRouter(prefix="/api/v1/events", tags=["events"])
"""The announcements: :class:`gateway.express.Express` serves them."""
EventId = Annotated[str, Path(description="The event's id.", json_schema_extra={"format": "uuid"}, examples=[examples.EVENT_ID])]
_PLACE = {"Location": "Where the event is read.", "ETag": "The version, for If-Match."}


@hot.post(
    "",
    status_code=201,
    response_model=None,
    operation_id="announceEvent",
    summary="Announce an event",
    responses={201: answer(AcceptedEvent, "Accepted: the broker has it.", examples.ACCEPTED_EVENT, _PLACE), **write_problems()},
    openapi_extra=body(SUBMISSION_SCHEMA, examples.SUBMISSIONS),
)
async def announce(request: Request) -> Response:
    """Announce one corporate action. The answer comes after the broker has acknowledged the message, and the event can be read at once.

    Repeat the request with the same key after a time-out or a 503: it can never make a second event.
    """
    document = await read_document(request, SINGLE_BYTES)
    caller = caller_of(request)
    keyed_request = keyed(request, caller, document)
    held = await services_of(request).handler.announce(caller, keyed_request, announcement(document))
    return accepted_event(held)


@hot.post(
    "/bulk",
    response_model=None,
    operation_id="announceEvents",
    summary="Announce up to 500 events",
    responses={200: answer(BulkAnswer, "What became of each event.", examples.BULK_ANSWER), **write_problems()},
    openapi_extra=body("Bulk", {"events": examples.BULK}),
)
async def announce_many(request: Request) -> Response:
    """Announce many corporate actions under one idempotency key.

    Items are judged one by one: valid ones are accepted, wrong ones are reported at their place, and neither holds back the other. Repeat the whole request with the same key after a time-out or a 503.
    """
    document = await read_document(request, BULK_BYTES)
    caller = caller_of(request)
    keyed_request = keyed(request, caller, document)
    items = bulk_items(document)
    valid = [None if isinstance(item, Refused) else item for item in items]
    held = await services_of(request).handler.announce_many(caller, keyed_request, valid) if any(valid) else None
    return bulk_answer(held, items)


@router.patch(
    "/{event_id}",
    status_code=202,
    response_model=None,
    operation_id="amendEvent",
    summary="Replace an event's terms",
    responses={202: answer(AcceptedChange, "Accepted: the broker has it.", examples.ACCEPTED_CHANGE, _PLACE), **change_problems()},
    openapi_extra=body("Amendment", {"amendment": examples.AMENDMENT}, MATCH_PARAMETER),
)
async def amend(request: Request, event_id: EventId) -> Response:
    """Replace the terms of an event by complete new ones (REPL).

    Symbol, source and reference never change. An effect that was posted is reversed and posted anew when the new version completes.
    """
    found = event_id_of(event_id)
    document = await read_document(request, SINGLE_BYTES)
    caller = caller_of(request)
    keyed_request = keyed(request, caller, document)
    amended = amendment(document)
    change = Change(Function.REPL, amended.reason, precondition_of(request), amended.terms_as)
    return accepted_change(await services_of(request).handler.change(caller, keyed_request, found, change))


@router.post(
    "/{event_id}/cancel",
    status_code=202,
    response_model=None,
    operation_id="cancelEvent",
    summary="Cancel or withdraw an event",
    responses={202: answer(AcceptedChange, "Accepted: the broker has it.", examples.ACCEPTED_CHANGE, _PLACE), **change_problems()},
    openapi_extra=body("Cancellation", {"withdrawal": examples.CANCELLATION}, MATCH_PARAMETER),
)
async def cancel(request: Request, event_id: EventId) -> Response:
    """End an event: CANC when the announcement was a mistake, WITH when the issuer withdrew it. An effect that was posted is reversed."""
    found = event_id_of(event_id)
    document = await read_document(request, SINGLE_BYTES)
    caller = caller_of(request)
    keyed_request = keyed(request, caller, document)
    cancelled = cancellation(document)
    change = Change(Function(cancelled.function), cancelled.reason, precondition_of(request), None)
    return accepted_change(await services_of(request).handler.change(caller, keyed_request, found, change))
