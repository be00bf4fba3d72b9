"""The witness as a process: what it acknowledged survives every kill, of two at once one wins, and no body, disk or client brings it down."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from consumers.witness.server import CONNECTIONS, MAX_BODY_BYTES
from corpactions.domain.audit import keys, notes
from corpactions.domain.audit.notes import Checkpoint, Key, Note, Signature
from corpactions.domain.errors import Unavailable
from corpactions.ports.witness import WitnessConflict, WitnessRefused
from corpactions.security.signing import verify
from corpactions.security.witness import WitnessClient
from tests.support.signing import LOG, MemorySigner
from tests.support.witness_process import WitnessProcess
from tests.support.witnessing import SignedLog, submission

LOG_PATH = "/logs/Y29ycG9yYXRlLWFjdGlvbnMvYXVkaXQ"
HONEST, FORKED = SignedLog(), SignedLog(salt="x", fork=3)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[WitnessProcess]:
    process = WitnessProcess(tmp_path).start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WitnessProcess]:
    """One for all tests that leave it as it was."""
    process = WitnessProcess(tmp_path_factory.mktemp("running")).start()
    yield process
    process.kill()


@pytest.fixture
def client(witness: WitnessProcess) -> Iterator[WitnessClient]:
    with closing(witness.client()) as opened:
        yield opened


def add(client: WitnessClient, log: SignedLog, old: int, new: int) -> list[Signature]:
    return client.add(old, log.path(old, new), log.note(new))


def post(witness: WitnessProcess, body: bytes, path: str = "/add-checkpoint") -> httpx.Response:
    return httpx.post(witness.url + path, content=body, timeout=10, trust_env=False)


def sizes(found: Iterator[Note]) -> list[int]:
    return [Checkpoint.parse(note.text).size for note in found]


def test_a_log_is_followed_and_read_back(witness: WitnessProcess, client: WitnessClient) -> None:
    key = Key.parse(witness.vkey)
    assert client.newest(LOG) is None
    for old, new in ((0, 3), (3, 8), (8, 9)):
        (line,) = add(client, HONEST, old, new)
        assert notes.cosigned_at(Note(HONEST.note(new).text, (line,)), key, verify)
        newest = client.newest(LOG)
        assert newest == notes.add_signature(HONEST.note(new), line)
    assert client.at(LOG, 8) is not None
    assert client.at(LOG, 7) is None
    assert sizes(client.between(LOG, 3, 8)) == [3, 8]
    assert sizes(client.between(LOG, 4, 7)) == []
    by_hash = httpx.get(f"{witness.url}/{sha256(LOG.encode()).hexdigest()}/checkpoint", trust_env=False)
    assert (by_hash.status_code, by_hash.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert Note.parse(by_hash.content) == newest
    assert httpx.get(f"{witness.url}/{'0' * 64}/checkpoint", trust_env=False).status_code == 404


def test_more_checkpoints_than_a_page_are_read_page_by_page(
    witness: WitnessProcess, client: WitnessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in range(1, 24):
        add(client, HONEST, size - 1, size)
    page = httpx.get(f"{witness.url}{LOG_PATH}/checkpoints?first=5&last=20&limit=4", trust_env=False).json()["checkpoints"]
    assert [Checkpoint.parse(Note.parse(text.encode()).text).size for text in page] == [5, 6, 7, 8]
    monkeypatch.setattr("corpactions.security.witness.PAGE", 4)
    assert sizes(client.between(LOG, 5, 20)) == list(range(5, 21))
    assert sizes(client.between(LOG, 0, 10**6)) == list(range(1, 24))


def test_a_fork_is_refused_kept_and_logged_as_an_error(witness: WitnessProcess, client: WitnessClient) -> None:
    add(client, HONEST, 0, 8)
    with pytest.raises(WitnessRefused, match="422 it is not proved to continue"):
        add(client, FORKED, 8, 12)
    evidence = httpx.get(f"{witness.url}{LOG_PATH}/refused", trust_env=False).json()["refused"]
    assert [each["note"] for each in evidence] == [FORKED.note(12).encode().decode()]
    assert [line["level"] for line in witness.lines() if "kept as evidence" in line["event"]] == ["error"]
    ready = httpx.get(f"{witness.url}/health/ready", trust_env=False)
    assert (ready.status_code, ready.json()["logs"][LOG]["size"]) == (200, 8)
    assert ready.json()["logs"][LOG]["last_refused_at"] == evidence[0]["last_at"]
    add(client, HONEST, 8, 12)


def test_each_refusal_has_its_own_error(witness: WitnessProcess, client: WitnessClient) -> None:
    add(client, HONEST, 0, 3)
    with pytest.raises(WitnessConflict) as conflict:
        add(client, HONEST, 0, 5)
    assert conflict.value.size == 3
    for log, reason in (
        (SignedLog("else", MemorySigner("else")), "404"),
        (SignedLog(signer=MemorySigner(number=2)), "403"),
        (HONEST, "400"),
    ):
        with pytest.raises(WitnessRefused, match=reason):
            add(client, log, 3, 5) if log is not HONEST else add(client, log, 3, 2)
    with closing(WitnessClient(witness.url, [MemorySigner("corporate-actions/witness").cosigning_key.vkey])) as stranger:
        for ask in (lambda: stranger.newest(LOG), lambda: stranger.at(LOG, 3), lambda: add(stranger, HONEST, 3, 4)):
            with pytest.raises(Unavailable, match="CA_WITNESS_VKEY"):
                ask()
    witness.kill()
    with pytest.raises(Unavailable, match="witness is unavailable: ConnectError"):
        client.newest(LOG)


def test_a_new_key_is_handed_over(client: WitnessClient) -> None:
    new = MemorySigner(number=2)
    add(client, HONEST, 0, 3)
    statements = [keys.state(1, LOG, 0, MemorySigner()).encode(), keys.state(2, LOG, 3, new, MemorySigner()).encode()]
    client.hand_over(LOG, statements)
    client.hand_over(LOG, statements)
    add(client, SignedLog(signer=new), 3, 5)
    with pytest.raises(WitnessRefused, match="403 it is signed by a key whose time was over"):
        add(client, HONEST, 5, 8)
    with pytest.raises(WitnessRefused, match="403 key statement 2"):
        client.hand_over(LOG, [keys.state(2, LOG, 9, MemorySigner(number=3), MemorySigner()).encode()])


def test_no_acknowledged_cosignature_is_lost_however_often_it_is_killed(tmp_path: Path) -> None:
    process, acknowledged = WitnessProcess(tmp_path), dict[int, Signature]()
    for round_ in range(8):
        with closing(process.start().client()) as client:
            killer = threading.Timer(0.05 + 0.04 * round_, process.kill)
            killer.start()
            _submit_until_it_is_gone(client, acknowledged)
            killer.join()
    with closing(process.start().client()) as client:
        kept = {Checkpoint.parse(note.text).size: note for note in client.between(LOG, 0, 10_000)}
        newest = client.newest(LOG)
    assert len(acknowledged) > 8
    assert newest is not None
    assert Checkpoint.parse(newest.text).size >= max(acknowledged)
    for size, line in acknowledged.items():
        assert line in kept[size].signatures
        assert Checkpoint.parse(kept[size].text).root == HONEST.root(size)
    process.kill()


def _submit_until_it_is_gone(client: WitnessClient, acknowledged: dict[int, Signature]) -> None:
    size = max(acknowledged, default=0)
    while True:
        try:
            (acknowledged[size + 1],) = add(client, HONEST, size, size + 1)
            size += 1
        except WitnessConflict as conflict:
            size = conflict.size
        except Unavailable:
            return


def test_of_two_that_continue_the_same_size_at_once_one_wins(witness: WitnessProcess, client: WitnessClient) -> None:
    add(client, HONEST, 0, 1)
    size = 1
    for _ in range(15):
        both, answers = threading.Barrier(2), dict[int, httpx.Response]()

        def ask(new: int, both: threading.Barrier = both, answers: dict[int, httpx.Response] = answers, old: int = size) -> None:
            body = HONEST.request(old, new)
            both.wait()
            answers[new] = post(witness, body)

        threads = [threading.Thread(target=ask, args=(size + step,)) for step in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (won,) = [new for new, answer in answers.items() if answer.status_code == 200]
        (lost,) = [answer for answer in answers.values() if answer.status_code != 200]
        assert (lost.status_code, lost.content, lost.headers["content-type"]) == (409, f"{won}\n".encode(), "text/x.tlog.size")
        size = won


def test_on_a_disk_that_takes_nothing_nothing_is_cosigned(witness: WitnessProcess, client: WitnessClient) -> None:
    add(client, HONEST, 0, 3)
    resource.prlimit(witness.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    with pytest.raises(Unavailable, match="answered 503"):
        add(client, HONEST, 3, 5)
    newest = client.newest(LOG)
    assert newest is not None
    assert Checkpoint.parse(newest.text).size == 3
    resource.prlimit(witness.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert add(client, HONEST, 3, 5)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * (MAX_BODY_BYTES + 1), 413),
        (b"x" * MAX_BODY_BYTES, 400),
        (b"\xff\xfe\n\n" * 100, 400),
        (b"\0" * 10_000, 400),
        (b"", 400),
        (submission(0, [bytes(32)] * 64, HONEST.note(3)), 400),
        (submission(0, [], HONEST.note(3).encode().replace(b"3", b"\x003")), 400),
        (submission("9" * 5_000, [], HONEST.note(3)), 400),
    ],
)
def test_no_body_brings_it_down(running: WitnessProcess, body: bytes, status: int) -> None:
    try:
        assert post(running, body).status_code == status
    except httpx.WriteError:
        assert status == 413, "it hangs up on whoever goes on sending what it has refused"
    assert httpx.get(f"{running.url}/health/ready", trust_env=False).json() == {"ready": True, "logs": {}}


def raw(witness: WitnessProcess, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", witness.port), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 99999999999999999999\r\n\r\n", b"413"),
        (b"GET /health/live HTTP/1.1\r\nHost: w\r\nContent-Length: 30\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", b"200"),
        (b"DELETE /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", b"501"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
    ],
)
def test_no_head_brings_it_down_and_each_ends_its_connection(running: WitnessProcess, head: bytes, status: bytes) -> None:
    answer = raw(running, head)
    assert status in answer[:400], answer[:400]  # to a head of no known version it answers without one
    assert answer.count(b"HTTP/1.") <= 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/add-checkpoint", 404),
        (f"{LOG_PATH}/other", 404),
        (f"{LOG_PATH}/refused/5", 404),
        ("/logs/_____w/checkpoint", 400),
        ("/logs/A/checkpoint", 400),
        (f"{LOG_PATH}/checkpoint/007", 400),
        (f"{LOG_PATH}/checkpoints?first=-1", 400),
        (f"{LOG_PATH}/checkpoints?limit=", 400),
        (f"{LOG_PATH}/checkpoints?limit=0", 200),
        (f"{LOG_PATH}/keys", 200),
        ("/health/live", 200),
        ("/health/ready", 200),
    ],
)
def test_each_path_has_its_answer(running: WitnessProcess, path: str, status: int) -> None:
    assert httpx.get(running.url + path, trust_env=False).status_code == status


def test_a_connection_is_kept_for_many_requests(witness: WitnessProcess) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(witness.url).port or 0, timeout=10)) as connection:
        connection.connect()
        first = connection.sock
        for size in range(20):
            connection.request("POST", "/add-checkpoint", HONEST.request(size, size + 1))
            answer = connection.getresponse()
            assert (answer.status, answer.version) == (200, 11)
            answer.read()
        assert connection.sock is first


def test_idle_and_half_sent_connections_keep_nobody_out(witness: WitnessProcess, client: WitnessClient) -> None:
    held = [socket.create_connection(("127.0.0.1", witness.port), timeout=10) for _ in range(CONNECTIONS - 4)]
    for connection in held:
        connection.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100\r\n\r\nold")
    assert add(client, HONEST, 0, 3)
    held += [socket.create_connection(("127.0.0.1", witness.port), timeout=10) for _ in range(20)]
    for connection in held:
        connection.close()
    time.sleep(0.2)
    assert post(witness, HONEST.request(3, 5)).status_code == 200


def test_sigterm_ends_it_and_the_next_start_goes_on(witness: WitnessProcess, client: WitnessClient) -> None:
    vkey = witness.vkey
    add(client, HONEST, 0, 3)
    assert witness.stop() == 0
    assert witness.lines()[-1]["event"] == "stopped"
    with closing(witness.start().client()) as again:
        assert witness.vkey == vkey
        with pytest.raises(WitnessConflict):
            add(again, HONEST, 0, 5)
        assert add(again, HONEST, 3, 5)


def test_what_it_cannot_start_with_it_names(tmp_path: Path) -> None:
    process = WitnessProcess(tmp_path, trusted=())
    assert process.launch().wait(30) == 1
    assert "names no log" in process.lines()[-1]["event"]
    assert not process.store.exists()
    process.trusted.write_text(f"{LOG} {MemorySigner().key.vkey}\n")
    process.start()
    process.stop()
    (process.store / "key.pem").chmod(0o644)
    assert process.launch().wait(30) == 1
    assert "chmod 600" in process.lines()[-1]["event"]
    assert json.loads(process.log.read_text().splitlines()[-1])["level"] == "critical"
