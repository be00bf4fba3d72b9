"""A bank's own security master: a small real HTTP server that answers as agreed, or fails in the ways such services do."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.ports import HOST, Ports


class Bank:
    """What the service does; tests change the attributes while it runs.

    ``failing`` maps a symbol to how often it still gets an error inside a good answer (-1: for ever); ``breaking`` symbols make the whole call fail with 500;
    ``status`` other than 200 fails every call; ``delay`` seconds pass before each answer; ``unknown`` symbols are not known.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.delay = 0.0
        self.failing: dict[str, int] = {}
        self.breaking: set[str] = set()
        self.unknown: set[str] = set()
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, items: list[dict[str, str]]) -> tuple[int, dict[str, Any]]:
        """Status and body for one call."""
        time.sleep(self.delay)
        with self._lock:
            self.asked.update(item["symbol"] for item in items)
            if self.status != 200 or any(item["symbol"] in self.breaking for item in items):
                return (self.status if self.status != 200 else 500), {}
            return 200, {"items": [self._item(item) for item in items]}

    def _item(self, item: dict[str, str]) -> dict[str, Any]:
        symbol = item["symbol"]
        if left := self.failing.get(symbol, 0):
            self.failing[symbol] = left - 1 if left > 0 else left
            return {**item, "error": "the price feed does not answer"}
        known = {"currency": "USD", "status": "ACTIVE", "reference_price": "100"}
        return {**item, "security": None if symbol in self.unknown else known}


@contextmanager
def bank() -> Iterator[Bank]:
    """A running service on a free port."""
    port = Ports.free().gateway
    made = Bank(f"http://{HOST}:{port}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = made.answer(asked["items"])
            content = json.dumps(body).encode()
            with suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: failures are the point here."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
