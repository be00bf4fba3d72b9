"""The lane of the announcements, which come by the thousand: from the edge straight to the operation.

FastAPI describes these operations like all others, but its middleware, routing and resolving of parameters cost more than twice as much as the operation
itself (docs/performance.md), and an operation that takes the plain request needs none of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from gateway.errors import failure_response

Operation = Callable[[Request], Awaitable[Response]]


class Express:
    """ASGI application: serves the operations of some routes itself, by method and exact path, and leaves everything else to the app.

    Args:
        app: where the same routes are described.
        routes: whose endpoints take the request and nothing else, at fixed paths.
    """

    def __init__(self, app: FastAPI, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._operations: dict[tuple[str, str], Operation] = {
            (method, route.path): route.endpoint for route in routes if isinstance(route, APIRoute) for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope (ASGI)."""
        operation = self._operations.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if operation is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        request = Request(scope, receive)
        try:
            response = await operation(request)
        except Exception as error:  # noqa: BLE001 - every failure is answered with a problem document
            response = failure_response(request, error)
        await response(scope, receive, send)
