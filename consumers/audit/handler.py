"""Audit records to entries without a place: what is read, what is a repetition, what contradicts, what cannot be read.

Invariant: of every record that is handed in, the log afterwards holds an entry: its own, an earlier one with the same content, or one that says what was wrong with it
and where it stands. Nothing is dropped for being odd.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Final

from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import (
    ACTOR_CHARACTERS,
    BODY_BYTES,
    CODE_CHARACTERS,
    OWN_ACTOR,
    OWN_PREFIXES,
    RECORD_ID_CHARACTERS,
    RESOURCE_CHARACTERS,
    Content,
    Draft,
    Encode,
    Source,
)
from corpactions.domain.errors import Rejected
from corpactions.ports.records import Record

Logged = Mapping[str, tuple[int, Content]]
"""By record id, the number and content of its entry."""
_SMALL_VALUE, _FEW_TRANSITIONS = 4_000, 8
"""A value of fewer bytes fits into a body however its characters must be escaped (at most six bytes for one), unless it holds many changes of status: a few
bytes each, and some eighty in a body."""
_ENVELOPE_BYTES: Final = 2_048
"""More than the fields of a body around ``detail`` take, but for the four texts that are counted."""
_REASON_CHARACTERS: Final = 1_000


class Handler:
    """Turns records into drafts.

    Args:
        decode: the content of a record's value; raises Rejected for what is no audit record of ours, Unavailable when it cannot be told now.
        known: those of some record ids that are in the log already, with number and body.
        encode: canonical JSON.
    """

    def __init__(
        self,
        decode: Callable[[bytes | None], Content],
        known: Callable[[Collection[str]], Mapping[str, tuple[int, bytes]]],
        encode: Encode,
    ) -> None:
        self._decode = decode
        self._known = known
        self._encode = encode

    def drafts(self, records: Sequence[Record], first: int, in_flight: Logged) -> list[Draft]:
        """The entries that these records add, in their order.

        Args:
            records: in the order in which they are to be logged.
            first: the number that the first of these entries will have.
            in_flight: entries that are being stored, and may not be found by looking yet.

        Raises:
            Unavailable: a value cannot be decoded, or the log not looked into, at the moment.
        """
        read = [self._draft(record) for record in records]
        stored = self._known({draft.content.record_id for draft in read} - in_flight.keys())
        earlier: dict[str, tuple[int, Content]] = {name: (seq, parse(body).content) for name, (seq, body) in stored.items()}
        earlier |= in_flight
        added: list[Draft] = []
        for record, draft in zip(records, read, strict=True):
            name = draft.content.record_id
            known = earlier.get(name)
            if known is not None and known[1] != draft.content:
                draft = _conflict(record, name, known[0])
                name = draft.content.record_id
                known = earlier.get(name) or self._logged(name)
            if known is None:
                earlier[name] = first + len(added), draft.content
                added.append(draft)
        return added

    def _logged(self, name: str) -> tuple[int, Content] | None:
        """A contradiction that is read once more, by a log that was opened anew."""
        found = self._known((name,)).get(name)
        return None if found is None else (found[0], parse(found[1]).content)

    def _draft(self, record: Record) -> Draft:
        try:
            content = self._decode(record.value)
            _check(content)
            if len(record.value or b"") > _SMALL_VALUE or len(content.detail["transitions"]) > _FEW_TRANSITIONS:
                self._check_size(content)
        except Rejected as error:
            return _unreadable(record, error)
        return Draft(content, _source(record))

    def _check_size(self, content: Content) -> None:
        texts = (content.record_id, content.actor, content.resource)
        size = _ENVELOPE_BYTES + len(self._encode(content.detail)) + sum(len(self._encode(item)) for item in texts)
        if size > BODY_BYTES:
            raise Rejected(
                "too_large", f"the entry would have about {size} bytes, and at most {BODY_BYTES} are taken; shorten reason or flags"
            )


def _check(content: Content) -> None:
    """Whether the log's columns take it.

    Raises:
        Rejected: reserved_id or bad_field.
    """
    name = content.record_id
    if not name or len(name) > RECORD_ID_CHARACTERS or not (name.isascii() and name.isprintable()) or name.endswith(" "):
        # MySQL's index takes "x" and "x " for the same.
        raise Rejected(
            "bad_field", f"record_id {name[:80]!r} is not 1 to {RECORD_ID_CHARACTERS} printable ASCII characters without a space at the end"
        )
    if name.startswith(OWN_PREFIXES):
        raise Rejected("reserved_id", f"record_id {name[:80]!r} starts with what only the log's own entries do ({', '.join(OWN_PREFIXES)})")
    for field, value, most in (("actor", content.actor, ACTOR_CHARACTERS), ("resource", content.resource, RESOURCE_CHARACTERS)):
        if not value or len(value) > most:
            raise Rejected("bad_field", f"{field} {value[:80]!r} has {len(value)} characters; it needs 1 to {most}")
    for field, code in (("event_type", content.event_type), ("symbol", content.symbol)):
        if code is not None and not (len(code) <= CODE_CHARACTERS and code.isascii()):
            raise Rejected("bad_field", f"{field} {code[:80]!r} is not at most {CODE_CHARACTERS} ASCII characters")


def _source(record: Record) -> Source:
    return Source(record.topic, record.partition, record.offset)


def _value_hash(record: Record) -> str | None:
    return None if record.value is None else sha256(record.value).hexdigest()


def _unreadable(record: Record, error: Rejected) -> Draft:
    detail = {
        "code": error.code,
        "reason": error.reason[:_REASON_CHARACTERS],
        "value_bytes": len(record.value or b""),
        "value_sha256": _value_hash(record),
    }
    return Draft(_own("UNREADABLE", f"unreadable:{record.position}", f"record:{record.position}", detail), _source(record))


def _conflict(record: Record, claimed: str, first: int) -> Draft:
    detail = {"claimed_id": claimed, "first_seq": first, "value_sha256": _value_hash(record)}
    return Draft(_own("CONFLICT", f"conflict:{record.position}", f"record:{record.position}", detail), _source(record))


def opened(origin: str, vkey: str, predecessor: str | None) -> Draft:
    """The first entry of a log: its key, and the signed checkpoint at which the log before it ended, if there was one."""
    return Draft(_own("LOG_OPENED", f"log:{origin}", f"log:{origin}", {"key": vkey, "predecessor": predecessor}), None)


def key_added(origin: str, number: int, statement: str) -> Draft:
    """The entry from which on a new key signs."""
    return Draft(_own("KEY_ADDED", f"key:{origin}:{number}", f"log:{origin}", {"statement": statement}), None)


def _own(action: str, record_id: str, resource: str, detail: Mapping[str, object]) -> Content:
    return Content(record_id, action, OWN_ACTOR, resource, None, None, detail)
