"""Reading the log: every page verified as it is read, proofs for strangers, and what became of hostile questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from corpactions.domain.audit.bodies import decode
from corpactions.domain.audit.entry import Content
from corpactions.domain.audit.merkle import verify_consistency
from corpactions.domain.audit.notes import Checkpoint, Note, decode_base64
from corpactions.domain.audit.proof import Proof, check_proof
from corpactions.domain.audit.ranges import Rules
from corpactions.security.signing import verify
from gateway.models import audit as models
from gateway.models.answers import Problem
from tests.support.audited import TRUSTED, WITNESS_SIGNER, Audited, audit_gateway, audited
from tests.support.gateway import Gateway

AUDIT = "/api/v1/audit"
COVERED = 2_500
SIZE = 2_600
EVENT = "0192f1c2-aaaa-7000-8000-000000000001"


@pytest.fixture(scope="module")
def log(endpoints: dict[str, Any]) -> Iterator[Audited]:
    """A log of 2,500 entries under a cosigned checkpoint and 100 more under none."""
    with audited(endpoints) as found:
        found.grow(999)
        found.grow(1_499, batch=700)
        found.maker.add(
            [Content(f"{EVENT}:1", "CANCELLED", "user:ops.anna", f"event:{EVENT}", "MERGER", "Z.1", {"reason": "\u00e9 \U0001f4a3"})]
        )
        found.checkpoint()
        found.maker.grow(100)
        yield found


@pytest.fixture(scope="module")
def served(log: Audited) -> Iterator[Gateway]:
    with audit_gateway(log) as found:
        yield found


@pytest.fixture
def client(served: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=20, trust_env=False) as found:
        yield found


def _page(client: httpx.Client, **parameters: Any) -> dict[str, Any]:
    answer = client.get(AUDIT, params=parameters)
    assert answer.status_code == 200, answer.text
    models.AuditPage.model_validate_json(answer.content)
    document: dict[str, Any] = answer.json()
    return document


def test_the_newest_come_first_and_are_verified(client: httpx.Client) -> None:
    page = _page(client)
    assert [item["seq"] for item in page["items"]] == list(range(SIZE - 1, SIZE - 101, -1))
    assert all(item["verified"] and item["failed"] == [] for item in page["items"])
    assert {item["checkpoint"] for item in page["items"]} == {"pending"}
    summary = page["verification"]
    assert (summary["verified"], summary["failed"], summary["completeness"], summary["findings"]) == (100, 0, "not_proven", [])
    assert summary["key"] == "trusted"
    assert summary["checkpoint"]["size"] == COVERED
    assert summary["checkpoint"]["witnessed_at"].endswith("Z")


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_page_by_page_the_whole_log_is_read(client: httpx.Client, order: str) -> None:
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = _page(client, limit=500, order=order, **({"cursor": cursor} if cursor else {}))
        numbers = [item["seq"] for item in page["items"]]
        covered = all(item["checkpoint"] == "covered" for item in page["items"])
        assert page["verification"]["completeness"] == ("proven" if covered else "not_proven")
        assert page["verification"]["failed"] == 0
        assert page["verification"]["findings"] == []
        seen += numbers
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == (list(range(SIZE)) if order == "oldest" else list(range(SIZE - 1, -1, -1)))


def test_entries_are_found_by_what_is_in_them(client: httpx.Client, log: Audited) -> None:
    (item,) = _page(client, event_id=EVENT.upper())["items"]
    assert item["seq"] == COVERED - 1
    assert item["detail"]["reason"] == "\u00e9 \U0001f4a3"
    for wanted in ({"symbol": "Z.1"}, {"event_type": "MERGER"}, {"actor": "user:ops.anna"}, {"action": "CANCELLED"}):
        page = _page(client, **wanted)
        assert [found["seq"] for found in page["items"]] == [COVERED - 1], wanted
        assert page["verification"]["completeness"] == "not_proven"
    assert _page(client, symbol="Z.1", actor="feed")["items"] == []
    several = _page(client, symbol="SYM7", order="oldest", limit=3)
    assert [found["seq"] for found in several["items"]] == [7, 57, 107]
    more = _page(client, symbol="SYM7", order="oldest", limit=3, cursor=several["next_cursor"])
    assert [found["seq"] for found in more["items"]] == [157, 207, 257]
    moment = log.sql("SELECT DATE_FORMAT(recorded_at,'%%Y-%%m-%%dT%%H:%%i:%%s.%%fZ') FROM audit_entries WHERE seq=%s", 1_000)[0][0]
    assert _page(client, **{"from": moment}, order="oldest", limit=1)["items"][0]["seq"] == 1_000
    assert _page(client, to=moment, limit=1)["items"][0]["seq"] == 999


def test_one_entry_and_its_proof(client: httpx.Client, log: Audited) -> None:
    answer = client.get(f"{AUDIT}/entries/1234")
    found = models.ReadEntry.model_validate_json(answer.content)
    assert (found.entry.seq, found.entry.verified, found.verification.completeness) == (1_234, True, "proven")
    for seq in (0, 1_234, COVERED - 1):
        told = client.get(f"{AUDIT}/entries/{seq}/proof")
        models.EntryProof.model_validate_json(told.content)
        proof = Proof.parse(told.content)
        rules = Rules("", (), verify, decode, WITNESS_SIGNER.cosigning_key)
        assert check_proof(proof, TRUSTED, rules) == []
        assert proof.body == bytes(log.sql("SELECT body FROM audit_entries WHERE seq=%s", seq)[0][0])


@pytest.mark.parametrize(
    ("path", "code", "retry"),
    [("entries/2600", "audit_entry_not_found", None), ("entries/2600/proof", "audit_entry_not_found", None), ("entries/2550/proof", "not_published", "2"),
     ("entries/9007199254740991", "audit_entry_not_found", None), ("consistency?from=1&to=2501", "not_published", None)],
)  # fmt: skip
def test_what_is_not_there_is_told(client: httpx.Client, path: str, code: str, retry: str | None) -> None:
    answer = client.get(f"{AUDIT}/{path}")
    assert (answer.status_code, answer.json()["code"], answer.headers.get("retry-after")) == (404, code, retry)


def test_the_log_only_grew(client: httpx.Client) -> None:
    for query, sizes in (
        ("from=1", (1, COVERED)),
        ("from=1000&to=2500", (1_000, 2_500)),
        ("from=256&to=512", (256, 512)),
        ("from=7&to=7", (7, 7)),
    ):
        answer = client.get(f"{AUDIT}/consistency?{query}")
        models.Consistency.model_validate_json(answer.content)
        document = answer.json()
        old, new = document["from"], document["to"]
        assert (old["size"], new["size"]) == sizes
        before, after = (decode_base64(tree["root"], "root") for tree in (old, new))
        assert verify_consistency(*sizes, before, after, [decode_base64(node, "node") for node in document["path"]])
        for tree in (old, new):
            assert (tree["checkpoint"] is not None) == (tree["size"] in {1_000, COVERED}), tree
            if tree["checkpoint"]:
                assert Checkpoint.parse(Note.parse(tree["checkpoint"].encode()).text).root == decode_base64(tree["root"], "root")


@pytest.mark.parametrize(
    "path",
    ["?limit=0", "?limit=501", "?limit=1e2", "?limit=-1", "?limit=", "?order=random", "?nonsense=1", "?symbol=aapl", "?event_type=dividend", "?action=A%20B", "?action=",
     "?actor=", "?actor=%00", "?actor=%0d%0a", f"?actor={'a' * 129}", "?event_id=x", "?event_id=" + "0" * 36, "?from=yesterday", "?to=2026-02-30T00:00:00Z",
     "?from=2026-11-24T10:00:00Z&to=2026-11-24T09:00:00Z", "?cursor=x", "?cursor=", "?cursor=AAAAAAAAAAAAAAAA", "?cursor=%FF", "?cursor=" + "A" * 4_000,
     "/entries/-1", "/entries/01", "/entries/1e3", "/entries/x", "/entries/%201", "/entries/9007199254740992", "/entries/" + "9" * 5_000, "/entries/1?x=1", "/entries/1/proof?x=1",
     "/entries/%D9%A1", "/consistency", "/consistency?from=0", "/consistency?from=x", "/consistency?from=2&to=1", "/consistency?from=1&to=9007199254740992",
     "/consistency?from=1&more=1", "/verify?limit=1", "/verify/x", "/verify/1?x=1"],
)  # fmt: skip
def test_hostile_questions_are_refused_with_what_would_mend_them(client: httpx.Client, path: str) -> None:
    answer = client.get(f"{AUDIT}{path}")
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.code == "invalid_request"
    assert problem.errors[0].pointer.startswith(("/query/", "/path/"))
    assert problem.errors[0].mend
    assert len(answer.content) < 2_000


def test_a_cursor_is_of_one_search(client: httpx.Client) -> None:
    cursor = _page(client, symbol="SYM7", limit=1)["next_cursor"]
    assert _page(client, symbol="SYM7", limit=5, cursor=cursor)["items"]
    for other in ({"symbol": "SYM8"}, {"symbol": "SYM7", "order": "oldest"}, {}):
        assert client.get(AUDIT, params={**other, "cursor": cursor}).status_code == 422, other
    for place in range(16):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        assert client.get(AUDIT, params={"symbol": "SYM7", "cursor": changed}).status_code == 422


def test_addresses_beside_are_not_there(client: httpx.Client) -> None:
    for path in (
        "/",
        "/entries",
        "/entries/",
        "/entries/1/",
        "/entries/1/proofs",
        "/log",
        "/log/",
        "/log/tile",
        "/log/checkpoint/",
        "/nothing",
    ):
        assert client.get(f"{AUDIT}{path}").status_code == 404, path
    refused = client.delete(f"{AUDIT}/entries/1")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


def test_json_is_what_the_bodies_say(client: httpx.Client, log: Audited) -> None:
    for item in _page(client, limit=50, order="oldest")["items"]:
        body = json.loads(bytes(log.sql("SELECT body FROM audit_entries WHERE seq=%s", item["seq"])[0][0]))
        assert {name: item[name] for name in body if name != "format"} == {name: value for name, value in body.items() if name != "format"}
