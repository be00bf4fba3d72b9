"""Literals and multi-row statements of the hot path.

A multi-row statement built by hand costs a third of what ``executemany`` does (``make bench``, worker.apply). Every literal is made by a function below, which
escapes or only lets through what needs no escaping, so that no statement is ever put together from raw input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from MySQLdb._mysql import escape_string

NULL = b"NULL"


def text(value: str | None) -> bytes:
    """A string literal in the connection's character set (utf8mb4)."""
    return NULL if value is None else b"'" + escape_string(value.encode()) + b"'"


def code(value: str | None) -> bytes:
    """A literal of a value that consists of letters, digits, dots, colons, hyphens and underscores by rule."""
    return NULL if value is None else b"'" + value.encode("ascii") + b"'"


def blob(value: bytes | None) -> bytes:
    """A binary literal; escaped bytes are half as long as hexadecimal ones."""
    return NULL if value is None else b"_binary'" + escape_string(value) + b"'"


def ident(value: str | None) -> bytes:
    """A BINARY(16) literal of a UUID in text form."""
    return NULL if value is None else b"0x" + value.replace("-", "").encode("ascii")


def number(value: int | None) -> bytes:
    """An integer literal."""
    return NULL if value is None else b"%d" % value


def moment(value: datetime | None) -> bytes:
    """A DATETIME(6) literal of a UTC time."""
    return NULL if value is None else b"'" + value.isoformat(" ", "microseconds")[:26].encode("ascii") + b"'"


def day(value: date | None) -> bytes:
    """A DATE literal."""
    return NULL if value is None else b"'" + value.isoformat().encode("ascii") + b"'"


def row(values: Iterable[bytes]) -> bytes:
    """One parenthesised row of literals."""
    return b"(" + b",".join(values) + b")"


def statements(head: bytes, rows: Sequence[bytes], limit: int, tail: bytes = b"") -> Iterator[bytes]:
    """``head`` + rows + ``tail``, cut so that no statement exceeds ``limit`` bytes; a single larger row still goes alone, for the server to refuse."""
    start, size = 0, 0
    for index, item in enumerate(rows):
        if size + len(item) > limit and index > start:
            yield head + b",".join(rows[start:index]) + tail
            start, size = index, 0
        size += len(item) + 1
    if start < len(rows):
        yield head + b",".join(rows[start:]) + tail


def insert(table: str, columns: Sequence[str]) -> bytes:
    """The head of an INSERT."""
    return f"INSERT INTO `{table}` ({','.join(f'`{column}`' for column in columns)}) VALUES ".encode("ascii")


def update(table: str, key: str, columns: Sequence[str]) -> tuple[bytes, bytes]:
    """Head and tail of an UPDATE of many rows at once by their key; the rows between them are ``ROW(key, columns…)``.

    Unlike INSERT … ON DUPLICATE KEY UPDATE it can neither make a row nor touch another one through a second unique key.
    """
    names = ",".join(f"`{column}`" for column in (key, *columns))
    sets = ",".join(f"t.`{column}`=n.`{column}`" for column in columns)
    return f"UPDATE `{table}` AS t JOIN (VALUES ".encode("ascii"), f") AS n ({names}) ON t.`{key}`=n.`{key}` SET {sets}".encode("ascii")


def uuid_text(value: bytes) -> str:
    """The text form of a BINARY(16) UUID."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
