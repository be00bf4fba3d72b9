"""The log from announcement to stranger: real writer, real witness, every service with an account of its own, and the guards in place."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.audit_database import with_accounts
from tests.support.auditing import Auditing, auditing
from tests.support.fsck import FSCK, fsck
from tests.support.gateway import DIVIDEND, post
from tests.support.product import Product, product

EVENTS = 40


@pytest.fixture(scope="module")
def accounts(endpoints: dict[str, Any]) -> dict[str, Any]:
    """The servers, with passwords of the services' accounts."""
    return with_accounts(endpoints)


@pytest.fixture(scope="module")
def made(accounts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(accounts, tmp_path_factory.mktemp("whole"), CA_AUDIT_CHECKPOINT_SECONDS="0.5") as found:
        yield found


@pytest.fixture(scope="module")
def log(made: Product) -> Iterator[Auditing]:
    with auditing(made) as found:
        found.start_witness()
        found.start()
        made.start_worker()
        made.start_gateway(wait=True, **found.settings)
        yield found


def test_what_is_announced_is_proved_to_strangers(made: Product, log: Auditing, tmp_path: Path) -> None:
    with httpx.Client(base_url=made.gateway_url, timeout=20, trust_env=False) as client:
        announced = [
            post(client, "/api/v1/events", DIVIDEND | {"symbol": f"W{number}", "isin": None}).json()["event_id"] for number in range(EVENTS)
        ]
        log.wait_for(EVENTS + 1)
        log.wait_for_witness(EVENTS + 1)
        for event_id in announced:
            page = client.get("/api/v1/audit", params={"event_id": event_id}).json()
            assert [item["verified"] for item in page["items"]] == [True], page
            assert page["items"][0]["checkpoint"] == "covered"
        whole = client.get("/api/v1/audit", params={"limit": 500}).json()
        assert whole["verification"]["completeness"] == "proven", whole["verification"]
        assert whole["verification"]["checkpoint"]["witnessed_at"]
        assert whole["items"][-1]["action"] == "LOG_OPENED"
        done = _verified(client)
        assert done["verified"] is True, json.dumps(done, indent=1)
        assert (done["report"]["witnessed"], done["report"]["not_logged"]) == (log.size, 0)
        if FSCK.can_be_had():
            verdict = fsck(f"{made.gateway_url}/api/v1/audit/log/", client.get("/api/v1/audit/log/key").text, tmp_path)
            assert verdict.accepted, verdict.text


def _verified(client: httpx.Client) -> dict[str, Any]:
    place = client.post("/api/v1/audit/verify").headers["location"]
    deadline = time.monotonic() + 60
    while True:
        document: dict[str, Any] = client.get(place).json()
        if document["state"] != "RUNNING":
            return document
        assert time.monotonic() < deadline, document
        time.sleep(0.2)
