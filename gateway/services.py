"""What the routes work with, put together by ``gateway.__main__`` and found in the application's state."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import Request

from corpactions.ports.events import EventReader
from gateway.handler import Handler
from gateway.health import Readiness


class Services(NamedTuple):
    """The working parts of a gateway."""

    handler: Handler
    reader: EventReader
    readiness: Readiness


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    services: Services = request.app.state.services
    return services
