"""Keys are handed over by the newest trusted key alone, and a retired one is of no use any more."""

from __future__ import annotations

import json

import pytest

from consumers.witness.book import Book
from consumers.witness.handler import Answer, Witness
from consumers.witness.trust import Trust
from corpactions.domain.audit import keys, notes
from corpactions.domain.audit.notes import Note
from corpactions.security.signing import verify
from tests.support.fakes import FakeClock
from tests.support.signing import LOG, WITNESS, MemorySigner
from tests.support.witnessing import SignedLog

ONE, TWO, THREE, THIEF = (MemorySigner(number=number) for number in (1, 2, 3, 66))
FIRST = keys.state(1, LOG, 0, ONE)
SECOND = keys.state(2, LOG, 10, TWO, ONE)
THIRD = keys.state(3, f"{LOG}/2", 0, THREE, TWO)


def hand_over(witness: Witness, *statements: Note) -> Answer:
    return witness.hand_over(LOG, b"---\n".join(note.encode() for note in statements))


def status(witness: Witness, signer: MemorySigner, old: int, new: int, origin: str = LOG) -> int:
    return witness.add_checkpoint(SignedLog(origin, signer).request(old, new)).status


def trusted(answer: Answer) -> list[tuple[str, list[int] | None]]:
    return [(each["vkey"], each["until"]) for each in json.loads(answer.body)["keys"]]


def test_a_new_key_signs_once_it_is_handed_over(witness: Witness) -> None:
    assert status(witness, ONE, 0, 8) == 200
    assert status(witness, TWO, 8, 12) == 403
    assert trusted(hand_over(witness, FIRST, SECOND)) == [(ONE.key.vkey, [1, 10]), (TWO.key.vkey, None)]
    assert status(witness, TWO, 8, 12) == 200


def test_a_retired_key_signs_up_to_its_end_and_what_comes_later_is_evidence(witness: Witness) -> None:
    hand_over(witness, SECOND)
    assert status(witness, ONE, 0, 10) == 200
    assert status(witness, ONE, 10, 11) == 403
    (evidence,) = json.loads(witness.refused(LOG, 9).body)["refused"]
    assert (evidence["size"], "time was over" in evidence["reason"]) == (11, True)
    assert status(witness, TWO, 10, 11) == 200


def test_a_new_key_may_sign_an_older_size_anew(witness: Witness) -> None:
    hand_over(witness, SECOND)
    assert status(witness, TWO, 0, 5) == 200


def test_the_whole_history_again_and_again_changes_nothing(witness: Witness) -> None:
    first = hand_over(witness, FIRST, SECOND, THIRD)
    assert first.status == 200
    assert hand_over(witness, FIRST, SECOND, THIRD) == first
    assert hand_over(witness, SECOND) == first
    assert witness.keys(LOG) == first
    assert witness.keys(f"{LOG}/2") == first
    assert [until for _, until in trusted(first)] == [[1, 10], [2, 0], None]
    assert status(witness, TWO, 0, 1_000) == 200
    assert status(witness, THREE, 0, 5, f"{LOG}/2") == 200
    assert status(witness, TWO, 5, 6, f"{LOG}/2") == 403


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        (keys.state(2, LOG, 10, THIEF, ONE), 2),
        (keys.state(4, LOG, 20, THIEF, ONE), 4),
        (keys.state(1, LOG, 0, THIEF), 1),
        (keys.state(3, f"{LOG}/2", 0, THIEF, TWO), 3),
        (keys.state(9, f"{LOG}/2", 5, THIEF, MemorySigner(number=67)), 9),
        (keys.state(5, f"{LOG}/2", 9, THIEF, THREE), 5),
        (keys.state(4, LOG, 9, THIEF, THREE), 4),
        (keys.state(4, f"{LOG}/2", 9, ONE, THREE), 4),
        (keys.state(3, f"{LOG}/2", 1, THREE, TWO), 3),
    ],
)
def test_what_does_not_follow_is_forbidden_loudly(witness: Witness, statement: Note, number: int, caplog: pytest.LogCaptureFixture) -> None:
    before = hand_over(witness, FIRST, SECOND, THIRD)
    answer = hand_over(witness, statement)
    assert (answer.status, answer.body.startswith(f"key statement {number}: ".encode())) == (403, True), answer
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert witness.keys(LOG) == before


def test_a_statement_needs_the_new_key_s_own_signature(witness: Witness) -> None:
    alone = Note(SECOND.text, SECOND.signatures[:1])
    assert hand_over(witness, alone).status == 400
    assert trusted(witness.keys(LOG)) == [(ONE.key.vkey, None)]


def test_a_later_pinned_key_is_enough_and_the_history_before_it_is_passed_over(book: Book, clock: FakeClock) -> None:
    witness = Witness(book, Trust([TWO.key], book, verify), MemorySigner(WITNESS, 9), clock, verify)
    assert hand_over(witness, SECOND, THIRD).status == 200
    assert trusted(witness.keys(LOG)) == [(TWO.key.vkey, [2, 0]), (THREE.key.vkey, None)]
    assert hand_over(witness, FIRST).status == 403


@pytest.mark.parametrize("body", [b"", b"---\n", b"nonsense\n", b"\xff\n", b"---\n" * 2_000, notes.sign_note("x\n", ONE).encode()])
def test_what_is_no_statement_is_a_bad_request(witness: Witness, body: bytes) -> None:
    assert witness.hand_over(LOG, body).status == 400
    assert trusted(witness.keys(LOG)) == [(ONE.key.vkey, None)]


def test_a_log_whose_name_looks_like_another_one_s_second_log_is_its_own(book: Book) -> None:
    own = MemorySigner(f"{LOG}/2", 5)
    trust = Trust([ONE.key, own.key], book, verify)
    assert [trust.name_of(origin) for origin in (LOG, f"{LOG}/2", f"{LOG}/3", "else")] == [LOG, f"{LOG}/2", LOG, None]


def test_only_keys_of_the_log_s_own_name_are_taken(witness: Witness) -> None:
    other = keys.state(1, "elsewhere", 0, MemorySigner("elsewhere"))
    assert hand_over(witness, other).status == 400
    assert witness.hand_over("elsewhere", other.encode()).status == 404
    assert witness.keys("elsewhere").status == 404
