"""Health answers of a process that serves no HTTP otherwise: ``/health/live`` and ``/health/ready`` on a port of their own.

Live means that the loop turns; ready that it works. An open circuit makes a worker not ready, never dead: restarting it would only move its partitions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Report = Callable[[], Mapping[str, object]]


def serve(port: int, live: Callable[[], bool], report: Report) -> ThreadingHTTPServer:
    """Answer on 0.0.0.0:``port`` from a thread of its own; the server is stopped with ``shutdown()``.

    Args:
        port: where to listen; 0 lets the system choose (see ``server_port``).
        live: whether the process is alive.
        report: what ``/health/ready`` shows; its ``ready`` decides between 200 and 503.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health/live":
                self._answer(200 if live() else 503, {"live": live()})
            elif self.path == "/health/ready":
                state = report()
                self._answer(200 if state.get("ready") else 503, state)
            else:
                self._answer(404, {"detail": "there are /health/live and /health/ready"})

        def _answer(self, status: int, body: Mapping[str, object]) -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            with suppress(ConnectionError):  # a prober that hung up has its answer already
                self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Probes are no news."""

    server = ThreadingHTTPServer(("0.0.0.0", port), Handler)  # noqa: S104 - probes come from outside the host
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
