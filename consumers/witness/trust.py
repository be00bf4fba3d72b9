"""Which keys the witness trusts for which log: those in its operator's file, and those that a trusted key has handed over to.

Invariant: a key that was handed over signs nothing beyond the point where its successor begins, and names no second successor. So a retired key that is stolen
is of no use against the witness.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from consumers.witness.book import Book, Succession
from corpactions.domain.audit.keys import KeyPeriod, Untrusted, log_number, read_statement
from corpactions.domain.audit.notes import ED25519, Key, Note, Verify, signed_by
from corpactions.domain.errors import Fatal


class Trusted(NamedTuple):
    """A key and its period's end: number of the log and first entry of the key after it; None while it is in use."""

    key: Key
    until: tuple[int, int] | None

    def signs(self, log: int, size: int) -> bool:
        """Whether it may sign a checkpoint of this size."""
        return self.until is None or (log, size) <= self.until


class Trust:
    """The operator's keys together with the successions in the book.

    Args:
        keys: from :func:`read_trusted`.
        book: keeps successions.
        verify: checks one signature.
    """

    def __init__(self, keys: Iterable[Key], book: Book, verify: Verify) -> None:
        self._pinned = list(keys)
        self._book = book
        self._verify = verify

    def name_of(self, origin: str) -> str | None:
        """The key name that a log belongs to; None for a log that is not known here."""
        names = [key.name for key in self._pinned]
        return origin if origin in names else next((name for name in names if _is_log_of(name, origin)), None)

    def keys(self, name: str) -> list[Trusted]:
        """The keys trusted under a name, retired ones too."""
        successions = self._book.successions(name)
        ends = {each.old: each.period.position for each in successions}
        known = [key for key in self._pinned if key.name == name] + [each.period.key for each in successions]
        return [Trusted(key, ends.get(key)) for key in dict.fromkeys(known)]

    def hand_over(self, name: str, statements: Sequence[bytes]) -> None:
        """Trust the keys that these statements, in order, hand over to. What is known already changes nothing.

        Raises:
            ValueError: a statement is malformed, or is about another name.
            Untrusted: a statement that no trusted key has signed, or that contradicts an earlier one.
        """
        for data in statements:
            period = read_statement(data, self._verify)
            if period.key.name != name:
                raise ValueError(f"key statement {period.number} is about {period.key.name}, not {name}")
            self._follow(name, period, data)

    def _follow(self, name: str, period: KeyPeriod, data: bytes) -> None:
        note, trusted, successions = Note.parse(data), self.keys(name), self._book.successions(name)
        old = next((each.key for each in trusted if each.key != period.key and signed_by(note, each.key, self._verify)), None)
        if old is None:
            if not any(each.key == period.key for each in trusted):
                raise Untrusted(period.number, "neither its key nor the key before is trusted here")
            return
        known = next((each for each in successions if each.old == old), None)
        if known is not None:
            if known.period != period:
                raise Untrusted(
                    period.number, f"key {old.key_id.hex()} was followed by another key before, in statement {known.period.number}"
                )
            return
        if any(each.old == period.key for each in successions):
            raise Untrusted(period.number, "its key was in use before: a key that was given up must not return")
        before = next((each.period for each in successions if each.period.key == old), None)
        if before is not None and (period.number != before.number + 1 or period.position <= before.position):
            raise Untrusted(period.number, f"it does not come after statement {before.number}")
        if not self._book.succeed(Succession(old, period, data)):
            raise Untrusted(period.number, f"key {old.key_id.hex()} was followed by another key at this moment")


def read_trusted(path: Path) -> list[Key]:
    """The operator's keys: a line ``<log name> <vkey>`` each; empty lines and lines that begin with ``#`` say nothing.

    Raises:
        Fatal: no such file, no key in it, or a line that is not as it must be.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"CA_WITNESS_TRUSTED: {path} cannot be read: {error}") from error
    keys = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            keys.append(_trusted_line(line))
        except ValueError as error:
            raise Fatal(f"CA_WITNESS_TRUSTED: {path}, line {number}: {error}") from None
    if not keys:
        raise Fatal(f"CA_WITNESS_TRUSTED: {path} names no log: put a line `<log name> <vkey>` into it")
    return keys


def _trusted_line(line: str) -> Key:
    parts = line.split()
    if len(parts) != 2:
        raise ValueError("`<log name> <vkey>` is expected")
    key = Key.parse(parts[1])
    if key.name != parts[0] or key.algorithm != ED25519:
        raise ValueError(f"a plain Ed25519 key (type 1) with the log's name {parts[0]} is expected, not one of {key.name}")
    return key


def _is_log_of(name: str, origin: str) -> bool:
    try:
        log_number(name, origin)
    except ValueError:
        return False
    return True
