"""The first look at a record: is it a message, and does it stand where it belongs? What fails here writes no row."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from consumers.lifecycle.letters import RECORD_BYTES, size_of
from corpactions.domain.errors import Rejected
from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Message
from corpactions.ports.records import Record

REDRIVE_HEADER = "ca-redrive-of"


class Item(NamedTuple):
    """A record with what was made of it: a message, or why it is none. Both are there only when the database refused what the message says."""

    record: Record
    message: Message | None
    error: Rejected | None

    @property
    def counts(self) -> bool:
        """Whether the record counts for the partition's share of rejections: a redrive does not."""
        headers = self.record.headers
        return not headers or all(name != REDRIVE_HEADER for name, _ in headers)


class Inspector:
    """Decodes records and checks that key, symbol and partition agree.

    Args:
        decode: bytes to message; raises Rejected, or Unavailable when a schema cannot be had now.
        partitions: how many partitions the events topic has; it never changes.
    """

    def __init__(self, decode: Callable[[bytes | None], Message], partitions: int) -> None:
        self._decode = decode
        self._partition_of = lru_cache(maxsize=100_000)(lambda key: partition_of(key, partitions))

    def inspect(self, record: Record) -> Item:
        """Look at one record.

        Raises:
            Unavailable: the registry does not answer, so nothing can be said of the record yet.
        """
        message: Message | None = None
        try:
            _check_size(record)
            message = self._decode(record.value)
            self._check_place(record, message)
        except Rejected as error:
            return Item(record, None, error)
        return Item(record, message, None)

    def _check_place(self, record: Record, message: Message) -> None:
        if record.key is None:
            raise Rejected("null_key", f"the record has no key; key it by its symbol {message.symbol}")
        if record.key != message.symbol.encode():
            raise Rejected("key_mismatch", f"key={record.key[:64]!r} is not the symbol {message.symbol!r}; key the record by its symbol")
        if (right := self._partition_of(record.key)) != record.partition:
            raise Rejected(
                "wrong_partition",
                f"{message.symbol} belongs into partition {right}, not {record.partition}; set the producer's partitioner to murmur2_random"
                " (Java's default), so that a symbol's records keep their order",
            )


def _check_size(record: Record) -> None:
    """A few compressed kilobytes may hold any number of bytes, which neither a dead letter nor a row could carry."""
    if (size := size_of(record)) > RECORD_BYTES:
        raise Rejected(
            "record_too_large",
            f"the record has {size} bytes uncompressed, and {RECORD_BYTES} are allowed; send less in one record. The letter leaves its bytes out:"
            " read them at the original position",
        )
