"""The fields of a stored body, checked as strictly as the format says and quickly enough to do it for every entry of a large log.

Invariant: whatever passes here has one way only to be written, and that is how it was written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, NoReturn

from corpactions.domain.audit.entry import (
    ACTION_CHARACTERS,
    ACTOR_CHARACTERS,
    BODY_BYTES,
    CODE_CHARACTERS,
    FORMAT,
    RECORD_ID_CHARACTERS,
    RESOURCE_CHARACTERS,
    Content,
    Entry,
    Source,
    canonical,
    parse_time,
)

Decode = Callable[[bytes], Any]
"""The value of canonical JSON bytes; raises ValueError for bytes that are not canonical. :func:`decode` is the reference, ``serde.canonical`` the fast one."""
Fields = dict[str, Any]

NAMES: Final = (
    *(
        "action",
        "actor",
        "detail",
        "event_type",
        "format",
        "log",
        "prev",
        "record_id",
        "recorded_at",
        "resource",
        "seq",
        "source",
        "symbol",
    ),
)
COLUMNS: Final = ("action", "actor", "event_type", "record_id", "recorded_at", "resource", "symbol")
"""Fields that stand beside the body as columns, for searching; in the order in which verification is given them."""
_values = itemgetter(*NAMES)
columns_of: Callable[[Fields], tuple[Any, ...]] = itemgetter(*COLUMNS)
"""The fields that columns repeat."""
_NONE: Final = type(None)
_SHAPES: Final = frozenset(
    (str, str, dict, event_type, int, str, str, str, str, str, int, source, symbol)
    for event_type in (str, _NONE)
    for source in (dict, _NONE)
    for symbol in (str, _NONE)
)
_LIMITS: Final = (
    ("action", ACTION_CHARACTERS),
    ("actor", ACTOR_CHARACTERS),
    ("record_id", RECORD_ID_CHARACTERS),
    ("resource", RESOURCE_CHARACTERS),
)
_SCALARS: Final = frozenset({str, int, bool, _NONE})


def fields_of(body: bytes, decode: Decode) -> Fields:
    """The fields of a body.

    Raises:
        ValueError: the bytes are not the canonical form of an entry; the message names what is wrong.
    """
    fields = decode(body)
    if type(fields) is not dict or len(fields) != len(NAMES):
        raise ValueError(f"the body is no object of exactly the fields {', '.join(NAMES)}")
    try:
        values = _values(fields)
    except KeyError as error:
        raise ValueError(f"the body lacks the field {error}") from None
    shape = tuple(map(type, values))
    if shape not in _SHAPES:
        told = ", ".join(f"{name} {kind.__name__}" for name, kind in zip(NAMES, shape, strict=True))
        raise ValueError(f"a field has a wrong type: {told}")
    if fields["format"] != FORMAT:
        raise ValueError(f"format {fields['format']} is not {FORMAT}, the only one that this release reads")
    if not _is_source(fields["source"]):
        raise ValueError("source is not an offset, a partition and a topic")
    _refuse_floats(fields["detail"].values())
    if not body.isascii():
        _check_names(fields)
    _check_lengths(body, fields)
    return fields


def parse(body: bytes) -> Entry:
    """The entry in a body.

    Raises:
        ValueError: the bytes are not the canonical form of an entry; the message names what is wrong.
    """
    fields = fields_of(body, decode)
    if fields["seq"] < 0:
        raise ValueError(f"seq {fields['seq']} is no number of an entry")
    source = fields["source"]
    return Entry(
        fields["log"],
        fields["seq"],
        fields["prev"],
        parse_time(fields["recorded_at"]),
        Content(*[fields[name] for name in Content._fields]),
        None if source is None else Source(**source),
    )


def _is_source(source: Any) -> bool:
    if source is None:
        return True
    known = source.get
    return len(source) == 3 and type(known("offset")) is int and type(known("partition")) is int and type(known("topic")) is str


def _check_lengths(body: bytes, fields: Fields) -> None:
    record_id, event_type, symbol = fields["record_id"], fields["event_type"], fields["symbol"]
    if not (
        0 < len(record_id) <= RECORD_ID_CHARACTERS
        and 0 < len(fields["action"]) <= ACTION_CHARACTERS
        and 0 < len(fields["actor"]) <= ACTOR_CHARACTERS
        and 0 < len(fields["resource"]) <= RESOURCE_CHARACTERS
        and len(body) <= BODY_BYTES
    ):
        raise ValueError(_what_is_too_long(body, fields))
    if not (record_id.isascii() and record_id.isprintable()):
        raise ValueError("record_id is not printable ASCII")
    if not (_is_code(event_type) and _is_code(symbol)):
        raise ValueError(f"event_type or symbol is not at most {CODE_CHARACTERS} ASCII characters")


def _is_code(code: str | None) -> bool:
    return code is None or (len(code) <= CODE_CHARACTERS and code.isascii())


def _what_is_too_long(body: bytes, fields: Fields) -> str:
    for name, most in _LIMITS:
        if not 0 < len(fields[name]) <= most:
            return f"{name} has {len(fields[name])} characters; 1 to {most} are allowed"
    return f"the body has {len(body)} bytes; at most {BODY_BYTES} are allowed"


def _check_names(value: Any) -> None:
    """Refuse names beyond ASCII, which not all libraries sort alike."""
    if isinstance(value, dict):
        if not all(name.isascii() for name in value):
            raise ValueError("a member's name is not ASCII")
        value = value.values()
    elif not isinstance(value, list):
        return
    for inner in value:
        _check_names(inner)


def decode(data: bytes) -> Any:
    """The value of canonical bytes, read with the standard library.

    Raises:
        ValueError: they are not canonical JSON of strings, integers below 2^53, booleans, null, lists and objects.
    """
    try:
        value = json.loads(data, parse_float=_refuse, parse_constant=_refuse, parse_int=_integer)
    except RecursionError:
        raise ValueError("the values are nested too deeply") from None
    if canonical(value) != data:
        raise ValueError("the bytes are not canonical: other order, spacing, escapes or repeated fields than RFC 8785 has")
    return value


def _refuse_floats(values: Any) -> None:
    kinds = set(map(type, values))
    if kinds <= _SCALARS:
        return
    if float in kinds:
        raise ValueError("a number is no integer; bodies hold no others")
    for value in values:
        kind = type(value)
        if kind is list:
            if value:
                _refuse_floats(value)
        elif kind is dict:
            _refuse_floats(value.values())


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no integer; bodies hold no other numbers")


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) >= 1 << 53:
        raise ValueError(f"{text[:32]} is beyond 2^53 - 1")
    return number
