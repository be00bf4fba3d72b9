"""Signed notes: what the format's authors give as examples verifies here, and nothing that differs from it by one byte."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.audit import notes
from corpactions.domain.audit.notes import Checkpoint, Key, Note, Signature
from corpactions.security.signing import verify
from tests.support.signing import LOG, WITNESS, MemorySigner

EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
EXAMPLE_CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
SIGNER, OTHER, WITNESS_SIGNER = MemorySigner(), MemorySigner("example.com/log", 2), MemorySigner(WITNESS, 3)
TREE = Checkpoint(LOG, 12, bytes(range(32)))
lines = st.text(st.characters(codec="utf-8", min_codepoint=0x20), max_size=30)


def signed() -> Note:
    return notes.sign_note(TREE.text(), SIGNER)


def test_the_specification_s_own_example_verifies() -> None:
    key = Key.parse(EXAMPLE_KEY)
    note = Note.parse(EXAMPLE_NOTE.encode())
    assert (key.name, key.key_id.hex(), key.vkey) == ("example.com/foo", "530d903a", EXAMPLE_KEY)
    assert note.text == "This is an example message.\n"
    assert notes.signed_by(note, key, verify)
    assert note.encode() == EXAMPLE_NOTE.encode()


def test_the_specification_s_cosigned_checkpoint_is_read_as_it_says() -> None:
    note = Note.parse(EXAMPLE_CHECKPOINT.encode())
    tree = Checkpoint.parse(note.text)
    assert (tree.origin, tree.size, tree.extensions) == ("example.com/behind-the-sofa", 20852163, ())
    assert tree.text() == note.text
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1679315147


def test_every_flipped_bit_is_refused() -> None:
    key, data = Key.parse(EXAMPLE_KEY), EXAMPLE_NOTE.encode()
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            assert not _verifies(bytes(changed), key), (position, bit)


def _verifies(data: bytes, key: Key) -> bool:
    try:
        return notes.signed_by(Note.parse(data), key, verify)
    except ValueError:
        return False


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        note = Note.parse(data)
    except ValueError:
        return
    assert note.encode() == data


@given(st.lists(lines, min_size=1, max_size=5))
def test_any_text_of_a_note_comes_back_as_it_went(text: list[str]) -> None:
    note = notes.sign_note("".join(f"{line}\n" for line in text), SIGNER)
    assert Note.parse(note.encode()) == note
    assert notes.signed_by(note, SIGNER.key, verify)
    assert not notes.signed_by(note, OTHER.key, verify)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "without an empty line"),
        (b"text\n", "without an empty line"),
        (b"text\n\n", "must end with a signature line"),
        (EXAMPLE_NOTE[:-1].encode(), "must end with a signature line"),
        (EXAMPLE_NOTE.replace("\n\n", "\n").encode(), "without an empty line"),
        (EXAMPLE_NOTE.replace("— ", "- ").encode(), "em dash"),
        (EXAMPLE_NOTE.replace("message", "mess\tage").encode(), "control character U\\+0009"),
        (EXAMPLE_NOTE.replace("message", "mess\x00age").encode(), "control character U\\+0000"),
        (EXAMPLE_NOTE.replace("\n", "\r\n").encode(), "without an empty line"),
        (EXAMPLE_NOTE.encode().replace(b"message", b"mess\xffage"), "not UTF-8: byte 23"),
        (EXAMPLE_NOTE.encode().replace(b"message", b"mess\xed\xa0\x80age"), "not UTF-8"),
        (EXAMPLE_NOTE.replace("example.com/foo", "example.com\u2003foo").encode(), "key name"),
        (EXAMPLE_NOTE.replace("example.com/foo ", "example.com+foo ").encode(), "key name"),
        (EXAMPLE_NOTE.replace("example.com/foo ", " ").encode(), "key name"),
        (EXAMPLE_NOTE.replace("aQM=", "aQM").encode(), "base64"),
        (EXAMPLE_NOTE.replace("aQM=", "aQN=").encode(), "stray bits"),
        (EXAMPLE_NOTE.replace("aQM=", "aQM= ").encode(), "base64"),
        ("text\n\n— name AAAAAA==\n".encode(), "4 bytes of key id and a signature"),
        (b"text\n\n" + "— name AAAAAAA=\n".encode() * 101, "at most 100"),
        (b"x" * (notes.MAX_NOTE_BYTES + 1), "at most 131072"),
    ],
)
def test_what_is_no_note_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Note.parse(data)


@pytest.mark.parametrize("text", ["", "no end", "tab\there\n", "null\0\n", "half \ud800\n"])
def test_what_cannot_be_a_note_s_text_is_never_signed(text: str) -> None:
    with pytest.raises(ValueError, match="note"):
        notes.sign_note(text, SIGNER)


@pytest.mark.parametrize(
    ("vkey", "reason"),
    [
        ("example.com/foo+530d903a", "three parts"),
        (EXAMPLE_KEY.replace("530d903a", "530d903b"), "which is 530d903a"),
        (EXAMPLE_KEY.replace("530d903a", "530D903A"), "which is 530d903a"),
        (EXAMPLE_KEY.replace("foo", "fob"), "its id is not that"),
        ("foo+530d903a+" + base64.b64encode(b"\2" + bytes(32)).decode(), "type byte 1 or 4"),
        ("foo+530d903a+" + base64.b64encode(b"\1" + bytes(31)).decode(), "32 bytes"),
        (EXAMPLE_KEY.replace("example.com/foo", "a b"), "no space"),
        (EXAMPLE_KEY.replace("example.com/foo", ""), "one or more characters"),
        (EXAMPLE_KEY + "\n", "base64"),
    ],
)
def test_a_vkey_that_is_not_quite_one_is_refused(vkey: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Key.parse(vkey)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("log\n1\n", "three lines"),
        ("log\n1\nAAAA\n\n", "none of them empty"),
        ("\n1\nAAAA\n", "none of them empty"),
        ("log\n01\nAAAA\n", "size"),
        ("log\n-1\nAAAA\n", "size"),
        ("log\n١\nAAAA\n", "size"),
        (f"log\n{1 << 63}\nAAAA\n", "below 2\\^63"),
        ("log\n1\nAAAA\n", "32 bytes"),
        (f"log\n1\n{'A' * 42}B=\n", "stray bits"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Checkpoint.parse(text)


def test_a_checkpoint_s_further_lines_are_kept() -> None:
    tree = TREE._replace(extensions=("one", "two"))
    assert Checkpoint.parse(tree.text()) == tree


def test_a_key_needs_both_its_name_and_its_id() -> None:
    note = signed()
    (line,) = note.signatures
    renamed = Note(note.text, (line._replace(name=OTHER.name),))
    another_id = Note(note.text, (line._replace(key_id=OTHER.key.key_id),))
    assert not notes.signed_by(renamed, SIGNER.key, verify)
    assert not notes.signed_by(another_id, SIGNER.key, verify)


def test_signatures_of_unknown_keys_are_of_no_consequence() -> None:
    stranger = Signature("stranger", b"\1\2\3\4", b"nonsense")
    note = notes.add_signature(signed(), stranger, stranger._replace(name=LOG))
    assert len(note.signatures) == 3
    assert notes.signed_by(Note.parse(note.encode()), SIGNER.key, verify)


def test_one_bad_line_of_a_key_spoils_its_good_one() -> None:
    (good,) = signed().signatures
    bad = good._replace(signature=bytes(64))
    for pair in ((good, bad), (bad, good)):
        assert not notes.signed_by(Note(TREE.text(), pair), SIGNER.key, verify)
    assert notes.signed_by(Note(TREE.text(), (good, good)), SIGNER.key, verify)


def test_a_key_s_newer_signature_takes_the_place_of_its_older_one() -> None:
    first, second = (notes.cosign(signed(), WITNESS_SIGNER, at) for at in (5, 9))
    note = notes.add_signature(notes.add_signature(signed(), first), second)
    assert note.signatures == (*signed().signatures, second)


def test_a_cosignature_says_when_and_is_no_plain_signature() -> None:
    note = notes.add_signature(signed(), notes.cosign(signed(), WITNESS_SIGNER, 1679315147))
    assert notes.cosigned_at(note, WITNESS_SIGNER.cosigning_key, verify) == 1679315147
    assert not notes.signed_by(note, WITNESS_SIGNER.key, verify)
    assert not notes.signed_by(note, WITNESS_SIGNER.cosigning_key, verify)
    assert notes.cosigned_at(note, SIGNER.cosigning_key, verify) is None
    assert notes.cosigned_at(signed(), SIGNER.key, verify) is None


def test_a_cosignature_with_any_bit_flipped_or_any_length_is_none() -> None:
    line = notes.cosign(signed(), WITNESS_SIGNER, 1679315147)
    for position in range(len(line.signature)):
        changed = bytearray(line.signature)
        changed[position] ^= 1
        assert (
            notes.cosigned_at(Note(TREE.text(), (line._replace(signature=bytes(changed)),)), WITNESS_SIGNER.cosigning_key, verify) is None
        )
    for signature in (b"", line.signature[:-1], line.signature + b"\0"):
        assert notes.cosigned_at(Note(TREE.text(), (line._replace(signature=signature),)), WITNESS_SIGNER.cosigning_key, verify) is None
    assert notes.cosigned_at(Note(TREE._replace(size=13).text(), (line,)), WITNESS_SIGNER.cosigning_key, verify) is None


def test_of_several_cosignatures_the_earliest_counts_and_a_bad_one_spoils_all() -> None:
    early, late = (notes.cosign(signed(), WITNESS_SIGNER, at) for at in (5, 9))
    assert notes.cosigned_at(Note(TREE.text(), (late, early)), WITNESS_SIGNER.cosigning_key, verify) == 5
    spoilt = Note(TREE.text(), (late, early._replace(signature=bytes(72))))
    assert notes.cosigned_at(spoilt, WITNESS_SIGNER.cosigning_key, verify) is None


@pytest.mark.parametrize("at", [0, -1, 1 << 63])
def test_nothing_is_cosigned_without_a_time(at: int) -> None:
    with pytest.raises(ValueError, match="seconds since 1970"):
        notes.cosign(signed(), WITNESS_SIGNER, at)


def test_nothing_but_a_checkpoint_is_cosigned() -> None:
    with pytest.raises(ValueError, match="three lines"):
        notes.cosign(notes.sign_note("hello\n", SIGNER), WITNESS_SIGNER, 1)
