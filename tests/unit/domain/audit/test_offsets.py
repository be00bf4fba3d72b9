"""Offsets as spans: nothing is lost on the way there, and what is missing is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.audit.offsets import Runs, Span, gaps, join_runs, runs_of

PLACE = ("audit", 3)


@given(st.lists(st.integers(0, 40)))
def test_spans_hold_exactly_the_offsets_in_their_order(offsets: list[int]) -> None:
    spans = runs_of(offsets)
    assert [offset for span in spans for offset in range(span.first, span.end)] == offsets


@given(st.sets(st.integers(0, 40)), st.integers(0, 20), st.integers(0, 50))
def test_gaps_are_what_is_missing(offsets: set[int], begin: int, end: int) -> None:
    missing = gaps(runs_of(sorted(offsets)), begin, end)
    assert [offset for span in missing for offset in range(span.first, span.end)] == [
        each for each in range(begin, end) if each not in offsets
    ]


@given(st.sets(st.integers(0, 40)), st.integers(0, 40))
def test_parts_of_a_log_join_to_the_whole(offsets: set[int], cut: int) -> None:
    ordered = sorted(offsets)
    runs: Runs = {}
    first, second = [each for each in ordered if each < cut], [each for each in ordered if each >= cut]
    assert join_runs(runs, {PLACE: runs_of(first)}) == []
    assert join_runs(runs, {PLACE: runs_of(second)}) == []
    assert runs[PLACE] == runs_of(ordered)


def test_what_steps_back_is_told() -> None:
    runs: Runs = {PLACE: [Span(0, 10)]}
    assert join_runs(runs, {PLACE: [Span(10, 12), Span(5, 6)]}) == [(PLACE, Span(5, 6))]
    assert runs == {PLACE: [Span(0, 12)]}
