"""A log that somebody with the database's password changed: shown with what failed, counted, logged, and the rest still works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from corpactions.domain.audit.entry import canonical
from tests.support.audited import Audited, audit_gateway, audited
from tests.support.gateway import Gateway

AUDIT = "/api/v1/audit"
SIZE = 2_000
BODY = "SELECT body FROM audit_entries WHERE seq=%s"
SET_BODY = "UPDATE audit_entries SET body=%s WHERE seq=%s"


@pytest.fixture
def log(endpoints: dict[str, Any]) -> Iterator[Audited]:
    """A log of 2,000 entries under a cosigned checkpoint; nothing guards it."""
    with audited(endpoints) as found:
        found.grow(SIZE - 1)
        yield found


@pytest.fixture
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
    document: dict[str, Any] = answer.json()
    return document


def _failed(page: dict[str, Any]) -> dict[int, list[str]]:
    return {item["seq"]: item["failed"] for item in page["items"] if not item["verified"]}


def _counted(client: httpx.Client) -> dict[str, float]:
    """What the metrics say has failed, by check, and under ``read`` how many entries were read."""
    found: dict[str, float] = {}
    for line in client.get("/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("corpactions_audit_entries_failed_total{") and float(value):
            found[name.split('"')[1]] = float(value)
        if name == "corpactions_audit_entries_read_total":
            found["read"] = float(value)
    return found


def _change(log: Audited, seq: int, **fields: Any) -> None:
    """Another body for an entry, well-formed."""
    body = json.loads(bytes(log.sql(BODY, seq)[0][0]))
    log.sql(SET_BODY, canonical(body | fields), seq)


def test_a_changed_body_fails_alone_and_is_counted_and_logged(client: httpx.Client, log: Audited, served: Gateway) -> None:
    assert _failed(_page(client)) == {}
    assert _counted(client) == {"read": 100}
    _change(log, 1_950, actor="nobody")
    page = _page(client)
    assert set(_failed(page)) == {1_950}
    assert {"body", "columns"} <= set(_failed(page)[1_950])
    assert page["verification"]["completeness"] == "not_proven"
    assert (page["verification"]["verified"], page["verification"]["failed"]) == (99, 1)
    assert page["items"][49]["actor"] == "nobody"
    counted = _counted(client)
    assert counted == {"read": 200, "body": 1, "columns": 1}
    assert "entry 1950: failed body" in served.log()
    assert _failed(_page(client, symbol="SYM7")) == {}
    assert client.get(f"{AUDIT}/entries/1950").json()["entry"]["verified"] is False
    assert client.get("/health/ready").status_code == 200


def test_a_body_that_is_no_entry_is_shown_as_its_bytes(client: httpx.Client, log: Audited) -> None:
    log.sql(SET_BODY, b"\xff{", 10)
    (item,) = [item for item in _page(client, order="oldest")["items"] if not item["verified"]]
    assert (item["seq"], item["body"], item["actor"], item["failed"]) == (10, "/3s=", None, ["body"])
    assert client.get(f"{AUDIT}/entries/10/proof").json()["code"] == "not_provable"


def test_a_changed_column_is_found_where_it_leads(client: httpx.Client, log: Audited) -> None:
    log.sql("UPDATE audit_entries SET symbol='GONE' WHERE seq=%s", 1_999)
    assert _failed(_page(client, limit=5)) == {1_999: ["columns"]}
    assert _failed(_page(client, symbol="GONE")) == {1_999: ["columns"]}


def test_swapped_bodies_both_fail(client: httpx.Client, log: Audited) -> None:
    first, second = (bytes(log.sql(BODY, seq)[0][0]) for seq in (100, 101))
    log.sql(SET_BODY, second, 100)
    log.sql(SET_BODY, first, 101)
    assert {seq for seq, _ in _failed(_page(client, order="oldest", limit=200)).items()} == {100, 101}


def test_a_deleted_entry_is_missed_between_its_neighbours_and_at_a_page_border(client: httpx.Client, log: Audited) -> None:
    log.sql("DELETE FROM audit_entries WHERE seq=%s", 1_950)
    page = _page(client)
    (finding,) = page["verification"]["findings"]
    assert (finding["check"], finding["seq"], finding["place"]) == ("sequence", 1_950, "entry 1950")
    assert page["verification"]["completeness"] == "not_proven"
    assert len(page["items"]) == 100
    before = _page(client, limit=49)
    assert before["verification"]["findings"] == []
    behind = _page(client, limit=49, cursor=before["next_cursor"])
    assert [finding["seq"] for finding in behind["verification"]["findings"]] == [1_950]
    answer = client.get(f"{AUDIT}/entries/1950")
    assert (answer.status_code, answer.json()["code"]) == (404, "audit_entry_not_found")
    assert "is missing" in answer.json()["detail"]
    assert _counted(client)["sequence"] == 3


@pytest.mark.parametrize(("gone", "order"), [("seq>=1990", "newest"), ("seq<5", "oldest"), ("seq>=0", "newest")])
def test_cut_ends_are_missed(client: httpx.Client, log: Audited, gone: str, order: str) -> None:
    log.sql(f"DELETE FROM audit_entries WHERE {gone}")
    found = _page(client, order=order, limit=10)["verification"]["findings"]
    assert {"seq>=1990": 1_990, "seq<5": 0, "seq>=0": 0}[gone] in {finding["seq"] for finding in found if finding["check"] == "sequence"}


def test_a_replaced_tile_is_found_and_the_entries_stand(client: httpx.Client, log: Audited) -> None:
    hashes = bytearray(log.sql("SELECT hashes FROM audit_tiles WHERE level=0 AND idx=3")[0][0])
    hashes[40] ^= 1
    log.sql("UPDATE audit_tiles SET hashes=%s WHERE level=0 AND idx=3", bytes(hashes))
    page = _page(client, order="oldest", limit=500)
    assert _failed(page) == {}
    page = _page(client, order="oldest", limit=500, cursor=page["next_cursor"])
    assert "tile" in {finding["check"] for finding in page["verification"]["findings"]}


def test_what_was_changed_before_anything_was_read_does_not_spoil_the_rest(log: Audited) -> None:
    """The newest entries are in no stored tile, and every path to the checkpoint's root passes by them."""
    _change(log, 1_950, actor="nobody")
    with audit_gateway(log) as process, httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client:
        assert set(_failed(_page(client, limit=500))) == {1_950}
        assert _failed(_page(client, order="oldest", limit=500)) == {}


def test_a_forged_batch_signature_fails_its_entries(client: httpx.Client, log: Audited) -> None:
    log.sql("UPDATE audit_batches SET signature=%s WHERE first_seq=1001", bytes(64))
    page = _page(client, limit=500)
    assert set(_failed(page)) == set(range(1_500, 2_000))
    assert all("signature" in failed for failed in _failed(page).values())


def test_a_forged_checkpoint_is_found_and_pages_are_held_against_their_batches(client: httpx.Client, log: Audited) -> None:
    note = bytes(log.sql("SELECT note FROM audit_checkpoints")[0][0])
    log.sql("UPDATE audit_checkpoints SET note=%s", note.replace(b"\n2000\n", b"\n2001\n"))
    page = _page(client)
    assert [finding["check"] for finding in page["verification"]["findings"]] == ["checkpoint"]
    assert page["verification"]["checkpoint"] is None
    assert {item["checkpoint"] for item in page["items"]} == {"pending"}


def test_another_trusted_key_trusts_nothing_of_it(log: Audited) -> None:
    other = "corporate-actions/audit+da09a657+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
    with (
        audit_gateway(log, CA_AUDIT_TRUSTED_KEY=other) as process,
        httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client,
    ):
        page = _page(client)
        assert "key" in {finding["check"] for finding in page["verification"]["findings"]}
        assert all("signature" in item["failed"] for item in page["items"])
