"""A bank's own security master: a real, small HTTP server, well-behaved and not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from corpactions.domain.errors import Fatal, Unavailable
from corpactions.persistence import securities_http
from corpactions.persistence.securities_http import ITEMS_PER_CALL, HttpSecurityMaster
from corpactions.ports.securities import LookupFailure, Security, SecurityKey
from corpactions.system import SystemClock

DAY = date(2026, 11, 10)
APPLE = {"isin": "US0378331005", "currency": "USD", "status": "ACTIVE", "reference_price": "270.010"}
Answer = Callable[[list[dict[str, str]]], tuple[int, bytes]]


class Bank:
    """The bank's service. ``answer`` decides what it says; ``calls`` keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[dict[str, str]]] = []
        self.answer: Answer = everything_is_apple
        self.drip_seconds = 0.0
        bank = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/master/lookup"
                items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["items"]
                bank.calls.append(items)
                status, body = bank.answer(items)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    for byte in [bytes([value]) for value in body] if bank.drip_seconds else [body]:
                        self.wfile.write(byte)
                        time.sleep(bank.drip_seconds)
                except OSError:
                    pass  # the client gave up, as it should

            def log_message(self, *_arguments: object) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/master/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def everything_is_apple(items: list[dict[str, str]]) -> tuple[int, bytes]:
    return 200, json.dumps({"items": [{**item, "security": APPLE} for item in reversed(items)]}).encode()


@pytest.fixture
def bank() -> Iterator[Bank]:
    made = Bank()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def master(bank: Bank) -> Iterator[HttpSecurityMaster]:
    made = HttpSecurityMaster(bank.url, SystemClock())
    yield made
    made.close()


def says(status: int, content: Any) -> Answer:
    return lambda _items: (status, content if isinstance(content, bytes) else json.dumps(content).encode())


def test_each_key_has_its_own_answer(bank: Bank, master: HttpSecurityMaster) -> None:
    def answer(items: list[dict[str, str]]) -> tuple[int, bytes]:
        parts: dict[str, dict[str, Any]] = {"AAPL": {"security": APPLE}, "GONE": {"security": None}, "SICK": {"error": "pricing is late"}}
        return 200, json.dumps({"items": [{**item, **parts[item["symbol"]]} for item in items]}).encode()

    bank.answer = answer
    apple, gone, sick = (SecurityKey(symbol, DAY) for symbol in ("AAPL", "GONE", "SICK"))
    known = Security("AAPL", "US0378331005", "USD", "ACTIVE", None, Decimal("270.010"))
    assert master.lookup([apple, gone, sick]) == {apple: known, gone: None, sick: LookupFailure("pricing is late")}
    assert bank.calls == [[{"symbol": symbol, "day": "2026-11-10"} for symbol in ("AAPL", "GONE", "SICK")]]


def test_many_keys_are_asked_in_calls_of_bounded_size(bank: Bank, master: HttpSecurityMaster) -> None:
    keys = [SecurityKey(f"S{number}", DAY) for number in range(ITEMS_PER_CALL + 1)]
    assert set(master.lookup(keys + keys)) == set(keys)
    assert [len(call) for call in bank.calls] == [ITEMS_PER_CALL, 1]


@pytest.mark.parametrize(
    "answer",
    [
        says(500, {}),
        says(503, b"busy"),
        says(429, {}),
        says(200, b"not JSON"),
        says(200, []),
        says(200, {"items": []}),
        says(200, {"items": [{"symbol": "AAPL", "day": "2026-11-10"}]}),
        says(200, {"items": [{"symbol": "AAPL", "day": "2026-11-10", "security": {**APPLE, "reference_price": 270.01}}]}),
        says(200, {"items": [{"symbol": "AAPL", "day": "2026-11-10", "security": {**APPLE, "reference_price": "NaN"}}]}),
        says(200, {"items": [{"symbol": "AAPL", "day": "2026-11-10", "security": {**APPLE, "currency": None}}]}),
    ],
)
def test_no_answer_as_agreed_means_unavailable(bank: Bank, master: HttpSecurityMaster, answer: Answer) -> None:
    bank.answer = answer
    with pytest.raises(Unavailable, match="security-master"):
        master.lookup([SecurityKey("AAPL", DAY)])


@pytest.mark.parametrize("status", [301, 401, 404])
def test_a_refusal_of_us_is_fatal(bank: Bank, master: HttpSecurityMaster, status: int) -> None:
    bank.answer = says(status, {})
    with pytest.raises(Fatal, match=f"status {status}"):
        master.lookup([SecurityKey("AAPL", DAY)])


def test_nobody_there_means_unavailable() -> None:
    with pytest.raises(Unavailable, match="ConnectError"):
        HttpSecurityMaster("http://127.0.0.1:9", SystemClock()).lookup([SecurityKey("AAPL", DAY)])


def test_an_answer_that_drips_is_given_up_in_time(bank: Bank, master: HttpSecurityMaster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(securities_http, "LOOKUP_SECONDS", 0.3)
    bank.drip_seconds = 0.02
    started = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer within"):
        master.lookup([SecurityKey("AAPL", DAY)])
    assert time.monotonic() - started < 2


def test_an_endless_answer_is_given_up(bank: Bank, master: HttpSecurityMaster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(securities_http, "MAX_BODY_BYTES", 1000)
    bank.answer = says(200, b" " * 100_000)
    with pytest.raises(Unavailable, match="more than 1000 bytes"):
        master.lookup([SecurityKey("AAPL", DAY)])
