"""What a caller sees when everything works: announce, read at once, repeat, amend, cancel, in bulk."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx

from corpactions.domain.identity import nth_id
from corpactions.domain.messages import Function, VersionRef
from gateway import examples
from gateway.models import answers
from tests.support.gateway import DIVIDEND, Backing, key, post


def _of(made: Backing, event_id: str) -> list[tuple[Function, int]]:
    return [(message.function, message.version) for message in made.messages() if message.event_id == event_id]


def test_an_accepted_event_is_on_the_topic_and_is_found_at_once(client: httpx.Client, made: Backing) -> None:
    answer = post(client, "/api/v1/events", DIVIDEND)
    assert answer.status_code == 201, answer.text
    accepted = answers.AcceptedEvent.model_validate_json(answer.content)
    read = client.get(answer.headers["location"])
    event = answers.Event.model_validate_json(read.content)
    assert (event.event_id, event.status, event.pending, event.symbol, event.isin) == (
        accepted.event_id,
        "PENDING",
        True,
        "AAPL",
        "US0378331005",
    )
    assert event.created_at == accepted.accepted_at
    assert read.headers["etag"] == answer.headers["etag"] == '"gateway.1"'
    (message,) = [message for message in made.messages() if message.event_id == str(accepted.event_id)]
    assert message.accepted_at == accepted.accepted_at
    assert (message.source, message.actor, message.correlation_id) == ("manual", "gateway:anonymous", answer.headers["ca-correlation-id"])


def test_every_example_of_the_description_is_accepted(client: httpx.Client) -> None:
    for name, example in examples.SUBMISSIONS.items():
        answer = post(client, "/api/v1/events", example)
        assert answer.status_code == 201, f"{name}: {answer.text}"
    assert post(client, "/api/v1/events/bulk", examples.BULK).status_code == 200
    event_id = post(client, "/api/v1/events", examples.SUBMISSIONS["dividend"]).json()["event_id"]
    amended = client.patch(f"/api/v1/events/{event_id}", json=examples.AMENDMENT, headers={"Idempotency-Key": key()})
    assert amended.status_code == 202, amended.text
    assert post(client, f"/api/v1/events/{event_id}/cancel", examples.CANCELLATION).status_code == 202
    for model, example in (
        (answers.AcceptedEvent, examples.ACCEPTED_EVENT),
        (answers.AcceptedChange, examples.ACCEPTED_CHANGE),
        (answers.BulkAnswer, examples.BULK_ANSWER),
        (answers.Event, examples.EVENT),
        (answers.Page, examples.PAGE),
        (answers.EventHistory, examples.HISTORY),
    ):
        model.model_validate_json(json.dumps(example))


def test_attributes_keep_every_digit(client: httpx.Client, made: Backing) -> None:
    body = json.dumps(DIVIDEND)[:-2] + ', "attributes": {"rate": 1.10, "big": 123456789012345678901234567890, "text": "é"}}}'
    answer = client.post("/api/v1/events", content=body.encode(), headers={"Content-Type": "application/json", "Idempotency-Key": key()})
    assert answer.status_code == 201, answer.text
    (message,) = [message for message in made.messages() if message.event_id == answer.json()["event_id"]]
    assert message.terms is not None
    assert message.terms.attributes == '{"rate":1.10,"big":123456789012345678901234567890,"text":"é"}'


def test_the_same_request_again_is_told_of_the_first(client: httpx.Client, made: Backing) -> None:
    again = key()
    first = post(client, "/api/v1/events", DIVIDEND, again)
    second = post(client, "/api/v1/events", DIVIDEND, again.upper())
    assert (second.status_code, second.json()["code"]) == (409, "duplicate_request")
    assert second.json()["event_id"] == first.json()["event_id"]
    other = post(client, "/api/v1/events", DIVIDEND | {"symbol": "MSFT"}, again)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert _of(made, first.json()["event_id"]) == [(Function.NEWM, 1)]


def test_a_hundred_at_once_with_one_key_make_one_event(client: httpx.Client, made: Backing) -> None:
    shared, before = key(), len(made.messages())
    with ThreadPoolExecutor(100) as pool:
        found = list(pool.map(lambda _: post(client, "/api/v1/events", DIVIDEND, shared), range(100)))
    codes = [answer.status_code for answer in found]
    assert codes.count(201) == 1, codes
    assert codes.count(409) == 99, codes
    assert {answer.json()["code"] for answer in found if answer.status_code == 409} <= {"duplicate_request", "request_in_progress"}
    assert all("retry-after" in answer.headers for answer in found if answer.json().get("code") == "request_in_progress")
    assert len(made.messages()) == before + 1


def test_an_event_is_amended_and_cancelled_in_numbered_versions(client: httpx.Client, made: Backing) -> None:
    event_id = post(client, "/api/v1/events", DIVIDEND | {"source": "desk", "source_reference": "R-1"}).json()["event_id"]
    payload = DIVIDEND["payload"] | {"amount_per_share": "0.26"}
    headers = {"Idempotency-Key": key(), "If-Match": '"gateway.1"'}
    amended = client.patch(f"/api/v1/events/{event_id}", json={"payload": payload, "reason": "corrected"}, headers=headers)
    assert (amended.status_code, amended.json()) == (202, {"event_id": event_id, "version": 2, "status": "PENDING"})
    repeated = client.patch(f"/api/v1/events/{event_id}", json={"payload": payload, "reason": "corrected"}, headers=headers)
    assert (repeated.status_code, repeated.json()["code"]) == (409, "duplicate_request")
    cancelled = post(client, f"/api/v1/events/{event_id}/cancel", {"function": "CANC", "reason": "mistake"})
    assert cancelled.json()["version"] == 3
    repl, canc = (message for message in made.messages() if message.event_id == event_id and message.function is not Function.NEWM)
    assert (repl.symbol, repl.isin, repl.source, repl.source_reference) == ("AAPL", "US0378331005", "desk", "R-1")
    assert (repl.based_on, repl.reason) == (VersionRef("gateway", 1), "corrected")
    assert (canc.terms, canc.based_on, canc.version) == (None, None, 3)


def test_concurrent_amendments_get_a_number_each(client: httpx.Client) -> None:
    event_id = post(client, "/api/v1/events", DIVIDEND).json()["event_id"]
    body = {"payload": DIVIDEND["payload"], "reason": "again"}
    with ThreadPoolExecutor(10) as pool:
        found = list(
            pool.map(lambda _: client.patch(f"/api/v1/events/{event_id}", json=body, headers={"Idempotency-Key": key()}), range(20))
        )
    assert sorted(answer.json()["version"] for answer in found) == list(range(2, 22))


def test_a_stale_precondition_and_a_wrong_type_are_refused(client: httpx.Client, made: Backing) -> None:
    event_id = post(client, "/api/v1/events", DIVIDEND).json()["event_id"]
    body = {"payload": DIVIDEND["payload"], "reason": "again"}
    stale = client.patch(f"/api/v1/events/{event_id}", json=body, headers={"Idempotency-Key": key(), "If-Match": '"gateway.7"'})
    assert (stale.status_code, stale.json()["code"], stale.json()["current"]) == (412, "stale_version", "gateway.1")
    split = {"payload": {"ratio_new": 2, "ratio_old": 1, "ex_date": "2026-06-10"}, "reason": "wrong type"}
    wrong = client.patch(f"/api/v1/events/{event_id}", json=split, headers={"Idempotency-Key": key()})
    assert wrong.status_code == 422
    assert "/payload/amount_per_share" in {error["pointer"] for error in wrong.json()["errors"]}
    assert _of(made, event_id) == [(Function.NEWM, 1)]


def test_a_bulk_request_judges_its_items_one_by_one(client: httpx.Client, made: Backing) -> None:
    again = key()
    body = {"events": [DIVIDEND, DIVIDEND | {"symbol": "aapl"}, DIVIDEND | {"symbol": "MSFT", "isin": None}]}
    answer = post(client, "/api/v1/events/bulk", body, again)
    items = answers.BulkAnswer.model_validate_json(answer.content).items
    assert [item.status for item in items] == [201, 422, 201]
    assert items[1].error is not None
    assert items[1].error.errors[0]["pointer"] == "/events/1/symbol"
    first, third = str(items[0].event_id), str(items[2].event_id)
    assert third == nth_id(first, 2)
    assert {message.event_id for message in made.messages()} >= {first, third}
    assert nth_id(first, 1) not in {message.event_id for message in made.messages()}
    assert client.get(f"/api/v1/events/{third}").json()["pending"] is True
    repeated = post(client, "/api/v1/events/bulk", body, again)
    assert (repeated.status_code, repeated.json()["code"]) == (409, "duplicate_request")


def test_a_bulk_request_of_wrong_items_reserves_nothing(client: httpx.Client, made: Backing) -> None:
    (before,) = made.sql("SELECT COUNT(*) FROM idempotency_keys")
    answer = post(client, "/api/v1/events/bulk", {"events": [{"event_type": "BOND"}]})
    assert [item["status"] for item in answer.json()["items"]] == [422]
    assert made.sql("SELECT COUNT(*) FROM idempotency_keys") == [before]
