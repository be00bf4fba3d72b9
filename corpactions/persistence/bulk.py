"""Literals and multi-row statements of the hot path, as text with one character per byte (latin-1): only the whole statement becomes bytes, once.

A multi-row statement built by hand costs a third of what ``executemany`` does (``make bench``, worker.apply). Every literal is made by a function below, which
escapes or only lets through what needs no escaping, so that no statement is ever put together from raw input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from MySQLdb._mysql import escape_string

NULL = "NULL"


def text(value: str | None) -> str:
    """A string literal in the connection's character set (utf8mb4). Nearly every text is plain: then it stands as it is, and JSON keeps its quotes."""
    if value is None:
        return NULL
    if value.isascii() and value.isprintable() and "'" not in value and "\\" not in value:
        return f"'{value}'"
    return f"'{escape_string(value.encode()).decode('latin-1')}'"


def code(value: str | None) -> str:
    """A literal of a value that consists of letters, digits, dots, colons, hyphens and underscores by rule."""
    return NULL if value is None else f"'{value}'"


def blob(value: bytes | None) -> str:
    """A binary literal; escaped bytes are half as long as hexadecimal ones."""
    return NULL if value is None else f"_binary'{escape_string(value).decode('latin-1')}'"


def ident(value: str | None) -> str:
    """A BINARY(16) literal of a UUID in text form."""
    return NULL if value is None else "0x" + value.replace("-", "")


def short_blob(value: bytes | None) -> str:
    """A binary literal of few bytes, such as a hash: as hexadecimal digits, which are the quickest to write."""
    return NULL if value is None else "0x" + value.hex()


def number(value: int | None) -> str:
    """An integer literal."""
    return NULL if value is None else str(value)


def moment(value: datetime | None) -> str:
    """A DATETIME(6) literal of a UTC time."""
    return NULL if value is None else f"'{value.isoformat(' ', 'microseconds')[:26]}'"


def day(value: date | None) -> str:
    """A DATE literal."""
    return NULL if value is None else f"'{value.isoformat()}'"


def values(rows: Iterable[str]) -> str:
    """A table of rows to be joined: ``(VALUES ROW(…),ROW(…))``.

    MySQL then looks each row up by an index, at a price that grows with nothing. It plans a long IN list of several columns by statistics, which are
    wrong while a table is young, and then reads everything that shares the first column.
    """
    return "(VALUES " + ",".join(["ROW" + item for item in rows]) + ")"


def row(*literals: str) -> str:
    """One parenthesised row of literals."""
    return f"({','.join(literals)})"


def statements(head: str, rows: Sequence[str], limit: int, tail: str = "") -> Iterator[str]:
    """``head`` + rows + ``tail``, cut so that no statement exceeds ``limit`` bytes; a single larger row still goes alone, for the server to refuse."""
    start, size = 0, 0
    for index, item in enumerate(rows):
        if size + len(item) > limit and index > start:
            yield head + ",".join(rows[start:index]) + tail
            start, size = index, 0
        size += len(item) + 1
    if start < len(rows):
        yield head + ",".join(rows[start:]) + tail


def insert(table: str, columns: Sequence[str]) -> str:
    """The head of an INSERT."""
    return f"INSERT INTO `{table}` ({','.join(f'`{column}`' for column in columns)}) VALUES "


def update(table: str, key: str, columns: Sequence[str]) -> tuple[str, str]:
    """Head and tail of an UPDATE of many rows at once by their key; the rows between them are ``ROW(key, columns…)``.

    Unlike INSERT … ON DUPLICATE KEY UPDATE it can neither make a row nor touch another one through a second unique key.
    """
    names = ",".join(f"`{column}`" for column in (key, *columns))
    sets = ",".join(f"t.`{column}`=n.`{column}`" for column in columns)
    return f"UPDATE `{table}` AS t JOIN (VALUES ", f") AS n ({names}) ON t.`{key}`=n.`{key}` SET {sets}"


def uuid_text(value: bytes) -> str:
    """The text form of a BINARY(16) UUID."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
