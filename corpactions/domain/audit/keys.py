"""The history of a log's signing key: each new key is stated in a note that the key before *and* the new key have signed.

Whoever trusts one key of a log can walk from it to all later ones, and to none other: a statement is accepted only if the key before it signed it. Trust runs
forward alone. An older key is not made trustworthy by a newer one, since whoever holds the newer key could have made the older ones up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from corpactions.domain.audit.notes import (
    ED25519,
    Key,
    Note,
    Signer,
    Verify,
    add_signature,
    key_name,
    parse_decimal,
    plain_signature,
    sign_note,
    signed_by,
)

HEADER = "corporate-actions/audit-key/v1"
MAX_STATEMENT_BYTES = 4_096
_LATER_LOG = re.compile(r"/([2-9]|[1-9][0-9]{1,4})", re.ASCII)


class Untrusted(ValueError):
    """A key history that does not lead from the trusted key to its end.

    Args:
        number: the statement at which it breaks.
        reason: what is wrong there.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"key statement {number}: {reason}")
        self.number = number
        self.reason = reason


class KeyPeriod(NamedTuple):
    """One key and where its time begins: entry ``from_seq`` of the log ``log_origin`` is the first it signs. It ends where the next one begins."""

    number: int
    log_origin: str
    from_seq: int
    key: Key

    @property
    def position(self) -> tuple[int, int]:
        """Where it begins, in the order of logs and entries."""
        return log_number(self.key.name, self.log_origin), self.from_seq

    def text(self) -> str:
        """The text of the note that states it."""
        return f"{HEADER}\n{self.key.name}\n{self.log_origin}\n{self.number}\n{self.from_seq}\n{self.key.vkey}\n"

    @classmethod
    def parse(cls, text: str) -> KeyPeriod:
        """Read a note's text.

        Raises:
            ValueError: not a key statement in its one spelling.
        """
        lines = text.split("\n")
        if len(lines) != 7 or lines[0] != HEADER or lines[6]:
            raise ValueError(f"a key statement has six lines: {HEADER}, key name, log, number, first entry, vkey")
        name, log_origin, key = key_name(lines[1]), lines[2], Key.parse(lines[5])
        period = cls(parse_decimal(lines[3], "the number of a key"), log_origin, parse_decimal(lines[4], "the first entry of a key"), key)
        if key.name != name or key.algorithm != ED25519:
            raise ValueError(f"the key must be a plain Ed25519 key named {name}, not {key.vkey}")
        if period.number < 1:
            raise ValueError("keys are numbered from 1")
        log_number(name, log_origin)
        return period


def log_number(name: str, log_origin: str) -> int:
    """Which log of the key name this is: ``<name>`` is log 1, ``<name>/2`` the one opened after it, and so on.

    Raises:
        ValueError: not a log of that name.
    """
    if log_origin == name:
        return 1
    later = _LATER_LOG.fullmatch(log_origin.removeprefix(name)) if log_origin.startswith(name) else None
    if later is None:
        raise ValueError(f"log {log_origin!r} is none of {name}: {name} itself or {name}/<number from 2> is expected")
    return int(later.group(1))


def state(number: int, log_origin: str, from_seq: int, new: Signer, old: Signer | None = None) -> Note:
    """The signed statement of a key.

    Args:
        number: 1 for the first key, then one more each time.
        log_origin: the newest log when the key is taken into use.
        from_seq: the first entry of that log that it signs.
        new: the key stated.
        old: the key before; None for number 1 alone.

    Raises:
        ValueError: a number, log or key that cannot be stated.
    """
    if (old is None) != (number == 1):
        raise ValueError(f"key {number}: the key before must sign with it, except for number 1")
    period = KeyPeriod(number, log_origin, from_seq, Key(new.name, ED25519, new.public_key))
    text = KeyPeriod.parse(period.text()).text()
    return sign_note(text, new) if old is None else add_signature(sign_note(text, old), plain_signature(text, new))


def walk(statements: Sequence[bytes], trusted: Key, verify: Verify) -> tuple[KeyPeriod, ...]:
    """The periods of the trusted key and of every key after it.

    Args:
        statements: the whole history as signed notes, number 1 first.
        trusted: a key that the caller has from elsewhere; key 1 as a rule.
        verify: checks one Ed25519 signature.

    Raises:
        Untrusted: a statement is missing, malformed, out of order or not signed by the key before and its own, or the trusted key is none of them.
    """
    periods: list[KeyPeriod] = []
    for number, data in enumerate(statements, start=1):
        try:
            period = read_statement(data, verify)
        except ValueError as error:
            raise Untrusted(number, str(error)) from None
        if period.number != number:
            raise Untrusted(number, f"statement {period.number} stands in its place: the history has a gap or is out of order")
        if periods:
            _check_step(periods, period, Note.parse(data), verify)
        elif period.position != (1, 0):
            raise Untrusted(number, f"the first key must sign from entry 0 of {period.key.name} on")
        periods.append(period)
    start = next((index for index, period in enumerate(periods) if period.key == trusted), None)
    if start is None:
        raise Untrusted(1, f"the trusted key {trusted.vkey} is none of this history's {len(periods)} keys")
    return tuple(periods[start:])


def read_statement(data: bytes, verify: Verify) -> KeyPeriod:
    """One statement, checked as far as it goes by itself: its form and the new key's own signature.

    Raises:
        ValueError: malformed, too long, or not signed by the key that it states.
    """
    if len(data) > MAX_STATEMENT_BYTES:
        raise ValueError(f"{len(data)} bytes: at most {MAX_STATEMENT_BYTES} are accepted")
    note = Note.parse(data)
    period = KeyPeriod.parse(note.text)
    if not signed_by(note, period.key, verify):
        raise ValueError(f"the stated key {period.key.vkey} has not signed it")
    return period


def key_for(periods: Sequence[KeyPeriod], log_origin: str, seq: int) -> Key:
    """The key that signs entry ``seq`` of a log.

    Args:
        periods: as :func:`walk` gives them; not empty.
        log_origin: the log.
        seq: the entry.

    Raises:
        Untrusted: the entry is older than the first of these periods, or the log is none of the key's name.
    """
    first = periods[0]
    try:
        position = log_number(first.key.name, log_origin), seq
    except ValueError as error:
        raise Untrusted(first.number, str(error)) from None
    found = [period.key for period in periods if period.position <= position]
    if not found:
        raise Untrusted(first.number, f"entry {seq} of {log_origin} is older than the trusted key, whose time begins at {first.from_seq}")
    return found[-1]


def _check_step(before: Sequence[KeyPeriod], period: KeyPeriod, note: Note, verify: Verify) -> None:
    old = before[-1]
    if period.key.name != old.key.name:
        raise Untrusted(period.number, f"it is about {period.key.name}, not {old.key.name}")
    if any(period.key == each.key for each in before):
        raise Untrusted(period.number, "its key was in use before: a key that was given up must not return")
    if period.position <= old.position:
        raise Untrusted(period.number, f"it begins at entry {period.from_seq} of {period.log_origin}, not after key {old.number}")
    if not signed_by(note, old.key, verify):
        raise Untrusted(period.number, f"key {old.number} has not signed it")
