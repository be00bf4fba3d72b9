"""Identities that must come out the same everywhere: content hashes, commitments, event ids, partitions, ISIN check digits.

Invariant: a value computed here depends on its arguments alone, and its recipe never changes, since stored records are compared with it for ever.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import date
from functools import lru_cache
from json.encoder import encode_basestring as quoted

from corpactions.domain.messages import Message

SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,15}", re.ASCII)
EVENT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", re.ASCII)
_ISIN_LENGTH = 12

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def content_sha256(message: Message) -> bytes:
    """What a version says, as 32 bytes: the same again is a duplicate, anything else under the same identity a conflict.

    Covers event id, origin, version, function, type, symbol, ISIN, source, reference and terms; for a decision also what it decides. Never the
    acceptance time, correlation id, actor, headers or ciphertext, which may differ between two deliveries of one announcement.
    """
    fields: list[str | None] = [
        message.event_id,
        message.origin,
        str(message.version),
        message.function,
        message.event_type,
        message.symbol,
        message.isin,
        message.source,
        message.source_reference,
        message.terms_json,
    ]
    if message.decision is not None:
        fields.append(message.decision.decision_id)
    return hashlib.sha256("\n".join(["null" if field is None else quoted(field) for field in fields]).encode()).digest()


def payload_commitment(salt: bytes, terms_json: str) -> bytes:
    """HMAC-SHA256 over the canonical terms. A bare hash would let anyone guess an amount; with the salt kept beside the terms nobody can."""
    return hmac.digest(salt, terms_json.encode(), "sha256")


def isin_is_valid(isin: str) -> bool:
    """Whether the text is an ISIN with a correct check digit (ISO 6166: letters become 10 to 35, then Luhn)."""
    return len(isin) == _ISIN_LENGTH and _checks_out(isin)  # nothing long is ever remembered, or strangers could fill the memory


@lru_cache(maxsize=16_384)  # a market has some ten thousand, and each comes again and again
def _checks_out(isin: str) -> bool:
    if not _ISIN.fullmatch(isin):
        return False
    digits = "".join(str(int(character, 36)) for character in isin)
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def feed_event_id(day: date, *identity: str) -> str:
    """A UUIDv8 (RFC 9562, section 5.8) from a date and a hash: the same announcement always gets the same id, and ids are ordered by date.

    Args:
        day: the action's key date; its days since 0001-01-01 fill the first 48 bits, so that inserts stay near each other in the primary key.
        identity: what the announcement is known by: symbol, source and reference, else symbol, type and key date. Never the terms.
    """
    digest = hashlib.sha256(_encode(list(identity)).encode()).digest()
    value = day.toordinal() << 80 | int.from_bytes(digest[:10], "big")
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return _uuid_text(value)


def time_ordered_id(milliseconds: int, entropy: bytes) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) from Unix milliseconds and 10 random bytes."""
    value = milliseconds << 80 | int.from_bytes(entropy[:10], "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return _uuid_text(value)


def nth_id(base: str, index: int) -> str:
    """The id of item ``index`` in a range that starts at ``base``: base + index, as one 128-bit number."""
    return _uuid_text(int(base.replace("-", ""), 16) + index)


def id_range(base: str, count: int) -> list[str]:
    """All ids of a range that starts at ``base``."""
    first = int(base.replace("-", ""), 16)
    return [_uuid_text(value) for value in range(first, first + count)]


def _uuid_text(value: int) -> str:
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Java's default partitioner gives a key: murmur2, made positive, modulo the number of partitions.

    librdkafka's own default differs, so producers set ``partitioner=murmur2_random``; this is how the worker checks that they did.
    """
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bit, with Kafka's seed 0x9747b28c."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    value = 0x9747B28C ^ length
    for start in range(0, length & ~3, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        value = value * multiplier & mask ^ word
    if tail := data[length & ~3 :]:
        value = (value ^ int.from_bytes(tail, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return value ^ value >> 15
