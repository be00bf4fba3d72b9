"""The product's own verification of export bundles, on the tables of broken ones that the second verifier is held to."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from corpactions.domain.audit.bundle_verification import BundleReport, verify_bundle
from corpactions.domain.audit.notes import Key, Note, plain_signature
from corpactions.domain.audit.ranges import Rules
from corpactions.security.signing import verify
from corpactions.serde.canonical import decode
from tests.support import audit_vectors
from tests.support.audit_breaks import BOUNDARIES, CHANGED, CHEATED, LISTED, ROTATED_AT, SIGNED, SIZE, cheated, honest, listed
from tests.support.audit_bundles import ORIGIN, WITNESS_VKEY, Files, log_signer, log_vkey

UNIQUE_IN_MYSQL = "an id twice"
"""Record ids are held unique by an index, where the log is written; a verification of the bytes alone does not remember them all."""


class Held:
    """A bundle in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def names(self) -> Collection[str]:
        return self._files.keys()

    def read(self, path: str) -> bytes:
        return self._files[path]


def verified(files: Files, key: int = 1) -> BundleReport:
    rules = Rules(ORIGIN, (), verify, decode, Key.parse(WITNESS_VKEY))
    return verify_bundle(Held(files), rules, Key.parse(log_vkey(key)))


@pytest.mark.parametrize("first", BOUNDARIES[:-1])
def test_every_range_of_whole_batches_is_accepted(first: int) -> None:
    for end in BOUNDARIES[BOUNDARIES.index(first) + 1 :]:
        report = verified(honest(first, end))
        assert report.verified, (end, report.findings)


def test_the_published_bundle_and_one_from_a_later_key_on_are_accepted() -> None:
    assert verified(audit_vectors.bundle()).verified
    assert verified(honest(ROTATED_AT, SIZE), key=2).verified


@pytest.mark.parametrize("name", [*CHANGED, *SIGNED])
def test_a_change_that_the_second_verifier_finds_is_found(name: str) -> None:
    change, _ = {**CHANGED, **SIGNED}[name]
    assert not verified(listed(change(honest()))).verified


@pytest.mark.parametrize("name", LISTED)
def test_a_bundle_whose_files_are_not_what_it_lists_is_refused(name: str) -> None:
    change, _ = LISTED[name]
    assert not verified(change(honest())).verified


@pytest.mark.parametrize("name", sorted(CHEATED.keys() - {UNIQUE_IN_MYSQL}))
def test_what_the_keys_holder_writes_against_the_rules_is_refused_with_its_entry(name: str) -> None:
    report = verified(cheated(name))
    seq = int(next(iter(CHEATED[name][1])).rpartition(" ")[2])
    batch = max(first for first in BOUNDARIES if first <= seq)
    assert report.verified is False
    assert {finding.seq for finding in report.findings} <= {seq, batch}, report.findings


def test_batches_older_than_the_pinned_key_are_found_and_not_counted_as_signed() -> None:
    report = verified(honest(), key=2)
    older = [first for first in BOUNDARIES if first < ROTATED_AT]
    assert [(each.check, each.place) for each in report.findings] == [("key", f"batch {first}") for first in older]
    assert report.batches == len(BOUNDARIES) - 1 - len(older)


def test_every_line_of_the_right_key_must_be_good_and_other_keys_do_not_matter() -> None:
    note = Note.parse(honest()["batches/300"])
    before, right = plain_signature(note.text, log_signer(1)), plain_signature(note.text, log_signer(2))
    both = Note(note.text, (before, right)).encode()
    assert verified(listed({**honest(), "batches/300": both})).verified
    bad = Note(note.text, (right, right._replace(signature=bytes(64)))).encode()
    found = verified(listed({**honest(), "batches/300": bad})).findings
    assert [(each.check, each.place) for each in found] == [("signature", "batch 300")]
