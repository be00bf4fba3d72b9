"""Straight-line Python for one record schema: reads and writes the packaged records in less than half of the library's time.

Decoding and encoding are a quarter of what an event costs, so the packaged schemas are compiled once, as ``namedtuple`` compiles its classes. Only what they
use is covered: records, enums, arrays, nullable fields and the primitive types int, long, string and bytes. Any other schema, and so any other release's,
goes through fastavro; tests hold the two to the same bytes and values.

Invariant: a reader accepts exactly one record that fills the bytes, and raises for everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count
from typing import Any, Final

Fields = dict[str, Any]
Reader = Callable[[bytes, int], Fields]
Writer = Callable[[Fields, bytes], bytes]

_OFTEN: Final = 33
"""Optional texts below this length are mostly codes and names that come again and again, and are remembered as they are written."""
_MAX_VARINT: Final = 10
"""Bytes of the longest 64-bit number in Avro's variable length."""


def reader_of(schema: Fields) -> Reader:
    """A function of (bytes, offset of the body) to the record's fields.

    It raises ValueError, IndexError or UnicodeDecodeError (a ValueError) when the bytes are not exactly one record.
    """
    code = _Code("def read(b, p):")
    result = code.read(schema)
    code.line("if p < len(b): raise ValueError(f'{len(b) - p} bytes are left after the record')")
    code.line("if p > len(b): raise ValueError('it is truncated')")
    code.line(f"return {result}")
    return code.function("read")  # type: ignore[no-any-return]


def writer_of(schema: Fields) -> Writer:
    """A function of (fields, framing) to the framed bytes. Nullable fields may be missing.

    It raises KeyError, TypeError, AttributeError or ValueError for fields that do not fit the schema, OverflowError for a number out of its type's range.
    """
    code = _Code("def write(f, prefix):")
    code.line("o = bytearray(prefix)")
    code.write(schema, "f")
    code.line("return bytes(o)")
    return code.function("write")  # type: ignore[no-any-return]


class _Code:
    """Source text that grows line by line, and the constants it names."""

    def __init__(self, head: str) -> None:
        self._lines = [head]
        self._depth = 1
        self._names: Iterator[int] = count()
        self._scope: Fields = {"tail": _tail, "length": _length, "long": _long, "short": _short, "often": _often}

    def line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)

    def function(self, name: str) -> Any:
        exec(compile("\n".join(self._lines), f"<{name} of an Avro record>", "exec"), self._scope)  # noqa: S102 - made from the packaged schema alone
        return self._scope[name]

    def read(self, node: Any) -> str:
        """Emit the reading of one value; returns the variable or expression that holds it."""
        kind = node["type"] if isinstance(node, dict) else node
        target = f"v{next(self._names)}"
        if isinstance(node, list):
            self._read_nullable(node, target)
        elif kind == "record":
            parts = [f"{field['name']!r}: {self.read(field['type'])}" for field in node["fields"]]
            return "{" + ", ".join(parts) + "}"
        elif kind == "array":
            self._read_array(node, target)
        elif kind in {"int", "long"}:
            self._read_number(target)
        else:
            # 129 is the sign and the continuation bit: what is left after it is a short length or index.
            self.line("n = b[p]; p += 1")
            self.line("if n & 129: n, p = length(b, p, n)")
            if kind == "enum":
                self.line(f"{target} = {self._constant(tuple(node['symbols']))}[n >> 1]")
            else:
                self.line("q = p + (n >> 1)")
                self.line(f"{target} = b[p:q]" + (".decode()" if kind == "string" else ""))
                self.line("p = q")
        return target

    def write(self, node: Any, value: str) -> None:
        """Emit the writing of the value that an expression gives."""
        kind = node["type"] if isinstance(node, dict) else node
        if isinstance(node, list):
            self._write_nullable(node, value)
        elif kind == "record":
            for field in node["fields"]:
                get = f".get({field['name']!r})" if isinstance(field["type"], list) else f"[{field['name']!r}]"
                name = f"w{next(self._names)}"
                self.line(f"{name} = {value}{get}")
                self.write(field["type"], name)
        elif kind == "array":
            self._write_array(node, value)
        elif kind in {"int", "long"}:
            self.line(f"n = {value} << 1 if {value} >= 0 else ({value} << 1) ^ -1")
            self._put("short" if kind == "int" else "long")
        elif kind == "enum":
            self.line(f"n = {self._constant({symbol: index << 1 for index, symbol in enumerate(node['symbols'])})}[{value}]")
            self._put("short")
        else:
            self.line(f"e = {value}.encode()" if kind == "string" else f"e = {value}")
            self.line("n = len(e) << 1")
            self._put("long")
            self.line("o += e")

    def _read_number(self, target: str) -> None:
        self.line("n = b[p]; p += 1")
        self.line("if n > 127: n, p = tail(b, p, n)")
        self.line(f"{target} = (n >> 1) ^ -(n & 1)")

    def _read_nullable(self, branches: list[Any], target: str) -> None:
        _expect_nullable(branches)
        self.line("n = b[p]; p += 1")
        self.line(f"if n == 0: {target} = None")
        self.line("elif n == 2:")
        self._depth += 1
        self.line(f"{target} = {self.read(branches[1])}")
        self._depth -= 1
        self.line("else: raise ValueError('no such branch of a union')")

    def _write_nullable(self, branches: list[Any], value: str) -> None:
        _expect_nullable(branches)
        if branches[1] == "string":
            self.line(f"if {value} is None or len({value}) < {_OFTEN}: o += often({value})")
            self.line("else:")
        else:
            self.line(f"if {value} is None: o.append(0)")
            self.line("else:")
        self._depth += 1
        self.line("o.append(2)")
        self.write(branches[1], value)
        self._depth -= 1

    def _read_array(self, node: Fields, target: str) -> None:
        left = f"c{next(self._names)}"
        self.line(f"{target} = []")
        self.line("while b[p]:")
        self._depth += 1
        self._read_number(left)
        self.line(f"if {left} < 0:")  # such a block names its size in bytes too, for readers that skip it
        self._depth += 1
        self.line(f"{left} = -{left}")
        self._read_number("n")
        self._depth -= 1
        self.line(f"while {left}:")
        self._depth += 1
        self.line(f"{left} -= 1")
        self.line(f"{target}.append({self.read(node['items'])})")
        self._depth -= 2
        self.line("p += 1")

    def _write_array(self, node: Fields, value: str) -> None:
        item = f"i{next(self._names)}"
        self.line(f"if {value}:")
        self._depth += 1
        self.line(f"n = len({value}) << 1")
        self._put("long")
        self.line(f"for {item} in {value}:")
        self._depth += 1
        self.write(node["items"], item)
        self._depth -= 2
        self.line("o.append(0)")

    def _put(self, encode: str) -> None:
        self.line("if n < 128: o.append(n)")
        self.line(f"else: o += {encode}(n)")

    def _constant(self, value: object) -> str:
        name = f"k{next(self._names)}"
        self._scope[name] = value
        return name


def _expect_nullable(branches: list[Any]) -> None:
    if len(branches) != 2 or branches[0] != "null":
        raise NotImplementedError(f"a union of {branches}: only nullable fields are compiled")


def _tail(data: bytes, at: int, first: int) -> tuple[int, int]:
    """The rest of a variable-length number whose first byte was read; returns the number, still zigzag, and the offset behind it."""
    number, shift = first & 127, 7
    start = at
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if at - start >= _MAX_VARINT - 1:
            raise ValueError("a number of more than 64 bits")


def _length(data: bytes, at: int, first: int) -> tuple[int, int]:
    """As :func:`_tail` for a first byte with continuation or sign bit; a length or index is never negative."""
    number, at = _tail(data, at, first) if first > 127 else (first, at)
    if number & 1:
        raise ValueError("a negative length")
    return number, at


def _long(number: int) -> bytes:
    """A zigzag number in variable length. Most large ones are times: their seconds, above 21 bits, are those of the record before."""
    if number < 128:
        return bytes((number,))
    if number < 1 << 14:
        return bytes((number & 127 | 128, number >> 7))
    if number < 1 << 21:
        return bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14))
    return bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14 & 127 | 128)) + _high(number >> 21)


@lru_cache(maxsize=1_024)
def _high(number: int) -> bytes:
    """The bits above the lowest 21."""
    if number >> 43:
        raise OverflowError("a number does not fit Avro's long")
    return _long(number)


@lru_cache(maxsize=16_384)
def _often(text: str | None) -> bytes:
    """A short optional text: the branch of the union, and the text behind its length."""
    if text is None:
        return b"\x00"
    encoded = text.encode()
    return b"\x02" + _long(len(encoded) << 1) + encoded


def _short(number: int) -> bytes:
    if number >> 32:
        raise OverflowError(f"a number does not fit Avro's int, which ends at {2**31 - 1}")
    return _long(number)
