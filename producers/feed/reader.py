"""Bytes of an upstream file to numbered lines of fields, one line at a time.

Invariant: every line that is not blank comes out exactly once, as fields or as the problem that makes it unreadable, and no line can spoil another: a record is
one physical line, so a quote left open ends with its line, and at most ``MAX_LINE_BYTES`` of a line are ever held.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import IO, NamedTuple

from corpactions.domain.rules import Problem

MAX_LINE_BYTES = 512 * 1024
"""More than the longest valid line: 65,536 characters of attributes at four bytes each, and the other fields."""
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

TOP_LEVEL = ("event_type", "symbol", "isin", "source", "source_reference", "function", "version", "reason")
PAYLOAD = (
    "amount_per_share",
    "currency",
    "dividend_type",
    "ratio_new",
    "ratio_old",
    "acquirer_symbol",
    "cash_per_share",
    "shares_new",
    "shares_old",
    "announcement_date",
    "ex_date",
    "record_date",
    "pay_date",
    "effective_date",
    "attributes",
)
_REQUIRED = ("event_type", "symbol")


class Format(StrEnum):
    """How a file writes its lines."""

    CSV = "csv"
    NDJSON = "ndjson"


class UnusableFile(Exception):
    """The file as a whole cannot be read: nothing of it was sent, and the message says what to mend."""


class Line(NamedTuple):
    """One line as read. ``fields`` and ``payload`` hold what was given, absent fields left out; with ``problem`` the line could not be read at all."""

    number: int
    fields: dict[str, object]
    payload: dict[str, object]
    problem: Problem | None = None


def read(stream: IO[bytes], file_format: Format) -> Iterator[Line]:
    """All lines of a stream that are not blank.

    Raises:
        UnusableFile: the file is not UTF-8, or its CSV header does not name the columns.
    """
    texts = _texts(stream)
    return _csv_lines(texts) if file_format is Format.CSV else _json_lines(texts)


def _texts(stream: IO[bytes]) -> Iterator[tuple[int, str | Problem]]:
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            if raw.startswith(_UTF16_BOMS):
                raise UnusableFile("the file is UTF-16; save it as UTF-8")
            raw = raw.removeprefix(_UTF8_BOM)
        if len(raw) >= MAX_LINE_BYTES - len(_UTF8_BOM) and not raw.endswith(b"\n"):
            _skip_rest(stream)
            yield (
                number,
                Problem("line", _shown(raw), f"is longer than {MAX_LINE_BYTES} bytes", "keep documents elsewhere and name them here"),
            )
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            detail = f"is not UTF-8: byte 0x{raw[error.start]:02x} at position {error.start + 1}"
            yield number, Problem("line", _shown(raw), detail, "save the file as UTF-8")
            continue
        if not text.isspace():
            yield number, text.rstrip("\r\n")


def _skip_rest(stream: IO[bytes]) -> None:
    while (raw := stream.readline(MAX_LINE_BYTES)) and not raw.endswith(b"\n"):
        pass


def _shown(raw: bytes) -> str:
    return raw[:64].decode(errors="backslashreplace").rstrip()


def _unreadable(number: int, value: str, detail: str, mend: str, field: str = "line") -> Line:
    return Line(number, {}, {}, Problem(field, value[:64], detail, mend))


def _csv_lines(texts: Iterator[tuple[int, str | Problem]]) -> Iterator[Line]:
    columns: list[str] | None = None
    for number, text in texts:
        if columns is None:
            columns = _header(text)
            top = [(index, name) for index, name in enumerate(columns) if name in TOP_LEVEL]
            terms = [(index, name) for index, name in enumerate(columns) if name in PAYLOAD]
            continue
        if isinstance(text, Problem):
            yield Line(number, {}, {}, text)
            continue
        try:
            cells = next(csv.reader((text,), strict=True)) if '"' in text else text.split(",")
        except csv.Error as error:
            yield _unreadable(
                number, text, f"is not CSV: {error}", 'double each " inside quotes, close them, and keep a record on one line'
            )
            continue
        if len(cells) != len(columns):
            yield _unreadable(
                number,
                text,
                f"has {len(cells)} cells where the header has {len(columns)}",
                "give every column, quoting cells that hold a comma",
            )
        elif any(cells):
            yield Line(
                number,
                {name: cells[index] for index, name in top if cells[index]},
                {name: cells[index] for index, name in terms if cells[index]},
            )
    if columns is None:
        raise UnusableFile("the file is empty; its first line must name the columns")


def _header(text: str | Problem) -> list[str]:
    if isinstance(text, Problem):
        raise UnusableFile(f"the header {text.detail}; {text.mend}")
    try:
        columns = next(csv.reader((text,), strict=True))
    except csv.Error as error:
        raise UnusableFile(f"the header is not CSV: {error}") from error
    known = (*TOP_LEVEL, *PAYLOAD)
    if missing := [name for name in _REQUIRED if name not in columns]:
        hint = "; separate the columns by commas" if len(columns) == 1 else ""
        raise UnusableFile(f"the header lacks {' and '.join(missing)}{hint}")
    if unknown := [name for name in columns if name not in known]:
        raise UnusableFile(f"the header has unknown columns: {', '.join(map(repr, unknown))[:200]}; known are {', '.join(known)}")
    if len(set(columns)) != len(columns):
        raise UnusableFile("the header names a column twice")
    return columns


def _json_lines(texts: Iterator[tuple[int, str | Problem]]) -> Iterator[Line]:
    decode = json.JSONDecoder(object_pairs_hook=_object, parse_float=_no_fraction, parse_constant=_no_constant).decode
    for number, text in texts:
        if isinstance(text, Problem):
            yield Line(number, {}, {}, text)
            continue
        try:
            value = decode(text)
        except (ValueError, RecursionError) as error:
            yield _unreadable(number, text, f"is not a JSON object as agreed: {error}", "give one JSON object on each line")
            continue
        if not isinstance(value, dict):
            yield _unreadable(number, text, "is not a JSON object", "give one JSON object on each line")
            continue
        yield _json_line(number, value)


def _json_line(number: int, value: dict[str, object]) -> Line:
    payload = value.pop("payload", None)
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        return _unreadable(number, str(payload), "is not an object", "give the terms as an object", "payload")
    for given, known, prefix in ((value, TOP_LEVEL, ""), (payload, PAYLOAD, "payload.")):
        if unknown := [name for name in given if name not in known]:
            return _unreadable(number, unknown[0], "is not a known field", f"use {', '.join(known)}", f"{prefix}{unknown[0]}"[:64])
    present = {name: item for name, item in value.items() if item is not None}
    return Line(number, present, {name: item for name, item in payload.items() if item is not None})


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands there twice")
    return fields


def _no_fraction(text: str) -> object:
    raise ValueError(f"{text[:40]} is a fraction as a JSON number, which readers round; give it as a string")


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")
