"""Cosigning, by C2SP tlog-witness: each status, each rule, and what is kept of what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consumers.witness.book import Book
from consumers.witness.handler import SIZE, Answer, Witness
from corpactions.domain.audit import notes
from corpactions.domain.audit.merkle import EMPTY_ROOT
from corpactions.domain.audit.notes import Checkpoint, Note, Signature
from corpactions.security.signing import verify
from tests.support.fakes import FakeClock
from tests.support.signing import LOG, WITNESS, MemorySigner
from tests.support.witnessing import SignedLog, submission

KEY = MemorySigner(WITNESS, 9).cosigning_key
HONEST, FORKED = SignedLog(), SignedLog(salt="x", fork=5)


def refused(witness: Witness, origin: str = LOG) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(witness.refused(origin, 100).body)["refused"]
    return found


def cosigned(answer: Answer, note: Note) -> int | None:
    assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8"), answer.body
    line = answer.body.decode()
    assert line.endswith("\n")
    return notes.cosigned_at(Note(note.text, (Signature.parse(line[:-1]),)), KEY, verify)


def test_a_log_that_grows_is_cosigned_each_time(witness: Witness, clock: FakeClock) -> None:
    for old, new in ((0, 3), (3, 3), (3, 8), (8, 9), (9, 64), (64, 300)):
        clock.advance(60)
        at = cosigned(witness.add_checkpoint(HONEST.request(old, new)), HONEST.note(new))
        assert at == int(clock.now().timestamp())
    assert refused(witness) == []


def test_what_is_kept_is_the_note_with_both_signatures_and_no_other(witness: Witness) -> None:
    note = notes.add_signature(HONEST.note(3), Signature("stranger", b"1234", b"x"), Signature(WITNESS, KEY.key_id, bytes(72)))
    assert cosigned(witness.add_checkpoint(submission(0, [], note)), note)
    kept = Note.parse(witness.newest(LOG).body)
    assert [line.name for line in kept.signatures] == [LOG, WITNESS]
    assert notes.signed_by(kept, MemorySigner().key, verify)
    assert notes.cosigned_at(kept, KEY, verify)


def test_the_same_size_again_gets_a_new_time_and_the_first_one_stays(witness: Witness, clock: FakeClock) -> None:
    first = cosigned(witness.add_checkpoint(HONEST.request(0, 3)), HONEST.note(3))
    clock.advance(3600)
    again = cosigned(witness.add_checkpoint(HONEST.request(3, 3)), HONEST.note(3))
    assert first is not None
    assert again is not None
    assert again >= first + 3600
    assert notes.cosigned_at(Note.parse(witness.at(LOG, 3).body), KEY, verify) == first
    assert notes.cosigned_at(Note.parse(witness.newest(LOG).body), KEY, verify) == again


@pytest.mark.parametrize("old", [0, 2, 4])
def test_from_another_size_it_says_which_one_it_knows(witness: Witness, old: int) -> None:
    witness.add_checkpoint(HONEST.request(0, 3))
    answer = witness.add_checkpoint(HONEST.request(old, 5))
    assert answer == Answer(409, b"3\n", SIZE)
    assert witness.newest(LOG).body.startswith(f"{LOG}\n3\n".encode())
    assert refused(witness) == []


def test_a_log_never_cosigned_is_of_size_zero(witness: Witness) -> None:
    assert witness.add_checkpoint(HONEST.request(2, 3)) == Answer(409, b"0\n", SIZE)
    assert witness.newest(LOG).status == 404


def test_an_empty_tree_may_come_first_with_the_empty_root_alone(witness: Witness) -> None:
    empty = notes.sign_note(Checkpoint(LOG, 0, EMPTY_ROOT).text(), MemorySigner())
    wrong = notes.sign_note(Checkpoint(LOG, 0, bytes(32)).text(), MemorySigner())
    assert witness.add_checkpoint(submission(0, [], wrong)).status == 422
    assert cosigned(witness.add_checkpoint(submission(0, [], empty)), empty)
    assert cosigned(witness.add_checkpoint(submission(0, [], empty)), empty)
    assert witness.add_checkpoint(submission(0, [], wrong)).status == 422
    assert cosigned(witness.add_checkpoint(HONEST.request(0, 5)), HONEST.note(5))
    assert witness.add_checkpoint(submission(0, [], empty)) == Answer(409, b"5\n", SIZE)


def test_a_proof_from_nothing_must_be_empty(witness: Witness) -> None:
    assert witness.add_checkpoint(submission(0, [bytes(32)], HONEST.note(3))).status == 422
    assert witness.newest(LOG).status == 404


def test_a_smaller_tree_is_a_bad_request(witness: Witness) -> None:
    witness.add_checkpoint(HONEST.request(0, 8))
    answer = witness.add_checkpoint(submission(8, [], HONEST.note(5)))
    assert (answer.status, b"is larger than" in answer.body) == (400, True)


@pytest.mark.parametrize(
    "body",
    [
        submission(8, FORKED.path(8, 12), FORKED.note(12)),
        submission(8, HONEST.path(8, 12), FORKED.note(12)),
        submission(8, [], HONEST.note(12)),
        submission(8, [*HONEST.path(8, 12), bytes(32)], HONEST.note(12)),
        submission(8, HONEST.path(8, 11), HONEST.note(12)),
        submission(8, [], FORKED.note(8)),
        submission(8, [bytes(32)], HONEST.note(8)),
    ],
)
def test_a_tree_that_does_not_continue_is_refused_loudly_and_kept(witness: Witness, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    witness.add_checkpoint(HONEST.request(0, 8))
    answer = witness.add_checkpoint(body)
    assert answer.status == 422
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    (evidence,) = refused(witness)
    kept = Note.parse(evidence["note"].encode())
    assert notes.signed_by(kept, MemorySigner().key, verify)
    assert kept.encode() in body
    assert (evidence["old_size"], evidence["times"], evidence["size"]) == (8, 1, Checkpoint.parse(kept.text).size)
    assert Checkpoint.parse(Note.parse(witness.newest(LOG).body).text).root == HONEST.root(8)


def test_a_rewritten_size_is_evidence_from_whatever_size_it_is_told(witness: Witness) -> None:
    witness.add_checkpoint(HONEST.request(0, 8))
    witness.add_checkpoint(HONEST.request(8, 20))
    assert witness.add_checkpoint(FORKED.request(0, 8)) == Answer(409, b"20\n", SIZE)
    assert witness.add_checkpoint(FORKED.request(20, 8)).status == 400
    (evidence,) = refused(witness)
    assert (evidence["size"], evidence["times"]) == (8, 2)
    assert "the log was rewritten" in evidence["reason"]


def test_evidence_is_the_newest_thousand_and_repetition_only_counts(book: Book, witness: Witness) -> None:
    witness.add_checkpoint(HONEST.request(0, 1))
    for size in range(2, 1_005):
        note = notes.sign_note(Checkpoint(LOG, size, size.to_bytes(32, "big")).text(), MemorySigner())
        for _ in range(2 if size > 1_000 else 1):
            assert witness.add_checkpoint(submission(1, [], note)).status == 422
    kept = book.refused(LOG, 2_000)
    assert [each.size for each in kept] == list(range(1_004, 4, -1))
    assert [each.times for each in kept] == [2] * 4 + [1] * 996


def test_an_unknown_log_is_not_found(witness: Witness) -> None:
    for origin in ("elsewhere", f"{LOG}x", f"{LOG}/", f"{LOG}/1", f"{LOG}/02", f"{LOG}/x", f"{LOG}/2/2"):
        assert witness.add_checkpoint(SignedLog(origin, MemorySigner(origin)).request(0, 3)).status == 404


def test_a_later_log_of_the_name_belongs_to_the_same_key_and_has_sizes_of_its_own(witness: Witness) -> None:
    later = SignedLog(f"{LOG}/2")
    witness.add_checkpoint(HONEST.request(0, 8))
    assert cosigned(witness.add_checkpoint(later.request(0, 2)), later.note(2))
    assert witness.newest(LOG).body.startswith(f"{LOG}\n8\n".encode())
    assert witness.newest(f"{LOG}/2").body.startswith(f"{LOG}/2\n2\n".encode())


def test_a_signature_that_is_missing_or_bad_is_forbidden_and_leaves_nothing(witness: Witness) -> None:
    good = HONEST.note(3)
    (line,) = good.signatures
    stranger = notes.sign_note(good.text, MemorySigner(number=2))
    bad = Note(good.text, (line._replace(signature=bytes(64)),))
    for note in (stranger, bad, Note(good.text, (line, *bad.signatures)), Note(good.text, (*bad.signatures, line))):
        assert witness.add_checkpoint(submission(0, [], note)).status == 403
    assert witness.newest(LOG).status == 404
    assert refused(witness) == []


def test_signatures_of_others_beside_the_log_s_are_no_hindrance(witness: Witness) -> None:
    note = notes.add_signature(HONEST.note(3), *notes.sign_note(HONEST.note(3).text, MemorySigner(number=2)).signatures)
    assert cosigned(witness.add_checkpoint(submission(0, [], note)), note)


def test_lines_below_the_root_are_cosigned_with_it(witness: Witness) -> None:
    note = notes.sign_note(Checkpoint(LOG, 3, HONEST.root(3), ("more",)).text(), MemorySigner())
    assert cosigned(witness.add_checkpoint(submission(0, [], note)), note)


NOTE = HONEST.note(3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "expected"),
        (NOTE.encode(), "first line must be"),
        (submission("-1", [], NOTE), "old size"),
        (submission("00", [], NOTE), "old size"),
        (submission("", [], NOTE), "old size"),
        (submission(f"{1 << 63}", [], NOTE), "old size"),
        (submission("0\r", [], NOTE), "old size"),
        (submission(0, [b"short"], NOTE), "32 bytes"),
        (submission(0, [bytes(32)] * 64, NOTE), "at most 63"),
        (b"old 0\nnot base64\n\n" + NOTE.encode(), "base64"),
        ("old ٠\n\n".encode() + NOTE.encode(), "expected"),
        (submission(0, [], b"\xff\xfe"), "UTF-8"),
        (submission(0, [], NOTE.encode().replace(b"3", b"3\0")), "control character"),
        (submission(0, [], NOTE.encode()[:-1]), "signature line"),
        (submission(0, [], notes.sign_note("hello\n", MemorySigner())), "three lines"),
        (submission(0, [], notes.sign_note(NOTE.text + "x" * 5_000 + "\n", MemorySigner())), "4096"),
        (b"old 0\n\n" + b"x" * 200_000, "131072"),
        (b"\0" * 1_000, "expected"),
    ],
)
def test_what_is_no_request_is_a_bad_one_and_says_why(witness: Witness, body: bytes, reason: str) -> None:
    answer = witness.add_checkpoint(body)
    assert (answer.status, reason in answer.body.decode()) == (400, True), answer.body
    assert witness.newest(LOG).status == 404


def test_sixty_three_proof_lines_are_read(witness: Witness) -> None:
    witness.add_checkpoint(HONEST.request(0, 1))
    assert witness.add_checkpoint(submission(1, [bytes(32)] * 63, NOTE)).status == 422
