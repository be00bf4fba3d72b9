"""A verifier in another language, written from ``docs/audit-format.md`` alone, takes the product's bundles and refuses every broken one with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpactions.domain.audit.keys import state
from corpactions.domain.audit.notes import Note, add_signature, cosign, sign_note
from tests.support import audit_vectors
from tests.support.audit_breaks import (
    BOUNDARIES,
    CHANGED,
    CHEATED,
    COSIGNED,
    LISTED,
    ROTATED_AT,
    SIGNED,
    SIZE,
    START,
    STRANGER,
    Break,
    cheated,
    honest,
    listed,
)
from tests.support.audit_bundles import ORIGIN, WITNESS_SIGNER, WITNESS_VKEY, Files, log_signer, log_vkey, seed_signer
from tests.support.second_verifier import Told, second_verdict
from tests.support.signing import MemorySigner


def verified(folder: Path, files: Files, *, key: int = 1) -> Told:
    """What the second verifier says of these files."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return second_verdict(folder, log_vkey(key), WITNESS_VKEY)


@pytest.mark.parametrize(
    ("first", "end"), [(0, SIZE), (0, 1), (1, 60), (60, 400), (ROTATED_AT, 300), (300, 512), (400, SIZE), (512, SIZE)], ids=str
)
def test_the_product_s_bundles_are_accepted(tmp_path: Path, first: int, end: int) -> None:
    assert verified(tmp_path, honest(first, end)) == Told(0, [f"verified: {end - first} entries"])


def test_the_published_bundle_is_accepted(tmp_path: Path) -> None:
    assert verified(tmp_path, audit_vectors.bundle()) == Told(0, ["verified: 5 entries"])


def test_a_later_key_is_enough_for_what_it_signs_and_proves_nothing_before(tmp_path: Path) -> None:
    assert verified(tmp_path / "later", honest(ROTATED_AT, SIZE), key=2).status == 0
    told = verified(tmp_path / "all", honest(), key=2)
    assert (told.status, told.places) == (
        1,
        {f"key: batch {first}" for first in BOUNDARIES if first < ROTATED_AT} | {"key: entry 0"} - {"key: entry 0"},
    )


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_changed_without_a_key_is_found_at_its_place(tmp_path: Path, name: str) -> None:
    change, expected = CHANGED[name]
    told = verified(tmp_path, listed(change(honest())))
    assert told.status == 1
    assert told.places == expected, told.lines


@pytest.mark.parametrize("name", LISTED)
def test_a_bundle_whose_files_are_not_what_it_lists_is_refused(tmp_path: Path, name: str) -> None:
    change, expected = LISTED[name]
    told = verified(tmp_path, change(honest()))
    assert told.status == 1
    assert [line for line in told.lines if line.startswith(expected)] != [], told.lines


@pytest.mark.parametrize("name", CHEATED)
def test_what_the_key_s_holder_writes_against_the_rules_is_found_at_its_place(tmp_path: Path, name: str) -> None:
    told = verified(tmp_path, cheated(name))
    assert (told.status, told.places) == (1, CHEATED[name][1])


@pytest.mark.parametrize("name", SIGNED)
def test_a_batch_that_is_signed_wrongly_or_says_what_is_not_so_is_found(tmp_path: Path, name: str) -> None:
    change, expected = SIGNED[name]
    told = verified(tmp_path, listed(change(honest())))
    assert told.status == 1
    assert expected <= told.places
    assert all(place in expected or place.startswith("batch: entry 5") for place in told.places), told.lines


def checkpoint(signer: MemorySigner, witness: MemorySigner | None, at: int = COSIGNED) -> Break:
    def break_(files: Files) -> Files:
        note = sign_note(Note.parse(files["checkpoint"]).text, signer)
        if witness is not None:
            note = add_signature(note, cosign(note, witness, at))
        return {**files, "checkpoint": note.encode()}

    return break_


@pytest.mark.parametrize(
    "change",
    [
        checkpoint(log_signer(1), WITNESS_SIGNER),
        checkpoint(STRANGER, WITNESS_SIGNER),
        checkpoint(log_signer(2), None),
        checkpoint(log_signer(2), seed_signer(WITNESS_SIGNER.name, b"v")),
    ],
    ids=["the key before", "a stranger", "no witness", "another witness"],
)
def test_a_checkpoint_that_the_log_or_the_witness_has_not_signed_is_found(tmp_path: Path, change: Break) -> None:
    told = verified(tmp_path, listed(change(honest())))
    assert (told.status, told.places) == (1, {"checkpoint: checkpoint 600"})


def test_entries_that_are_younger_than_the_witness_s_time_are_found(tmp_path: Path) -> None:
    told = verified(tmp_path, listed(checkpoint(log_signer(2), WITNESS_SIGNER, int(START.timestamp()) - 54)(honest())))
    assert (told.status, told.places) == (1, {f"time: entry {seq}" for seq in range(512, SIZE)})


def test_a_rewritten_log_with_its_own_keys_is_refused_for_want_of_the_pinned_one(tmp_path: Path) -> None:
    forged = sign_note(Note.parse(honest()["checkpoint"]).text, STRANGER)
    keys = {"keys/1": state(1, ORIGIN, 0, STRANGER).encode()}
    files = listed({**honest(), **keys, "checkpoint": add_signature(forged, cosign(forged, WITNESS_SIGNER, COSIGNED)).encode()})
    told = verified(tmp_path, files)
    assert (told.status, told.places) == (1, {"key: key 2", "key: key history"})


@pytest.mark.parametrize("key", ["", "no vkey", log_vkey(1).replace("97662e28", "97662e29"), WITNESS_VKEY])
def test_a_key_that_is_none_of_a_log_is_no_verdict(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="error: "):
        second_verdict(tmp_path, key)
