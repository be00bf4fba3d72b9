"""The witness's HTTP: C2SP tlog-witness and the read calls, with bounds on everything that comes in.

POST /add-checkpoint                        cosign (C2SP)
GET  /<sha256 of the log's name>/checkpoint newest cosigned checkpoint (C2SP)
GET  /logs/<log>/checkpoint                 the same; <log> is the log's name in base64url here and below
GET  /logs/<log>/checkpoint/<size>          one size
GET  /logs/<log>/checkpoints?first&last&limit
GET  /logs/<log>/refused?limit              evidence
GET  /logs/<log>/keys                       trusted keys
POST /logs/<log>/keys                       key statements
GET  /health/live, /health/ready
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from consumers.witness.handler import JSON, Answer, Witness
from corpactions.domain.audit.notes import MAX_NOTE_BYTES, parse_decimal
from corpactions.domain.errors import Unavailable

_LOG: Final = logging.getLogger("consumers.witness.server")
MAX_BODY_BYTES: Final = 2 * MAX_NOTE_BYTES
CONNECTIONS: Final = 64
IDLE_SECONDS: Final = 30.0
"""Longest silence on a connection, between requests and within one."""
MAX_PAGE: Final = 1_000
_LOG_PATH: Final = re.compile(r"/logs/([A-Za-z0-9_-]{1,1024})={0,2}/(checkpoint|checkpoints|refused|keys)(?:/([0-9]{1,19}))?", re.ASCII)
_HASH_PATH: Final = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
_NOWHERE: Final = Answer(404, b"no such path\n")


def route_get(witness: Witness, target: str) -> Answer:
    """The answer to a GET.

    Raises:
        ValueError: a parameter is malformed.
        Unavailable: the store does not answer.
    """
    url = urlsplit(target)
    if url.path == "/health/live":
        return Answer(200, b'{"live": true}', JSON)
    if url.path == "/health/ready":
        return Answer(200, json.dumps(witness.health()).encode(), JSON)
    if by_hash := _HASH_PATH.fullmatch(url.path):
        return witness.newest_by_hash(by_hash.group(1))
    found = _LOG_PATH.fullmatch(url.path)
    if found is None:
        return _NOWHERE
    origin, what, size = _origin(found.group(1)), found.group(2), found.group(3)
    if size is not None:
        return witness.at(origin, parse_decimal(size, "size")) if what == "checkpoint" else _NOWHERE
    numbers = {name: parse_decimal(values[-1], name) for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    limit = min(numbers.get("limit", 100), MAX_PAGE)
    if what == "checkpoints":
        return witness.between(origin, numbers.get("first", 0), numbers.get("last", (1 << 63) - 1), limit)
    if what == "refused":
        return witness.refused(origin, limit)
    return witness.keys(origin) if what == "keys" else witness.newest(origin)


def route_post(witness: Witness, target: str, body: bytes) -> Answer:
    """The answer to a POST. Raises as :func:`route_get`."""
    if target == "/add-checkpoint":
        return witness.add_checkpoint(body)
    found = _LOG_PATH.fullmatch(target)
    if found is None or found.group(2) != "keys" or found.group(3):
        return _NOWHERE
    return witness.hand_over(_origin(found.group(1)), body)


def _origin(encoded: str) -> str:
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


class WitnessServer(ThreadingHTTPServer):
    """Listens; a thread for each connection, and no more of them than :data:`CONNECTIONS`.

    Args:
        address: host and port; port 0 lets the system choose.
        witness: answers.
    """

    daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        self._free = threading.Semaphore(CONNECTIONS)
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection, or hang up when there are too many: who is refused here comes again."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        """A client that went away is no news; anything else is a fault of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            _LOG.error("serving %s failed", client_address, exc_info=True)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "witness", ""
    timeout = IDLE_SECONDS
    wbufsize = -1  # head and body of an answer leave together
    disable_nagle_algorithm = True
    server: WitnessServer

    def do_GET(self) -> None:
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body nobody reads would be taken for the next request
        self._answer(lambda: route_get(self.server.witness, self.path))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self._refuse(411, "a Content-Length is expected")
        elif len(length) > 9 or int(length) > MAX_BODY_BYTES:
            self._refuse(413, f"at most {MAX_BODY_BYTES} bytes are accepted")
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                self._answer(lambda: route_post(self.server.witness, self.path, body))
            else:
                self.close_connection = True

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without having read the body, which ends the connection."""
        self.close_connection = True
        self._send(Answer(status, f"{reason}\n".encode()))

    def _answer(self, ask: Callable[[], Answer]) -> None:
        try:
            answer = ask()
        except ValueError as error:
            answer = Answer(400, f"{error}\n".encode(errors="replace"))
        except Unavailable as error:
            _LOG.error("%s %s is not answered: %s", self.command, self.path, error)
            answer = Answer(503, f"{error}\n".encode(errors="replace"))
        except Exception:  # noqa: BLE001 - one request's failure must not end the witness
            _LOG.exception("%s %s failed", self.command, self.path)
            answer = Answer(500, b"the witness failed; its log says why\n")
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Requests are no news; refusals are logged where they are decided."""
