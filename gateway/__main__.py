"""The gateway process: ``python -m gateway``. SIGTERM lets requests in flight finish, then flushes and stops."""

from __future__ import annotations

import logging
import sys

import uvicorn

from corpactions.domain.errors import Fatal
from corpactions.settings import Settings, load
from corpactions.system import SystemClock, SystemIdSource
from gateway.app import build_app
from gateway.wiring import open_services

DRAIN_SECONDS = 15
"""How long requests in flight may take to finish after SIGTERM: longer than MySQL's and the broker's limits together."""
KEEP_ALIVE_SECONDS = 30
BACKLOG = 2_048


def main() -> int:
    """Serve until told to stop; 0 after a clean stop, 1 when the gateway could not start."""
    try:
        settings = load()
    except Fatal as error:
        print(error, file=sys.stderr)
        return 1
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    server = uvicorn.Server(_config(settings))
    server.run()
    return 0 if server.started else 1


def _config(settings: Settings) -> uvicorn.Config:
    clock, ids = SystemClock(), SystemIdSource()
    return uvicorn.Config(
        build_app(lambda: open_services(settings, clock, ids), ids),
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


if __name__ == "__main__":
    raise SystemExit(main())
