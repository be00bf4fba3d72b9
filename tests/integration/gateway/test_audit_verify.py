"""Verifications that callers start: in the background, one at a time, their results kept and told by any gateway."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.models import audit as models
from gateway.models.answers import Problem
from tests.support.audited import Audited, audit_gateway, audited
from tests.support.gateway import Gateway

VERIFY = "/api/v1/audit/verify"
SIZE = 3_000


@pytest.fixture(scope="module")
def log(endpoints: dict[str, Any]) -> Iterator[Audited]:
    with audited(endpoints) as found:
        found.grow(SIZE - 1)
        yield found


@pytest.fixture(scope="module")
def served(log: Audited) -> Iterator[Gateway]:
    with audit_gateway(log) as found:
        yield found


@pytest.fixture
def client(served: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=20, trust_env=False) as found:
        yield found


def _wait(client: httpx.Client, place: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        answer = client.get(place)
        models.Verification.model_validate_json(answer.content)
        document: dict[str, Any] = answer.json()
        if document["state"] != "RUNNING":
            return document
        assert time.monotonic() < deadline, document
        time.sleep(0.1)


def test_a_verification_runs_in_the_background_one_at_a_time(client: httpx.Client, log: Audited) -> None:
    started = client.post(VERIFY)
    assert started.status_code == 202, started.text
    models.Verification.model_validate_json(started.content)
    place = started.headers["location"]
    assert place == f"{VERIFY}/{started.json()['verification_id']}"
    assert (started.json()["state"], started.json()["requested"]) == ("RUNNING", {"from": 0, "to": None})
    second = client.post(VERIFY, json={})
    assert (second.status_code, second.json()["code"]) == (409, "verification_running")
    assert second.json()["verification_id"] == started.json()["verification_id"]
    done = _wait(client, place)
    report = done["report"]
    assert done["state"] == "DONE", done
    assert (report["entries"], report["size"], report["witnessed"], report["pinned"]) == (SIZE, SIZE, SIZE, True)
    assert {finding["check"] for finding in report["findings"]} <= {
        "guard",
        "gap",
    }  # neither guards nor a topic of its own stand behind this log
    assert done["verified"] is False
    assert done["progress"] == {"read": SIZE, "of": SIZE}
    listed = models.Verifications.model_validate_json(client.get(VERIFY).content).items
    assert str(listed[0].verification_id) == done["verification_id"]
    assert listed[0].report is None
    with audit_gateway(log) as other:
        assert httpx.get(f"{other.url}{place}", trust_env=False).json() == done


def test_damage_is_reported_with_its_place(client: httpx.Client, log: Audited) -> None:
    (body,) = log.sql("SELECT body FROM audit_entries WHERE seq=77")[0]
    log.sql("UPDATE audit_entries SET body=%s WHERE seq=77", bytes(body).replace(b'"feed"', b'"leaf"'))
    try:
        done = _wait(client, client.post(VERIFY, json={"from": 0, "to": 100}).headers["location"])
    finally:
        log.sql("UPDATE audit_entries SET body=%s WHERE seq=77", bytes(body))
    assert ("body", "entry 77") in {(finding["check"], finding["place"]) for finding in done["report"]["findings"]}
    assert done["verified"] is False


def test_a_gateway_takes_its_verification_along_and_one_that_fell_silent_is_abandoned(log: Audited) -> None:
    with audit_gateway(log) as process, httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client:
        place = client.post(VERIFY).headers["location"]
        process.kill()
    with audit_gateway(log) as process, httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client:
        done = _wait(client, place)
        assert (done["state"], done["error"]) == ("FAILED", "the gateway that ran it has ended; ask for it again")
        silent = uuid.uuid4()
        document = json.dumps(
            {"requested": {"from": 0, "to": None}, "started_at": "2026-11-24T10:00:00Z", "progress": {"read": 1, "of": 2}}
        )
        for age, state in ((50, "RUNNING"), (70, "ABANDONED")):
            at = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=age)
            log.sql("REPLACE INTO audit_verifications VALUES (%s, 0, %s, 'RUNNING', %s)", silent.bytes, at, document)
            assert client.get(f"{VERIFY}/{silent}").json()["state"] == state


def test_a_gateway_that_stops_says_so_for_its_verification(log: Audited) -> None:
    with audit_gateway(log) as process, httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client:
        started = client.post(VERIFY).json()["verification_id"]
        assert process.stop() == 0
    rows = log.sql("SELECT state FROM audit_verifications WHERE verification_id=%s ORDER BY step DESC LIMIT 1", uuid.UUID(started).bytes)
    assert rows == [("FAILED",)]


@pytest.mark.parametrize(
    ("content", "pointer"),
    [(b"[]", ""), (b'{"from": -1}', "/from"), (b'{"from": "1"}', "/from"), (b'{"from": 1.5}', "/from"), (b'{"from": true}', "/from"), (b'{"to": 0}', "/to"), (b'{"from": 5, "to": 5}', "/to"),
     (b'{"to": 9007199254740992}', "/to"), (b'{"all": true}', "/all"), (b'{"from": 3000}', "/from"), (b'{"from": 1e400}', None)],
)  # fmt: skip
def test_what_cannot_be_verified_is_refused(client: httpx.Client, content: bytes, pointer: str | None) -> None:
    answer = client.post(VERIFY, content=content, headers={"Content-Type": "application/json"})
    problem = Problem.model_validate_json(answer.content)
    if pointer is None:
        assert (problem.status, problem.code) == (400, "malformed_json")
    else:
        assert (problem.status, problem.errors[0].pointer) == (422, pointer)


def test_a_body_must_be_small_json(client: httpx.Client) -> None:
    assert client.post(VERIFY, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert client.post(VERIFY, content=b" " * 5_000, headers={"Content-Type": "application/json"}).status_code == 413
    assert client.post(f"{VERIFY}?from=1").status_code == 422


def test_what_was_never_asked_is_not_there(client: httpx.Client, endpoints: dict[str, Any]) -> None:
    answer = client.get(f"{VERIFY}/00000000-0000-7000-8000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (404, "verification_not_found")
    with audited(endpoints) as empty:
        empty.sql("DELETE FROM audit_logs")
        with audit_gateway(empty) as process:
            assert httpx.post(f"{process.url}{VERIFY}", trust_env=False).json()["code"] == "not_published"
