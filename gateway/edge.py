"""The outermost layer: correlation ids, a bound on requests in flight, safe response headers. Plain ASGI, a few microseconds a request."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from corpactions.domain.identity import EVENT_ID
from corpactions.ports.ambient import IdSource
from gateway.errors import problem_response
from gateway.problems import Code, Refused

CORRELATION_HEADER = "ca-correlation-id"
_HEADER = CORRELATION_HEADER.encode()
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
MAX_IN_FLIGHT = 1_000
"""Requests in progress at once: at 2,000 a second and 5 ms each there are ten, so a thousand means that a dependency stands still."""


class Edge:
    """Wraps the application.

    A request's ``ca-correlation-id`` (a UUID) is kept, or one is made; it stands in the scope's state, in the answer and in every record that the request
    causes.
    """

    def __init__(self, app: ASGIApp, ids: IdSource, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._app = app
        self._ids = ids
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused: Refused | None = None
        given = next((value for name, value in scope["headers"] if name == _HEADER), None)
        correlation_id = self._ids.correlation_id() if given is None else given.decode("latin-1").lower()
        if given is not None and not EVENT_ID.fullmatch(correlation_id):
            correlation_id = self._ids.correlation_id()
            refused = Refused(Code.MALFORMED_HEADER, f"{CORRELATION_HEADER} is not a UUID; send one, or leave the header out")
        elif self._in_flight >= self._max_in_flight and not scope["path"].startswith(("/health/", "/metrics")):
            refused = Refused(
                Code.OVERLOADED, "the gateway has as many requests in progress as it takes; repeat in a moment", retry_after=1
            )
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        marked = _marking(send, correlation_id.encode())
        if refused is not None:
            await problem_response(refused)(scope, receive, marked)
            return
        self._in_flight += 1
        try:
            await self._app(scope, receive, marked)
        finally:
            self._in_flight -= 1


def _marking(send: Send, correlation_id: bytes) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], (_HEADER, correlation_id), _NOSNIFF]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)  # what may be kept says so itself
            message["headers"] = headers
        await send(message)

    return marked
