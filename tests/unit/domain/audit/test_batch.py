"""The signed statement of a batch: what is not written as it must be is refused, whatever it is."""

from __future__ import annotations

import pytest

from corpactions.domain.audit.batch import Batch, offsets_text, parse_offsets


def test_offsets_are_read_back() -> None:
    assert parse_offsets(offsets_text({0: 1, 11: 2**53 - 1})) == {0: 1, 11: 2**53 - 1}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "7",
        '{"0":true}',
        '{"0":1.0}',
        '{"0":-1}',
        '{"0":9007199254740992}',
        '{"-1":1}',
        '{"x":1}',
        '{"01":1}',
        "[" * 100_000,
        '{"²":1}',
        "",
    ],
)
def test_what_are_no_offsets_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_offsets(text)


@pytest.mark.parametrize(
    "text", ["", "\n" * 8, "corporate-actions/audit-batch/v1\na\n1\n0 1\n2026-11-24T17:55:00.000000Z\n{}\nAA==\nAA==\n"]
)
def test_what_is_no_batch_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Batch.parse(text)
