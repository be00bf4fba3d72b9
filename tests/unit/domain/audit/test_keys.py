"""A key history leads from the trusted key to each later one, and any other history is refused at the statement where it breaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.audit import keys, notes
from corpactions.domain.audit.keys import KeyPeriod, Untrusted
from corpactions.domain.audit.notes import Note
from corpactions.security.signing import verify
from tests.support.signing import LOG, WITNESS, MemorySigner

SIGNERS = [MemorySigner(number=number) for number in range(1, 5)]
STARTS = [(LOG, 0), (LOG, 100), (f"{LOG}/2", 0), (f"{LOG}/2", 7)]
THIEVES = [MemorySigner(number=number) for number in range(11, 15)]


def history(signers: list[MemorySigner] = SIGNERS) -> list[bytes]:
    before = [None, *signers[:-1]]
    steps = zip(signers, before, STARTS, strict=True)
    return [keys.state(number, log, start, new, old).encode() for number, (new, old, (log, start)) in enumerate(steps, start=1)]


def test_the_history_is_walked_from_the_first_key() -> None:
    periods = keys.walk(history(), SIGNERS[0].key, verify)
    assert periods == tuple(
        KeyPeriod(n, log, start, s.key) for n, ((log, start), s) in enumerate(zip(STARTS, SIGNERS, strict=True), start=1)
    )


@pytest.mark.parametrize(
    ("log", "seq", "number"),
    [
        (LOG, 0, 1),
        (LOG, 99, 1),
        (LOG, 100, 2),
        (LOG, 10**9, 2),
        (f"{LOG}/2", 0, 3),
        (f"{LOG}/2", 6, 3),
        (f"{LOG}/2", 7, 4),
        (f"{LOG}/3", 0, 4),
    ],
)
def test_each_entry_has_the_key_of_its_time(log: str, seq: int, number: int) -> None:
    assert keys.key_for(keys.walk(history(), SIGNERS[0].key, verify), log, seq) == SIGNERS[number - 1].key


def test_a_later_key_is_a_start_as_well_but_vouches_for_none_before_it() -> None:
    periods = keys.walk(history(), SIGNERS[2].key, verify)
    assert [period.number for period in periods] == [3, 4]
    with pytest.raises(Untrusted, match="older than the trusted key"):
        keys.key_for(periods, LOG, 100)
    with pytest.raises(Untrusted, match="none of"):
        keys.key_for(periods, "elsewhere", 100)


def test_a_history_made_anew_with_other_keys_is_refused_whole() -> None:
    with pytest.raises(Untrusted, match=r"key statement 1: .* none of this history's 4 keys"):
        keys.walk(history(THIEVES), SIGNERS[0].key, verify)
    with pytest.raises(Untrusted, match="key statement 1"):
        keys.walk([], SIGNERS[0].key, verify)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_history_recomputed_from_some_key_on_is_refused_there(number: int) -> None:
    """The thief has the log's first keys' statements and every key of his own, but not the private key before."""
    forged = history([*SIGNERS[: number - 1], *THIEVES[number - 1 :]])
    genuine = history()
    forged[number - 1] = keys.state(number, *STARTS[number - 1], THIEVES[number - 1], THIEVES[0]).encode()
    with pytest.raises(Untrusted) as refused:
        keys.walk([*genuine[: number - 1], *forged[number - 1 :]], SIGNERS[0].key, verify)
    assert refused.value.number == number
    assert f"key {number - 1} has not signed it" in refused.value.reason


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_gap_is_refused_where_it_is(number: int) -> None:
    statements = history()
    del statements[number - 1]
    with pytest.raises(Untrusted, match="gap or is out of order") as refused:
        keys.walk(statements, SIGNERS[0].key, verify)
    assert refused.value.number == number


@given(st.permutations(range(4)).filter(lambda order: order != [0, 1, 2, 3]))
def test_another_order_is_refused_at_the_first_that_is_out_of_place(order: list[int]) -> None:
    statements = history()
    with pytest.raises(Untrusted) as refused:
        keys.walk([statements[index] for index in order], SIGNERS[0].key, verify)
    assert refused.value.number == next(place for place, index in enumerate(order) if place != index) + 1


def test_both_keys_must_have_signed() -> None:
    first, second, *_ = history()
    note = Note.parse(second)
    for index, missing in enumerate(("key 1 has not signed it", "has not signed it")):
        kept = Note(note.text, (note.signatures[1 - index],))
        with pytest.raises(Untrusted, match=missing) as refused:
            keys.walk([first, kept.encode()], SIGNERS[0].key, verify)
        assert refused.value.number == 2


@given(st.integers(0, 3), st.data())
def test_no_changed_byte_passes(index: int, data: st.DataObject) -> None:
    statements = history()
    changed = bytearray(statements[index])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    statements[index] = bytes(changed)
    with pytest.raises(Untrusted) as refused:
        keys.walk(statements, SIGNERS[0].key, verify)
    assert refused.value.number == index + 1


def again(number: int, log: str, start: int, new: MemorySigner, old: MemorySigner | None) -> list[bytes]:
    return [*history()[: number - 1], keys.state(number, log, start, new, old).encode()]


@pytest.mark.parametrize(
    ("statements", "number", "reason"),
    [
        (again(3, f"{LOG}/2", 0, SIGNERS[0], SIGNERS[1]), 3, "given up must not return"),
        (again(3, LOG, 100, SIGNERS[2], SIGNERS[1]), 3, "not after key 2"),
        (again(4, LOG, 5_000, SIGNERS[3], SIGNERS[2]), 4, "not after key 3"),
        (again(2, WITNESS, 100, MemorySigner(WITNESS, 2), SIGNERS[0]), 2, f"about {WITNESS}"),
        ([keys.state(1, LOG, 5, SIGNERS[0]).encode()], 1, "from entry 0"),
        ([keys.state(1, f"{LOG}/2", 0, SIGNERS[0]).encode()], 1, "from entry 0"),
        ([b"x" * 5_000], 1, "at most 4096"),
        ([b"nonsense"], 1, "without an empty line"),
    ],
)
def test_what_breaks_the_history_s_own_rules_is_refused(statements: list[bytes], number: int, reason: str) -> None:
    with pytest.raises(Untrusted, match=reason) as refused:
        keys.walk(statements, SIGNERS[0].key, verify)
    assert refused.value.number == number


@pytest.mark.parametrize(
    "change",
    [
        (0, "corporate-actions/audit-key/v2"),
        (1, "else"),
        (2, "else"),
        (2, f"{LOG}/1"),
        (2, f"{LOG}/02"),
        (3, "0"),
        (3, "01"),
        (4, "-1"),
        (4, "00"),
        (5, MemorySigner("else").key.vkey),
        (5, MemorySigner().cosigning_key.vkey),
        (5, ""),
    ],
)
def test_a_statement_has_one_spelling(change: tuple[int, str]) -> None:
    lines = Note.parse(history()[0]).text.split("\n")
    lines[change[0]] = change[1]
    with pytest.raises(ValueError, match=r"six lines|expected|must|numbered|none of|id is not"):
        KeyPeriod.parse("\n".join(lines))
    with pytest.raises(ValueError, match="six lines"):
        KeyPeriod.parse(Note.parse(history()[0]).text + "more\n")


def test_only_the_first_key_is_stated_alone() -> None:
    with pytest.raises(ValueError, match="must sign with it"):
        keys.state(2, LOG, 5, SIGNERS[1])
    with pytest.raises(ValueError, match="must sign with it"):
        keys.state(1, LOG, 0, SIGNERS[1], SIGNERS[0])
    with pytest.raises(ValueError, match="none of"):
        keys.state(1, "elsewhere", 0, SIGNERS[0])


def test_a_statement_is_a_note_that_both_keys_verify() -> None:
    note = keys.state(2, LOG, 9, SIGNERS[1], SIGNERS[0])
    assert all(notes.signed_by(note, signer.key, verify) for signer in SIGNERS[:2])
    assert keys.read_statement(note.encode(), verify) == KeyPeriod(2, LOG, 9, SIGNERS[1].key)
