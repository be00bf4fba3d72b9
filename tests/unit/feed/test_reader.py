"""Files to lines: every line comes out once, and none spoils another."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.feed.reader import MAX_LINE_BYTES, Format, Line, UnusableFile, read

HEADER = b"event_type,symbol,amount_per_share,reason\n"


def csv_lines(content: bytes) -> list[Line]:
    return list(read(io.BytesIO(content), Format.CSV))


def json_lines(content: bytes) -> list[Line]:
    return list(read(io.BytesIO(content), Format.NDJSON))


def detail(line: Line) -> str:
    assert line.problem is not None
    return f"{line.problem.field} {line.problem.detail}"


def test_cells_become_fields_and_payload_and_empty_cells_are_absent() -> None:
    (line,) = csv_lines(HEADER + b"DIVIDEND,AAPL,0.25,\n")
    assert line == Line(2, {"event_type": "DIVIDEND", "symbol": "AAPL"}, {"amount_per_share": "0.25"})


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_line_endings_bom_and_blank_lines_change_nothing(ending: bytes) -> None:
    content = b"\xef\xbb\xbf" + ending.join([HEADER.strip(), b"", b"DIVIDEND,AAPL,1,", b"  ", b",,,", b"DIVIDEND,MSFT,2,"])
    assert [(line.number, line.fields["symbol"]) for line in csv_lines(content)] == [(3, "AAPL"), (6, "MSFT")]


def test_quoted_cells_hold_commas_and_quotes() -> None:
    (line,) = csv_lines(HEADER + b'DIVIDEND,AAPL,1,"late, ""very"" late"\n')
    assert line.fields["reason"] == 'late, "very" late'


def test_outer_spaces_are_kept_for_the_rules_to_refuse() -> None:
    (line,) = csv_lines(HEADER + b"DIVIDEND, AAPL ,1,because \n")
    assert line.fields == {"event_type": "DIVIDEND", "symbol": " AAPL ", "reason": "because "}


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (b'DIVIDEND,AAPL,1,"open', "line is not CSV"),
        (b"DIVIDEND,AAPL,1", "line has 3 cells where the header has 4"),
        (b"DIVIDEND,AAPL,1,,", "line has 5 cells where the header has 4"),
        (b"DIVIDEND,AAPL,1,caf\xe9", "line is not UTF-8: byte 0xe9 at position 20"),
        (b"DIVIDEND,AAPL,1," + b"x" * MAX_LINE_BYTES, f"line is longer than {MAX_LINE_BYTES} bytes"),
        (b"DIVIDEND,AAPL,1," + b"x" * (3 * MAX_LINE_BYTES), f"line is longer than {MAX_LINE_BYTES} bytes"),
    ],
)
def test_an_unreadable_line_is_reported_and_the_next_one_is_read(bad: bytes, expected: str) -> None:
    first, second = csv_lines(HEADER + bad + b"\nDIVIDEND,MSFT,2,\n")
    assert (first.number, second.number) == (2, 3)
    assert detail(first).startswith(expected)
    assert second.fields["symbol"] == "MSFT"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xff\xfee\x00", "UTF-16"),
        (b"symbol,isin\n", "lacks event_type"),
        (b"event_type;symbol\n", "separate the columns by commas"),
        (b"event_type,symbol,ammount\n", "unknown columns: 'ammount'"),
        (b"event_type,symbol,symbol\n", "names a column twice"),
        (b'event_type,"symbol\n', "not CSV"),
        (b"event_type,symb\xf6l\n", "UTF-8"),
    ],
)
def test_a_file_without_a_usable_header_is_refused_as_a_whole(header: bytes, expected: str) -> None:
    with pytest.raises(UnusableFile, match=expected):
        csv_lines(header)


def test_json_lines_are_submissions_with_a_payload() -> None:
    submission = {
        "event_type": "DIVIDEND",
        "symbol": "AAPL",
        "isin": None,
        "version": 2,
        "payload": {"amount_per_share": "0.25", "pay_date": None},
    }
    (line,) = json_lines(json.dumps(submission).encode())
    assert line == Line(1, {"event_type": "DIVIDEND", "symbol": "AAPL", "version": 2}, {"amount_per_share": "0.25"})


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (b"[1]", "line is not a JSON object"),
        (b'{"symbol": "AAPL"', "line is not a JSON object as agreed"),
        (b'{"symbol": "AAPL", "symbol": "MSFT"}', "line is not a JSON object as agreed: a field stands there twice"),
        (b'{"payload": {"amount_per_share": 0.25}}', "line is not a JSON object as agreed: 0.25 is a fraction as a JSON number"),
        (b'{"payload": {"amount_per_share": NaN}}', "line is not a JSON object as agreed: NaN is not JSON"),
        (b'{"payload": 1}', "payload is not an object"),
        (b'{"symbl": "AAPL"}', "symbl is not a known field"),
        (b'{"payload": {"ammount": "1"}}', "payload.ammount is not a known field"),
        (b"[" * 100_000, "line is not a JSON object as agreed"),
    ],
)
def test_an_unreadable_json_line_is_reported_and_the_next_one_is_read(bad: bytes, expected: str) -> None:
    first, second = json_lines(bad + b'\n\n{"symbol": "MSFT"}')
    assert detail(first).startswith(expected)
    assert (second.number, second.fields) == (3, {"symbol": "MSFT"})


@given(st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")), max_size=20), st.sampled_from(Format))
def test_whatever_the_bytes_every_line_comes_out_at_most_once_and_good_ones_always(rows: list[bytes], file_format: Format) -> None:
    good = b"DIVIDEND,AAPL,1," if file_format is Format.CSV else b'{"symbol": "AAPL"}'
    mixed = [line for row in rows for line in (row, good)]
    head = HEADER if file_format is Format.CSV else b'{"symbol": "AAPL"}\n'
    lines = list(read(io.BytesIO(head + b"\n".join(mixed)), file_format))
    numbers = [line.number for line in lines]
    assert numbers == sorted(set(numbers))
    assert {3 + 2 * index for index in range(len(rows))} <= {line.number for line in lines if line.fields.get("symbol") == "AAPL"}
