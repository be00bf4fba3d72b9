"""The edges of HTTP: limits, media types, methods, headers, hostile input, shutting down."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from gateway.models.answers import Problem
from gateway.requests import BULK_BYTES, SINGLE_BYTES
from tests.support.gateway import DIVIDEND, Backing, Gateway, gateway, key, post

EVENTS = "/api/v1/events"
UNKNOWN = "00000000-0000-7000-8000-000000000000"


def _problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    Problem.model_validate(document)
    assert (document["status"], document["code"]) == (status, code)
    return document


def _raw(client: httpx.Client, content: bytes, **headers: str) -> httpx.Response:
    sent = {"Content-Type": "application/json", "Idempotency-Key": key()} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return client.post(EVENTS, content=content, headers=sent)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b'{"event_type": "\\ud800"}', b'{"a": 1e999}', b"\xef\xbb\xbf{}"],
)
def test_what_is_not_json_is_malformed(client: httpx.Client, content: bytes) -> None:
    _problem(_raw(client, content), 400, "malformed_json")


@pytest.mark.parametrize("content", [b"null", b"[]", b'"text"', b"1", b"{}", b'{"event_type": ["DIVIDEND"]}', b'{"event_type": null}'])
def test_what_is_no_submission_is_invalid(client: httpx.Client, content: bytes) -> None:
    assert _problem(_raw(client, content), 422, "invalid_request")["errors"]


def test_a_wrong_value_is_named_bounded_and_mended(client: httpx.Client) -> None:
    hostile = "<script>\r\nSet-Cookie: a=b\x00" + "A" * 10_000
    document = _problem(post(client, EVENTS, DIVIDEND | {"symbol": hostile, "surprise": 1}), 422, "invalid_request")
    assert [error["pointer"] for error in document["errors"]] == ["/surprise"]
    document = _problem(post(client, EVENTS, DIVIDEND | {"symbol": hostile}), 422, "invalid_request")
    (error,) = document["errors"]
    assert error["pointer"] == "/symbol"
    assert len(error["value"]) <= 100
    assert "\n" not in error["value"]
    assert error["mend"]
    assert len(json.dumps(document)) < 2_000


UUID = "5ed55d91-3468-4197-a36b-92a5f2df2ccb"


@pytest.mark.parametrize("given", [None, "", "abc", "1234", f"{UUID}x", f"{{{UUID}}}", f"{UUID}, {UUID}"])
def test_the_key_must_be_a_uuid(client: httpx.Client, given: str | None) -> None:
    headers = {"Content-Type": "application/json"} | ({} if given is None else {"Idempotency-Key": given})
    answer = client.post(EVENTS, content=json.dumps(DIVIDEND), headers=headers)
    _problem(answer, 400, "missing_idempotency_key" if given is None else "malformed_idempotency_key")


def test_a_quoted_key_is_the_same_key(client: httpx.Client) -> None:
    again = key()
    first = post(client, EVENTS, DIVIDEND, f'"{again}"')
    assert _problem(post(client, EVENTS, DIVIDEND, again), 409, "duplicate_request")["event_id"] == first.json()["event_id"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "", "application/json-patch+json"])
def test_only_json_is_taken(client: httpx.Client, media_type: str) -> None:
    _problem(_raw(client, b"{}", Content_Type=media_type), 415, "unsupported_media_type")
    _problem(_raw(client, b"{}", Content_Encoding="gzip"), 415, "unsupported_media_type")


@pytest.mark.parametrize("header", ["ca-correlation-id", "If-Match"])
def test_a_header_that_cannot_be_read_is_refused(client: httpx.Client, header: str) -> None:
    event_id = post(client, EVENTS, DIVIDEND).json()["event_id"]
    body = {"function": "CANC", "reason": "mistake"}
    for given in ("x", 'W/"gateway.1"', '"gateway.0"', '"a", "b"'):
        _problem(post(client, f"{EVENTS}/{event_id}/cancel", body, **{header: given}), 400, "malformed_header")


def test_a_correlation_id_travels_and_every_answer_has_one(client: httpx.Client, made: Backing) -> None:
    given = key()
    answer = post(client, EVENTS, DIVIDEND, **{"ca-correlation-id": given})
    assert answer.headers["ca-correlation-id"] == given
    assert given in {message.correlation_id for message in made.messages()}
    assert client.get("/nowhere").headers["ca-correlation-id"]


def test_addresses_and_methods_that_are_not_there(client: httpx.Client) -> None:
    _problem(client.get("/nowhere"), 404, "not_found")
    _problem(client.get(f"{EVENTS}/{UNKNOWN}"), 404, "event_not_found")
    _problem(client.get(f"{EVENTS}/{UNKNOWN}/history"), 404, "event_not_found")
    _problem(post(client, f"{EVENTS}/{UNKNOWN}/cancel", {"function": "CANC", "reason": "x"}), 404, "event_not_found")
    _problem(client.get(f"{EVENTS}/not-a-uuid"), 422, "invalid_request")
    answer = client.put(EVENTS, json={})
    _problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=1e1", "symbol=aapl", "status=DONE", "event_type=BOND", "from=yesterday", "from=1700000000", "cursor=x", "cursor=AAAA",
     "nonsense=1", "from=2026-02-30T00:00:00Z"],
)  # fmt: skip
def test_wrong_list_parameters_are_refused(client: httpx.Client, query: str) -> None:
    (error,) = _problem(client.get(f"{EVENTS}?{query}"), 422, "invalid_request")["errors"]
    assert error["pointer"].startswith("/query/")


def test_a_body_over_the_limit_is_refused_before_it_is_read(client: httpx.Client, served: Gateway) -> None:
    _problem(_raw(client, b" " * (SINGLE_BYTES + 1)), 413, "body_too_large")
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        head = f"POST {EVENTS}/bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {BULK_BYTES + 1}\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(4096)


def test_a_body_without_a_length_is_counted_while_it_arrives(client: httpx.Client) -> None:
    def parts() -> Any:
        for _ in range(2 * SINGLE_BYTES // 65_536):
            yield b" " * 65_536

    try:
        answer = client.post(EVENTS, content=parts(), headers={"Content-Type": "application/json", "Idempotency-Key": key()})
    except httpx.WriteError:
        return  # the gateway answered and closed while we were still sending
    _problem(answer, 413, "body_too_large")


def test_a_bulk_request_is_bounded(client: httpx.Client) -> None:
    _problem(post(client, f"{EVENTS}/bulk", {"events": []}), 422, "invalid_request")
    _problem(post(client, f"{EVENTS}/bulk", {"events": [DIVIDEND] * 501}), 422, "invalid_request")
    _problem(post(client, f"{EVENTS}/bulk", {"events": [DIVIDEND], "more": 1}), 422, "invalid_request")
    assert len(post(client, f"{EVENTS}/bulk", {"events": [DIVIDEND] * 500}).json()["items"]) == 500


def _check_content(status: int, content: dict[str, Any], where: str) -> None:
    """Every answer with a body has an example; bytes have none."""
    if status == 304:
        assert content == {}, where
        return
    ((media_type, described),) = content.items()
    if status >= 400:
        assert media_type == "application/problem+json", f"{where} {status}"
    elif "/audit/log/" in where:
        assert media_type in {"text/plain", "application/octet-stream"}, where
    else:
        assert media_type == "application/json", where
    assert media_type == "application/octet-stream" or described.get("example") or described["examples"], f"{where} {status}"


def test_the_description_stands_alone(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            assert {"400", "500"} <= set(operation["responses"]), where
            for status, response in operation["responses"].items():
                assert response["description"], f"{where} {status}"
                _check_content(int(status), response.get("content", {}), where)
    page = client.get("/docs")
    assert page.status_code == 200
    assert "src=" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_shutting_down_finishes_what_is_in_flight_and_loses_no_ack(made: Backing) -> None:
    with gateway(made) as process, ThreadPoolExecutor(9) as pool:
        connected = threading.Barrier(9)
        locked = made.connection()
        locked.cursor().execute("LOCK TABLES idempotency_keys WRITE")

        def submit(number: int) -> httpx.Response:
            with httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client:
                client.get("/health/live")
                connected.wait(30)
                return post(client, EVENTS, DIVIDEND | {"symbol": f"Z{number}"})

        asked = [pool.submit(submit, number) for number in range(8)]
        connected.wait(30)
        time.sleep(1.0)
        stopping = pool.submit(process.stop)
        time.sleep(0.3)
        locked.close()
        accepted = [future.result() for future in asked]
        stopping.result()
    assert [answer.status_code for answer in accepted] == [201] * 8
    ids = [bytes.fromhex(answer.json()["event_id"].replace("-", "")) for answer in accepted]
    states = [made.sql("SELECT state FROM idempotency_keys WHERE event_id = %s", event_id) for event_id in ids]
    assert states == [[("PUBLISHED",)]] * 8
