"""The property that everything else leans on: an event's outcome is a function of the set of its messages."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings

from corpactions.domain.messages import Message
from tests.support import model
from tests.support.circumstances import Bench
from tests.support.deliveries import deliveries


@given(deliveries())
@settings(max_examples=500, deadline=None)
def test_any_order_and_duplication_ends_as_the_model_says(delivered: list[Message]) -> None:
    assert Bench().fold(delivered).outcome() == model.outcome_of(delivered)


@given(deliveries())
@settings(max_examples=200, deadline=None)
def test_the_revision_grows_by_one_for_each_change_and_each_has_its_audit_record(delivered: list[Message]) -> None:
    bench = Bench().fold(delivered)
    assert [change.state.revision for change in bench.changes] == list(range(1, len(bench.changes) + 1))
    for change in bench.changes:
        assert change.record is not None
        assert change.record.record_id == f"{change.state.event_id}:{change.state.revision}"
        assert change.record.after == change.state.status
        assert change.record.before == (None if change.previous is None else change.previous.status)


@given(deliveries())
@settings(max_examples=200, deadline=None)
def test_effects_are_numbered_without_gaps_and_every_reversal_is_linked(delivered: list[Message]) -> None:
    rows = Bench().fold(delivered).effects()
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    for before, row in pairwise(rows):
        if row.kind == "REVERSAL":
            assert (before.kind, row.reverses) == ("POST", before.number)
            assert row.effect == before.effect, "a reversal undoes exactly what was posted"


@given(deliveries())
@settings(max_examples=200, deadline=None)
def test_every_version_accepted_is_kept_once(delivered: list[Message]) -> None:
    bench = Bench().fold(delivered)
    kept = [version.ref for version in bench.versions()]
    assert len(kept) == len(set(kept))
    if bench.state is not None:
        assert set(kept) == set(bench.state.older)
        accepted = {m.ref for m in delivered if m.terms is None or model.sound(m.terms)}
        assert {version.ref for version in bench.state.versions()} == accepted


@given(deliveries())
@settings(max_examples=200, deadline=None)
def test_a_duplicate_names_the_revision_that_filed_it(delivered: list[Message]) -> None:
    bench = Bench()
    filed: dict[Message, int] = {}
    for said in delivered:
        before = bench.state
        bench.fold([said])
        if said in filed:
            assert bench.state is before, "a duplicate changes nothing"
            version = bench.now.find(said.ref)
            assert version is not None
            assert version.filed_revision == filed[said]
        elif bench.state is not None and bench.state.find(said.ref) is not None:
            filed[said] = bench.state.revision
