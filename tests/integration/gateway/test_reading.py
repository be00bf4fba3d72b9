"""Reading what the lifecycle worker has made of accepted events: one event, lists page by page, histories."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.models import answers
from tests.support.gateway import DIVIDEND, Backing, key, post

EVENTS = "/api/v1/events"


@pytest.fixture(scope="module")
def worker(made: Backing) -> Iterator[None]:
    """A lifecycle worker on the same database and topics."""
    mysql = made.endpoints["mysql"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CA_")} | {
        "CA_KAFKA_BOOTSTRAP": made.endpoints["kafka"],
        "CA_REGISTRY_URL": made.endpoints["registry"],
        "CA_TOPIC_PREFIX": made.prefix,
        "CA_CONSUMER_GROUP": f"{made.prefix}lifecycle",
        "CA_MYSQL_HOST": mysql["host"],
        "CA_MYSQL_PORT": str(mysql["port"]),
        "CA_MYSQL_DATABASE": made.database,
        "CA_MYSQL_USER": mysql["user"],
        "CA_MYSQL_PASSWORD": mysql["password"],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "consumers.lifecycle"], env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    yield
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until(client: httpx.Client, event_id: str, status: str) -> answers.Event:
    deadline = time.monotonic() + 30
    while True:
        answer = client.get(f"{EVENTS}/{event_id}")
        event = answers.Event.model_validate_json(answer.content)
        if event.status == status and not event.pending:
            assert answer.headers["etag"] == f'"{event.origin}.{event.version}"'
            return event
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


def _announce(client: httpx.Client, **changes: Any) -> str:
    answer = post(client, EVENTS, DIVIDEND | changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["event_id"])


@pytest.mark.usefixtures("worker")
def test_an_event_is_read_through_its_life_with_its_history(client: httpx.Client) -> None:
    payload = DIVIDEND["payload"] | {"attributes": {"note": "é", "rate": 1.5}}
    event_id = _announce(client, symbol="LIFE", isin=None, source_reference="L-1", payload=payload)
    first = _until(client, event_id, "COMPLETED")
    assert first.payload == payload | {"dividend_type": "CASH"}
    assert first.effect is not None
    assert first.completed_at is not None
    amended = {"payload": DIVIDEND["payload"] | {"amount_per_share": "0.30"}, "reason": "the rate was wrong"}
    answer = client.patch(f"{EVENTS}/{event_id}", json=amended, headers={"Idempotency-Key": key(), "If-Match": '"gateway.1"'})
    assert answer.json()["version"] == 2
    deadline = time.monotonic() + 20
    while (second := _until(client, event_id, "COMPLETED")).version != 2:
        assert time.monotonic() < deadline
    assert (second.source_reference, second.payload and second.payload["amount_per_share"]) == ("L-1", "0.3")
    post(client, f"{EVENTS}/{event_id}/cancel", {"function": "WITH", "reason": "withdrawn"})
    last = _until(client, event_id, "CANCELLED")
    assert last.cancel_function == "WITH"
    again = post(client, f"{EVENTS}/{event_id}/cancel", {"function": "WITH", "reason": "withdrawn"})
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    history = answers.EventHistory.model_validate_json(client.get(f"{EVENTS}/{event_id}/history").content)
    assert [(version.version, version.function, version.current) for version in history.versions] == [
        (1, "NEWM", False),
        (2, "REPL", False),
        (3, "WITH", True),
    ]
    assert [change.revision for change in history.changes] == list(range(1, last.revision + 1))
    assert history.changes[-1].after == "CANCELLED"
    assert history.changes[0].actor == "gateway:anonymous"
    assert [effect.kind for effect in history.effects] == ["POST", "REVERSAL", "POST", "REVERSAL"]
    assert not any(effect.in_force for effect in history.effects)


@pytest.mark.usefixtures("worker")
def test_a_list_is_read_page_by_page_newest_first(client: httpx.Client) -> None:
    symbols = [f"PG{number}" for number in range(7)]
    made = [_announce(client, symbol=symbol, isin=None, source="pages") for symbol in symbols]
    for event_id in made:
        _until(client, event_id, "COMPLETED")
    start = client.get(f"{EVENTS}/{made[0]}").json()["created_at"]
    found: list[str] = []
    cursor = None
    while True:
        query: dict[str, Any] = {"limit": 3, "from": start, "status": "COMPLETED", "event_type": "DIVIDEND"} | (
            {"cursor": cursor} if cursor else {}
        )
        page = answers.Page.model_validate_json(client.get(EVENTS, params=query).content)
        assert len(page.items) <= 3
        found += [str(item.event_id) for item in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert found == made[::-1]
    assert [item["symbol"] for item in client.get(EVENTS, params={"symbol": "PG3"}).json()["items"]] == ["PG3"]
    assert client.get(EVENTS, params={"to": start, "symbol": "PG0"}).json() == {"items": [], "next_cursor": None}


@pytest.mark.usefixtures("worker")
def test_a_bulk_item_can_be_amended_once_it_is_applied(client: httpx.Client) -> None:
    items = post(client, f"{EVENTS}/bulk", {"events": [DIVIDEND | {"symbol": f"BK{number}", "isin": None} for number in range(3)]}).json()[
        "items"
    ]
    event_id = items[1]["event_id"]
    _until(client, event_id, "COMPLETED")
    answer = client.patch(
        f"{EVENTS}/{event_id}", json={"payload": DIVIDEND["payload"], "reason": "again"}, headers={"Idempotency-Key": key()}
    )
    assert (answer.status_code, answer.json()["version"]) == (202, 2)
