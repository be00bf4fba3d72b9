"""The ASGI application: routes, error answers, the API's description. Everything it works with is handed in."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

import corpactions
from corpactions.ports.ambient import IdSource
from gateway import errors
from gateway.edge import Edge
from gateway.express import Express
from gateway.openapi import describe
from gateway.routes import announcing, audit, audit_log, audit_verify, docs, health, metrics, reading
from gateway.services import Services

_DESCRIPTION = (
    "Announce, amend, cancel and read corporate actions, and audit all of it. Every mutation of an event carries an Idempotency-Key and may be repeated with it at any time: it takes effect"
    " once. Errors are RFC 9457 problem documents with a stable code, the wrong values and what would mend them."
)
_GC_THRESHOLD = 50_000
"""Objects before a collection: requests make few cycles, and collections in the middle of requests were most of the p99 latency."""


def build_app(services: Callable[[], AbstractAsyncContextManager[Services]], ids: IdSource) -> ASGIApp:
    """The application.

    Args:
        services: opens what the routes work with at start-up, and closes it after the last request.
        ids: makes correlation ids.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with services() as app.state.services:
            app.openapi()
            gc.collect()
            gc.freeze()
            gc.set_threshold(_GC_THRESHOLD, 50, 50)
            yield

    app = FastAPI(
        title="Corporate Actions",
        version=corpactions.__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    errors.install(app)
    for module in (announcing, reading, audit, audit_verify, audit_log, health, metrics, docs):
        app.include_router(module.router)
    app.include_router(announcing.hot)
    describe(app)
    return Edge(Express(app, announcing.hot.routes), ids)
