"""A range's verification, and the joining of ranges: an untouched log gives nothing, and whatever single value is changed is found where it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.findings import Finding
from corpactions.domain.audit.joined import Joined
from corpactions.domain.audit.joining import Joiner
from tests.support.audit_stored import StoredLog, results, rules, stored_log, verified
from tests.support.signing import LOG, MemorySigner

SIZES = (1, 3, 300, 5, 700, 10)
BASE = stored_log(SIZES)


@pytest.fixture
def log() -> StoredLog:
    return BASE.copy()


def told(log: StoredLog) -> list[tuple[str, str]]:
    return [(finding.check, finding.place) for finding in verified(log).items]


def changed(body: bytes) -> bytes:
    return body.replace(b"COMPLETED", b"CANCELLED")


def test_an_untouched_log_gives_no_findings(log: StoredLog) -> None:
    assert verified(log).items == []


class TestEntries:
    @pytest.mark.parametrize("seq", [1, 42, 255, 256, 303, 1007])
    def test_a_changed_body_is_named_and_nothing_else_is(self, log: StoredLog, seq: int) -> None:
        log.entries[seq][1] = changed(log.entries[seq][1])
        assert told(log) == [("body", f"entry {seq}")]

    def test_the_last_entry_of_the_log_has_no_witness_but_its_batch(self, log: StoredLog) -> None:
        log.entries[1018][1] = changed(log.entries[1018][1])
        findings = verified(log).items
        assert findings[0].place == "batch 1009"
        assert "it is the last one, entry 1018" in findings[0].detail
        assert {finding.check for finding in findings} == {"batch", "root", "checkpoint"}

    @pytest.mark.parametrize("column", range(2, 9))
    def test_a_search_column_is_held_against_the_body(self, log: StoredLog, column: int) -> None:
        log.entries[42][column] = "2026-11-24T09:00:00.000000Z" if column == 6 else "other"
        assert told(log) == [("columns", "entry 42")]

    def test_a_missing_entry(self, log: StoredLog) -> None:
        del log.entries[42]
        assert told(log) == [("sequence", "entry 42")]

    def test_many_missing_entries_are_one_finding(self, log: StoredLog) -> None:
        del log.entries[42:142]
        assert told(log) == [("sequence", "entry 42")]

    def test_two_that_changed_places(self, log: StoredLog) -> None:
        log.entries[42][1:], log.entries[43][1:] = log.entries[43][1:], log.entries[42][1:]
        assert {("sequence", "entry 42"), ("sequence", "entry 43"), ("body", "entry 42"), ("body", "entry 43")} <= set(told(log))

    def test_entries_behind_the_newest_batch(self, log: StoredLog) -> None:
        log.entries.append([1019, *log.entries[1018][1:]])
        assert ("sequence", "entry 1019") in told(log)

    def test_entries_whose_batch_is_gone(self, log: StoredLog) -> None:
        del log.batches[2]
        assert told(log) == [("sequence", "entry 4")]

    def test_bytes_that_are_no_entry_do_not_end_the_verification(self, log: StoredLog) -> None:
        log.entries[42][1] = b"\xff"
        log.entries[900][1] = changed(log.entries[900][1])
        assert told(log) == [("body", "entry 42"), ("body", "entry 42"), ("body", "entry 900")]

    def test_log_opened_in_the_middle(self, log: StoredLog) -> None:
        log.entries[42][1] = log.entries[42][1].replace(b'"APPLIED"', b'"LOG_OPENED"')
        assert ("sequence", "entry 42") in told(log)


class TestBatches:
    @pytest.mark.parametrize(
        "other",
        [
            {"epoch": 7},
            {"recorded_at": BASE.batches[2].recorded_at + timedelta(microseconds=1)},
            {"offsets": b'{"0":1}'},
            {"batch_root": bytes(32)},
            {"tree_root": bytes(32)},
            {"key_id": bytes(4)},
            {"signature": bytes(64)},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_each_column_is_signed(self, log: StoredLog, other: dict[str, Any]) -> None:
        log.batches[2] = log.batches[2]._replace(**other)
        assert ("signature", "batch 4") in told(log)

    @pytest.mark.parametrize("offsets", [b"", b"[]", b'{"0": 1}', b"\xff", b'{"0":1.5}'])
    def test_offsets_that_cannot_be_read(self, log: StoredLog, offsets: bytes) -> None:
        log.batches[2] = log.batches[2]._replace(offsets=offsets)
        assert {place for _, place in told(log)} >= {"batch 4"}

    def test_another_size(self, log: StoredLog) -> None:
        log.batches[2] = log.batches[2]._replace(size=305)
        assert ("signature", "batch 4") in told(log)

    def test_a_key_that_the_verifier_does_not_trust(self) -> None:
        forged = stored_log(SIZES, MemorySigner(LOG, 2))
        findings = verified(forged)
        assert findings.counts["signature"] == len(SIZES)

    def test_without_signatures_the_same_log_fits_itself(self) -> None:
        forged = stored_log(SIZES, MemorySigner(LOG, 2))
        assert verified(forged, rules()._replace(verify=None)).items == []


class TestTilesAndCheckpoints:
    def test_a_changed_tile_is_named_with_the_entry_whose_hash_it_is(self, log: StoredLog) -> None:
        log.tiles[0, 1] = log.tiles[0, 1][:-32] + bytes(32)
        (finding,) = verified(log).items
        assert (finding.check, finding.place, finding.seq) == ("tile", "tile 0/1", 511)

    def test_a_missing_tile(self, log: StoredLog) -> None:
        del log.tiles[0, 2]
        assert told(log) == [("tile", "tile 0/2")]

    def test_a_tile_beyond_the_end_shows_that_entries_were_cut_off(self, log: StoredLog) -> None:
        log.tiles[0, 3] = bytes(8192)
        assert told(log) == [("tile", "tile 0/3")]

    def test_checkpoints_that_do_not_fit_are_told_once_with_their_number(self) -> None:
        other = stored_log(SIZES, start=BASE.batches[0].recorded_at + timedelta(seconds=1))
        mixed = BASE.copy()._replace(notes=[*BASE.notes[:2], *other.notes[2:]])
        (finding,) = verified(mixed).items
        assert (finding.check, finding.place, finding.found_by) == ("checkpoint", "checkpoint 304", "checkpoint")
        assert "nor do 3 more up to size 1019; the last one before that fits is at size 4" in finding.detail

    def test_a_witness_that_saw_another_tree(self) -> None:
        other = stored_log(SIZES, start=BASE.batches[0].recorded_at + timedelta(seconds=1))
        mixed = BASE.copy()._replace(notes=[*BASE.notes, other.notes[-1]._replace(found_by="witness")])
        (finding,) = verified(mixed).items
        assert (finding.check, finding.found_by) == ("fork", "witness")


class TestTime:
    def test_entries_newer_than_the_witness_saw_them(self, log: StoredLog) -> None:
        """The witness signs a second after each batch; a verifier who allows less than no time sees entries from its future."""
        findings = verified(log, rules()._replace(allowed=timedelta(seconds=-2))).items
        assert {(finding.check, finding.found_by) for finding in findings} == {("time", "witness")}

    def test_an_entry_that_was_appended_after_a_checkpoint_and_dated_before_it(self) -> None:
        early = stored_log(SIZES, step=timedelta(0), witness_delay=600)
        findings = verified(early).items
        assert {(finding.check, finding.found_by) for finding in findings} == {("time", "witness")}
        assert [finding.seq for finding in findings] == [batch.first for batch in early.batches[1:]]


@st.composite
def mutations(draw: st.DrawFn) -> tuple[StoredLog, Callable[[Finding], bool]]:
    """A random log with one stored value changed, and what a finding at the right place is."""
    log = stored_log(draw(st.lists(st.integers(1, 200), min_size=1, max_size=6)))
    kind = draw(
        st.sampled_from(
            ["body", "column", "delete", "batch", "tile", "note"] if log.tiles else ["body", "column", "delete", "batch", "note"]
        )
    )
    if kind in {"body", "column", "delete"}:
        seq = draw(st.integers(0, len(log.entries) - 1))
        _change_entry(draw, log, kind, seq)
        batch = next(each for each in log.batches if each.first <= seq < each.size)
        return log, lambda found: found.seq in {seq, seq + 1, batch.first}
    if kind == "tile":
        key = draw(st.sampled_from(sorted(log.tiles)))
        log.tiles[key] = _flipped(draw, log.tiles[key])
        return log, lambda found: found.place == f"tile {key[0]}/{key[1]}"
    index = draw(st.integers(0, len(log.batches) - 1))
    if kind == "note":
        note = log.notes[index]
        log.notes[index] = note._replace(note=_flipped(draw, note.note))
        return log, lambda found: found.place == f"checkpoint {note.size}"
    row = log.batches[index]
    name = draw(st.sampled_from(["epoch", "offsets", "batch_root", "tree_root", "key_id", "signature"]))
    value = getattr(row, name)
    other: Any = value + 1 if isinstance(value, int) else _flipped(draw, value)
    log.batches[index] = row._replace(**{name: other})
    return log, lambda found: found.place == f"batch {row.first}"


def _change_entry(draw: st.DrawFn, log: StoredLog, kind: str, seq: int) -> None:
    if kind == "body":
        log.entries[seq][1] = _flipped(draw, log.entries[seq][1])
    elif kind == "column":
        column = draw(st.integers(2, 8))
        log.entries[seq][column] = draw(st.text(max_size=3).filter(lambda text: text != log.entries[seq][column]))
    else:
        del log.entries[seq]


def _flipped(draw: st.DrawFn, data: bytes) -> bytes:
    """One bit of it is another."""
    at, bit = draw(st.integers(0, len(data) - 1)), draw(st.integers(0, 7))
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


@given(mutations())
@settings(max_examples=150, deadline=None)
def test_any_single_change_is_found_where_it_is(case: tuple[StoredLog, Callable[[Finding], bool]]) -> None:
    log, right = case
    if not log.entries:
        return
    findings = verified(log).items
    assert any(right(found) for found in findings), findings


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_no_change_gives_no_finding(sizes: list[int]) -> None:
    assert verified(stored_log(sizes)).items == []


def test_segments_are_joined_and_the_state_between_them_can_be_kept() -> None:
    log = stored_log([SEGMENT - 500, 500, 300])
    by = rules()
    first, second = results(log, by)
    kept: list[str] = []
    joiner = Joiner(by, lambda _level, _index: None)
    joiner.add(first)
    kept.append(json.dumps(joiner.joined.document()))
    again = Joiner(by, lambda _level, _index: None, Joined.read(json.loads(kept[0])))
    again.add(second)
    assert again.finish().items == []
    assert (again.joined.position, again.joined.entries, again.joined.batches) == (SEGMENT + 300, SEGMENT + 300, 3)
    with pytest.raises(ValueError, match="a range begins at"):
        again.add(first)


@pytest.mark.parametrize("change", [{"format": 2}, {"peaks": None}, {"runs": [1]}])
def test_a_state_in_another_form_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="form"):
        Joined.read({**Joined(LOG).document(), **change})
