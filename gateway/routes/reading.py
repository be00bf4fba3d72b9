"""GET: one event, lists, histories."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from corpactions.domain.fields import symbol_problem
from corpactions.domain.terms import EventType
from corpactions.ports.events import EventQuery
from gateway import examples
from gateway.answers import decode_cursor, event_document, history_document, json_response, page_document
from gateway.handler import no_such_event
from gateway.models.answers import Event, EventHistory, Page, Status
from gateway.openapi import CORRELATION_PARAMETER, answer, read_problems
from gateway.problems import Code, FieldError, invalid
from gateway.requests import event_id_of
from gateway.routes.announcing import EventId
from gateway.routes.values import Digits, Time
from gateway.services import services_of

router = APIRouter(prefix="/api/v1/events", tags=["events"])
_EXTRA: dict[str, Any] = {"parameters": [CORRELATION_PARAMETER]}
MAX_PAGE = 500


class ListParameters(BaseModel):
    """Which events to list."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    symbol: Annotated[str | None, Field(json_schema_extra={"pattern": r"^[A-Z0-9][A-Z0-9.\-]{0,15}$"})] = None
    """Only this security's events."""
    event_type: EventType | None = None
    status: Status | None = None
    created_from: Annotated[Time | None, Field(alias="from")] = None
    """Created at this time or later."""
    created_to: Annotated[Time | None, Field(alias="to")] = None
    """Created before this time."""
    limit: Annotated[Digits, Field(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str | None, Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]{32}$"})] = None
    """``next_cursor`` of the page before."""

    def query(self) -> EventQuery:
        """The question for the reader. Raises Refused (422) for a symbol or cursor that cannot be one."""
        if self.symbol is not None and (problem := symbol_problem(self.symbol)) is not None:
            raise invalid([FieldError.of(problem, "/query")])
        after = None if self.cursor is None else decode_cursor(self.cursor)
        return EventQuery(self.limit, self.symbol, self.event_type, self.status, self.created_from, self.created_to, after)


@router.get(
    "",
    response_model=None,
    operation_id="listEvents",
    summary="List events",
    responses={200: answer(Page, "A page, newest first.", examples.PAGE), **read_problems()},
    openapi_extra=_EXTRA,
)
async def list_events(request: Request, parameters: Annotated[ListParameters, Query()]) -> Response:
    """List events that have been applied, newest first.

    Filters are combined; pass ``next_cursor`` as ``cursor`` to go on. Events that came in meanwhile never shift a page.
    """
    return json_response(page_document(await services_of(request).reader.page(parameters.query())))


@router.get(
    "/{event_id}",
    response_model=None,
    operation_id="readEvent",
    summary="Read an event",
    responses={
        200: answer(Event, "The event.", examples.EVENT, {"ETag": "The current version, for If-Match."}),
        **read_problems(Code.EVENT_NOT_FOUND),
    },
    openapi_extra=_EXTRA,
)
async def read_event(request: Request, event_id: EventId) -> Response:
    """Read an event as it stands. It is found as soon as its announcement was accepted; until it has been applied, ``pending`` is true."""
    view = await services_of(request).handler.find(event_id_of(event_id))
    return json_response(event_document(view), headers={"ETag": f'"{view.ref}"'} if view.ref else None)


@router.get(
    "/{event_id}/history",
    response_model=None,
    operation_id="readHistory",
    summary="Read an event's history",
    responses={
        200: answer(EventHistory, "Everything that happened to the event.", examples.HISTORY),
        **read_problems(Code.EVENT_NOT_FOUND),
    },
    openapi_extra=_EXTRA,
)
async def read_history(request: Request, event_id: EventId) -> Response:
    """Read every version, every change with its transitions, and every effect and reversal of an event, each in order."""
    found = event_id_of(event_id)
    history = await services_of(request).reader.history(found)
    if history is None:
        raise no_such_event(found)
    return json_response(history_document(history))
