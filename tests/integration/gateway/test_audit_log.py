"""The log as static resources: what tlog-tiles says of them, and nothing that no checkpoint covers."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from corpactions.domain.audit.merkle import leaf_hash, root_at, root_of
from corpactions.domain.audit.notes import Checkpoint, Key, Note, cosigned_at, signed_by
from corpactions.domain.audit.tiles import TileTree, decode_bundle, tile_path, tiles_of
from corpactions.security.signing import verify
from gateway.models.answers import Problem
from tests.support.audited import LOG_PATH, TRUSTED, WITNESS_SIGNER, Audited, audit_gateway, audited
from tests.support.gateway import Gateway

SIZE = 3_000
LATER = 3_700


@pytest.fixture(scope="module")
def log(endpoints: dict[str, Any]) -> Iterator[Audited]:
    """A log of 3,000 entries under a cosigned checkpoint, 700 more under one that no witness has signed, and 10 under none."""
    with audited(endpoints) as found:
        found.grow(SIZE - 1)
        found.grow(LATER - SIZE, witnessed=False)
        found.maker.grow(10)
        yield found


@pytest.fixture(scope="module")
def served(log: Audited) -> Iterator[Gateway]:
    with audit_gateway(log) as found:
        yield found


@pytest.fixture
def client(served: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{served.url}{LOG_PATH}/", timeout=20, trust_env=False) as found:
        yield found


def test_the_checkpoint_is_the_newest_cosigned_one(client: httpx.Client) -> None:
    answer = client.get("checkpoint")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=2"
    note = Note.parse(answer.content)
    assert Checkpoint.parse(note.text).size == SIZE
    assert signed_by(note, TRUSTED, verify)
    assert cosigned_at(note, WITNESS_SIGNER.cosigning_key, verify)


def test_the_key_and_its_history(client: httpx.Client) -> None:
    assert Key.parse(client.get("key").text.strip()) == TRUSTED
    (statement,) = client.get("keys").content.split(b"---\n")
    assert Note.parse(statement).text.splitlines()[-1] == TRUSTED.vkey


def test_the_tiles_give_the_checkpoint_and_the_entries_their_leaves(client: httpx.Client, log: Audited) -> None:
    checkpoint = Checkpoint.parse(Note.parse(client.get("checkpoint").content).text)
    tiles = {tile: client.get(tile_path(tile)) for tile in tiles_of(checkpoint.size)}
    for tile, answer in tiles.items():
        assert answer.status_code == 200, tile
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert ("immutable" in answer.headers["cache-control"]) == (tile.width == 256)
    assert root_at(checkpoint.size, TileTree(checkpoint.size, lambda tile: tiles[tile].content).node) == checkpoint.root
    leaves = b"".join(answer.content for tile, answer in tiles.items() if tile.level == 0)
    bodies = [body for index in range(12) for body in decode_bundle(client.get(_bundle(index)).content)]
    assert b"".join(map(leaf_hash, bodies)) == leaves
    assert root_of([leaf_hash(body) for body in bodies]) == checkpoint.root
    assert bodies == [bytes(body) for (body,) in log.sql("SELECT body FROM audit_entries WHERE seq<%s ORDER BY seq", SIZE)]


def _bundle(index: int) -> str:
    return f"tile/entries/{index:03d}" + (f".p/{SIZE % 256}" if index == SIZE // 256 else "")


def test_partial_tiles_are_there_for_checkpoints_alone(client: httpx.Client) -> None:
    for width, status in ((SIZE % 256, 200), (SIZE % 256 + 1, 404), (1, 404), (255, 404)):
        for kind in ("0", "entries"):
            assert client.get(f"tile/{kind}/011.p/{width}").status_code == status, (kind, width)
    assert client.get("tile/1/000.p/11").status_code == 200
    assert client.get("tile/1/000.p/14").status_code == 200  # of the checkpoint that nobody cosigned
    assert client.get("tile/1/000.p/12").status_code == 404


@pytest.mark.parametrize(
    "name",
    ["0/014", "0/014.p/126", "entries/014", "entries/014.p/126", "0/999", "1/000", "2/000", "63/000", "0/x999/x999/x999/x999/x999/999", "entries/x001/000"],
)  # fmt: skip
def test_what_lies_beyond_the_checkpoints_is_not_there(client: httpx.Client, name: str) -> None:
    answer = client.get(f"tile/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_published")


@pytest.mark.parametrize(
    "name",
    ["", "0", "0/", "0/0", "0/00", "0/0000", "0/x000/000", "00/000", "64/000", "-1/000", "0/-01", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/", "0/000/",
     "0//000", "0/000.P/5", "entries", "entries/", "entries/0", "Entries/000", "data/000", "0/%30%30%30", "0%2F000", "entries/..%2f000", "0/%D9%A0%D9%A0%D9%A0", "0/000%00",
     "0/000%0a", "0/x001", "0/000.p/5/", "../key%2f", "%2e%2e/key", "0/x9999/000", "0/" + "x999/" * 50 + "999", "entries/000;a=1"],
)  # fmt: skip
def test_a_tile_has_one_spelling(served: Gateway, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.putrequest("GET", f"{LOG_PATH}/tile/{name}", skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    document = answer.read()
    connection.close()
    assert (answer.status, answer.headers["content-type"]) in {(404, "application/problem+json"), (400, "text/plain; charset=utf-8")}, (
        document
    )
    if answer.status == 404:
        Problem.model_validate_json(document)


def test_a_query_is_refused(client: httpx.Client) -> None:
    answer = client.get("tile/0/000?v=1")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/query/v"


def test_head_answers_as_get_without_the_body(client: httpx.Client) -> None:
    for name in ("checkpoint", "key", "keys", "tile/0/000", "tile/entries/000"):
        whole, head = client.get(name), client.head(name)
        assert (head.status_code, head.content) == (200, b"")
        assert {key: value for key, value in head.headers.items() if key not in {"date", "ca-correlation-id"}} == {
            key: value for key, value in whole.headers.items() if key not in {"date", "ca-correlation-id"}
        }
    assert client.head("tile/0/999").status_code == 404
    refused = client.post("tile/0/000")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_what_is_known_is_not_sent_again(client: httpx.Client) -> None:
    tag = client.get("tile/0/001").headers["etag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = client.get("tile/0/001", headers={"If-None-Match": given})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get("tile/0/001", headers={"If-None-Match": '"other"'}).status_code == 200


def test_bundles_are_compressed_when_asked(client: httpx.Client, served: Gateway) -> None:
    plain = client.get("tile/entries/000", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    for accepted, packed in (("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.000", False), ("", False)):
        connection.request("GET", f"{LOG_PATH}/tile/entries/000", headers={"Accept-Encoding": accepted})
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.headers.get("content-encoding") == "gzip") == packed, accepted
        assert (gzip.decompress(body) if packed else body) == plain.content
        assert not packed or len(body) < len(plain.content) / 3
    connection.close()
    assert "content-encoding" not in client.get("tile/0/000").headers


def test_without_a_log_nothing_is_published(endpoints: dict[str, Any]) -> None:
    with audited(endpoints) as empty, audit_gateway(empty) as process:
        for name in ("checkpoint", "tile/0/000.p/1"):
            answer = httpx.get(f"{process.url}{LOG_PATH}/{name}", trust_env=False)
            assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (404, "not_published", "2")
