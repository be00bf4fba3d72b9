"""Where a verifier's trust in a log's signatures comes from, and what the log says of itself in its own entries.

A verifier is given a key from elsewhere and walks the key history from it. Whoever has none takes the first key of the log's own history, which proves that the log
is consistent with itself and nothing about who wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import time_text
from corpactions.domain.audit.findings import Findings
from corpactions.domain.audit.keys import KeyPeriod, Untrusted, read_statement, walk
from corpactions.domain.audit.notes import Key, Verify


class Trust(NamedTuple):
    """The keys that signatures are checked with; ``pinned`` tells whether they rest on a key from elsewhere."""

    periods: tuple[KeyPeriod, ...]
    pinned: bool


def establish(statements: Sequence[bytes], trusted: Key | None, verify: Verify, found: Findings) -> Trust:
    """Walk the key history. When it breaks that is a finding, and the trusted key alone remains.

    Args:
        statements: the history as signed notes, number 1 first.
        trusted: a key from elsewhere, if there is one.
        verify: checks one Ed25519 signature.
        found: gets the finding.
    """
    key = trusted
    if key is None:
        try:
            key = read_statement(statements[0], verify).key if statements else None
        except ValueError as error:
            found.add("key", "key 1", str(error))
    if key is None:
        if not statements:
            found.add("key", "key 1", "the log has no key history, and no trusted key was given")
        return Trust((), pinned=False)
    try:
        return Trust(walk(statements, key, verify), trusted is not None)
    except Untrusted as error:
        found.add("key", f"key {error.number}", error.reason)
        return Trust((KeyPeriod(1, key.name, 0, key),), trusted is not None)


def check_own_entries(
    origin: str, predecessor: str | None, trust: Trust, statements: Sequence[bytes], bodies: Mapping[int, bytes], found: Findings
) -> None:
    """Compare what the log's own entries say of it with what is stored beside them.

    Args:
        origin: the log's name, as stored.
        predecessor: the checkpoint of the log before, as stored.
        trust: from :func:`establish`.
        statements: the key history as stored.
        bodies: of entry 0 and of each entry from which on a key of this log signs, where they are there.
        found: gets the findings.
    """
    first = _own(bodies.get(0))
    if first is not None:
        action, detail = first
        if action != "LOG_OPENED":
            found.entry("sequence", 0, f"a log begins with LOG_OPENED, this one with {action[:32]}")
        elif detail.get("predecessor") != predecessor:
            found.add("columns", f"log {origin}", "the stored predecessor is not what its first entry says", seq=0)
        elif trust.periods and trust.periods[0].number == 1 and not any(period.key.vkey == detail.get("key") for period in trust.periods):
            found.entry("key", 0, "the log was opened by a key that is none of its history")
    for period in trust.periods:
        if period.number == 1 or period.log_origin != origin or period.from_seq == 0:
            continue
        said = _own(bodies.get(period.from_seq))
        stated = statements[period.number - 1].decode(errors="replace")
        if said is not None and (said[0] != "KEY_ADDED" or said[1].get("statement") != stated):
            detail_text = f"entry {period.from_seq} does not state the key that signs from there on"
            found.add("key", f"key {period.number}", detail_text, seq=period.from_seq)


def check_added(origin: str, trust: Trust, added: Mapping[int, datetime], bodies: Mapping[int, bytes], found: Findings) -> None:
    """Compare when each key was added, as stored, with the entry from which on it signs; arguments as :func:`check_own_entries`."""
    for period in trust.periods:
        body = bodies.get(period.from_seq) if period.log_origin == origin else None
        try:
            recorded_at = None if body is None else parse(body).recorded_at
        except ValueError:
            continue
        if recorded_at is not None and added.get(period.number) != recorded_at:
            found.add(
                "columns",
                f"key {period.number}",
                f"it was added at {time_text(recorded_at)}, and another time is stored",
                seq=period.from_seq,
            )


def predecessor_of(body: bytes | None) -> str | None:
    """The predecessor that a first entry names, for whoever has nothing to compare it with."""
    said = _own(body)
    predecessor = None if said is None else said[1].get("predecessor")
    return predecessor if isinstance(predecessor, str) else None


def _own(body: bytes | None) -> tuple[str, Mapping[str, Any]] | None:
    """Action and detail; None where the body is not there, or cannot be read, which is found elsewhere."""
    try:
        content = None if body is None else parse(body).content
    except ValueError:
        return None
    return None if content is None else (content.action, content.detail)
