"""Whatever a witness answers, its client gives what was asked for and checked, or one of three errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from corpactions.domain.audit import notes
from corpactions.domain.audit.notes import Note
from corpactions.domain.errors import Fatal, Unavailable
from corpactions.ports.witness import WitnessConflict, WitnessRefused
from corpactions.security.witness import WitnessClient
from tests.support.signing import LOG, WITNESS, MemorySigner
from tests.support.witnessing import SignedLog

SIGNER, STRANGER = MemorySigner(WITNESS, 9), MemorySigner("else", 10)
HONEST = SignedLog()


class Answering:
    """A witness that answers everything with what the test says."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.status, self.body = 200, b""


@pytest.fixture
def answering() -> Iterator[Answering]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(says.status)
            self.send_header("Content-Length", str(len(says.body)))
            self.end_headers()
            self.wfile.write(says.body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        says = Answering(server.server_port)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield says
        server.shutdown()


@pytest.fixture
def client(answering: Answering) -> Iterator[WitnessClient]:
    with closing(WitnessClient(answering.url, [STRANGER.cosigning_key.vkey, SIGNER.cosigning_key.vkey])) as opened:
        yield opened


def cosigned(size: int, log: SignedLog = HONEST, signer: MemorySigner = SIGNER) -> Note:
    note = log.note(size)
    return notes.add_signature(note, notes.cosign(note, signer, 7))


def page(*found: Note) -> bytes:
    return json.dumps({"checkpoints": [note.encode().decode() for note in found]}).encode()


ASKED: dict[str, Callable[[WitnessClient], object]] = {
    "newest": lambda client: client.newest(LOG),
    "at": lambda client: client.at(LOG, 3),
    "between": lambda client: list(client.between(LOG, 2, 5)),
    "add": lambda client: client.add(0, [], HONEST.note(3)),
    "hand_over": lambda client: client.hand_over(LOG, [b"statement"]),
}


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        ("newest", b"nonsense"),
        ("newest", HONEST.note(3).encode()),
        ("newest", cosigned(3, signer=MemorySigner(WITNESS, 11)).encode()),
        ("newest", cosigned(3, SignedLog("else")).encode()),
        ("newest", notes.sign_note("hello\n", MemorySigner()).encode()),
        ("newest", b"x" * 200_000),
        ("newest", b"x" * 5_000_000),
        ("at", cosigned(4).encode()),
        ("between", b"nonsense"),
        ("between", b"[]"),
        ("between", b'{"checkpoints": 5}'),
        ("between", b'{"checkpoints": [5]}'),
        ("between", b'{"checkpoints": ["\\ud800"]}'),
        ("between", page(*[cosigned(3)] * 501)),
        ("between", page(cosigned(1))),
        ("between", page(cosigned(6))),
        ("between", page(cosigned(4), cosigned(3))),
        ("between", page(cosigned(3), cosigned(3))),
        ("add", b""),
        ("add", b"\xff\n"),
        ("add", b"nonsense\n"),
        ("add", cosigned(4).signatures[1].line().encode()),
        ("add", cosigned(3, signer=MemorySigner(WITNESS, 11)).signatures[1].line().encode()),
    ],
)
def test_an_answer_against_the_protocol_is_as_good_as_none(answering: Answering, client: WitnessClient, asked: str, body: bytes) -> None:
    answering.body = body
    with pytest.raises(Unavailable, match="witness is unavailable: answered against the protocol"):
        ASKED[asked](client)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("status", [500, 503, 429, 302, 204, 299])
def test_no_good_status_is_no_answer(answering: Answering, client: WitnessClient, asked: str, status: int) -> None:
    answering.status = status
    with pytest.raises(Unavailable):
        ASKED[asked](client)


@pytest.mark.parametrize("asked", ["add", "hand_over"])
@pytest.mark.parametrize("status", [400, 403, 404, 413, 418, 422, 499])
def test_every_no_is_a_refusal_with_the_witness_s_words(answering: Answering, client: WitnessClient, asked: str, status: int) -> None:
    answering.status, answering.body = status, "the reason – \xff\n".encode() * 100
    with pytest.raises(WitnessRefused, match=f"the witness refuses: {status} the reason") as refused:
        ASKED[asked](client)
    assert len(refused.value.reason) < 400


def test_a_conflict_names_the_size_or_is_no_answer(answering: Answering, client: WitnessClient) -> None:
    answering.status, answering.body = 409, b"17\n"
    with pytest.raises(WitnessConflict) as conflict:
        ASKED["add"](client)
    assert conflict.value.size == 17
    for body in (b"", b"x\n", b"017\n", b"17\n\n", "١\n".encode()):
        answering.body = body
        with pytest.raises(Unavailable, match="against the protocol"):
            ASKED["add"](client)


def test_of_several_signatures_the_known_ones_are_given(answering: Answering, client: WitnessClient) -> None:
    lines = [cosigned(3, signer=signer).signatures[1] for signer in (MemorySigner("third", 12), SIGNER, STRANGER)]
    answering.body = "".join(line.line() for line in lines).encode()
    assert client.add(0, [], HONEST.note(3)) == lines[1:]
    with closing(WitnessClient(answering.url)) as trusting:
        assert trusting.add(0, [], HONEST.note(3)) == lines


def test_what_was_asked_for_is_given(answering: Answering, client: WitnessClient) -> None:
    answering.body = cosigned(3).encode()
    assert client.newest(LOG) == client.at(LOG, 3) == cosigned(3)
    answering.body = page(cosigned(2), cosigned(5))
    assert ASKED["between"](client) == [cosigned(2), cosigned(5)]
    answering.status = 404
    assert [ASKED[asked](client) for asked in ("newest", "at", "between")] == [None, None, []]


def test_a_wrong_address_or_key_is_named() -> None:
    with pytest.raises(Fatal, match="CA_WITNESS_URL"):
        WitnessClient("http://[::1")
    with pytest.raises(Fatal, match="CA_WITNESS_VKEY"):
        WitnessClient("http://127.0.0.1:1", ["nonsense"])
    with closing(WitnessClient("127.0.0.1:1")) as client, pytest.raises(Unavailable, match="http"):
        client.newest(LOG)
