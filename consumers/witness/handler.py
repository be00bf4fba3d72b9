"""The witness's decisions: request in, answer out, by C2SP tlog-witness. Knows neither HTTP's wire nor SQL.

Invariant: a cosignature leaves only after its checkpoint is kept, and is kept only in one step with the check that it continues what was kept last.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from consumers.witness.book import Book, Refusal, Seen
from consumers.witness.trust import Trust
from corpactions.domain.audit.keys import Untrusted, log_number
from corpactions.domain.audit.merkle import EMPTY_ROOT, verify_consistency
from corpactions.domain.audit.notes import (
    Checkpoint,
    Note,
    Signature,
    Signer,
    Verify,
    add_signature,
    cosign,
    encode_base64,
    parse_decimal,
    parse_hash,
    signed_by,
)
from corpactions.ports.ambient import Clock

_LOG: Final = logging.getLogger("consumers.witness")
MAX_PATH: Final = 63
"""Hashes of the longest consistency proof there can be."""
MAX_TEXT_BYTES: Final = 4_096
"""A checkpoint needs some two hundred; without a bound, what is kept of each would have none."""
MAX_STATEMENTS: Final = 1_000
TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
SIZE: Final = "text/x.tlog.size"
BETWEEN_STATEMENTS: Final = b"\n---\n"


class Answer(NamedTuple):
    """Status, body and media type of an answer."""

    status: int
    body: bytes
    content_type: str = TEXT


class Request(NamedTuple):
    """A checkpoint to be cosigned: the size it continues from, the proof that it does, and the note."""

    old_size: int
    path: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """Read the body of ``add-checkpoint``.

        Raises:
            ValueError: not in the protocol's form, or larger than is taken here.
        """
        head, gap, rest = body.partition(b"\n\n")
        if not gap or not head.isascii():
            raise ValueError("a line `old <size>`, proof lines, an empty line and a checkpoint are expected")
        old, *path = head.decode().split("\n")
        if not old.startswith("old "):
            raise ValueError("the first line must be `old <size>`")
        if len(path) > MAX_PATH:
            raise ValueError(f"{len(path)} proof lines: at most {MAX_PATH} are accepted")
        note = Note.parse(rest)
        if len(note.text.encode()) > MAX_TEXT_BYTES:
            raise ValueError(f"a checkpoint's text of more than {MAX_TEXT_BYTES} bytes")
        hashes = tuple(parse_hash(line, "proof line") for line in path)
        return cls(parse_decimal(old[4:], "the old size"), hashes, note, Checkpoint.parse(note.text))


class Witness:
    """Answers requests; used by several threads at once.

    Args:
        book: what was witnessed.
        trust: which keys count.
        signer: the witness's own key.
        clock: for the time in a cosignature.
        verify: checks one signature.
    """

    def __init__(self, book: Book, trust: Trust, signer: Signer, clock: Clock, verify: Verify) -> None:
        self._book = book
        self._trust = trust
        self._signer = signer
        self._clock = clock
        self._verify = verify

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign a checkpoint, or say why not. Raises Unavailable when the store does not answer; nothing is then cosigned."""
        try:
            request = Request.parse(body)
        except ValueError as error:
            return _said(400, str(error))
        name = self._trust.name_of(request.checkpoint.origin)
        if name is None:
            return _said(404, "this log is not known here: its name and key belong into CA_WITNESS_TRUSTED")
        try:
            return self._decide(request._replace(note=self._log_note(name, request)))
        except Untrusted as error:
            _LOG.error(
                "checkpoint %d of %s is not signed as it must be: %s", request.checkpoint.size, request.checkpoint.origin, error.reason
            )
            return _said(403, error.reason)

    def newest(self, origin: str) -> Answer:
        """The newest cosigned checkpoint of a log."""
        return self._shown(self._book.newest(origin), "no checkpoint of this log was cosigned", latest=True)

    def newest_by_hash(self, origin_sha256: str) -> Answer:
        """The same for the SHA-256 of the log's name in hex, as C2SP's monitors ask."""
        origins = self._book.origins()
        found = next((origin for origin in origins if hashlib.sha256(origin.encode()).hexdigest() == origin_sha256), "")
        return self.newest(found)

    def at(self, origin: str, size: int) -> Answer:
        """The checkpoint of one size, as first cosigned."""
        return self._shown(self._book.at(origin, size), f"no checkpoint of {size} entries was cosigned", latest=False)

    def between(self, origin: str, first: int, last: int, limit: int) -> Answer:
        """A page of checkpoints by size, as first cosigned."""
        return _json({"checkpoints": [seen.first.decode() for seen in self._book.between(origin, first, last, limit)]})

    def refused(self, origin: str, limit: int) -> Answer:
        """The newest refused checkpoints of a log."""
        return _json({"refused": [_refusal_shown(refusal) for refusal in self._book.refused(origin, limit)]})

    def keys(self, origin: str) -> Answer:
        """The keys trusted for a log, and where the time of each ends."""
        name = self._trust.name_of(origin)
        if name is None:
            return _said(404, "this log is not known here")
        return _json({"keys": [{"until": trusted.until, "vkey": trusted.key.vkey} for trusted in self._trust.keys(name)]})

    def hand_over(self, origin: str, body: bytes) -> Answer:
        """Take key statements, separated by lines ``---``."""
        name = self._trust.name_of(origin)
        if name is None:
            return _said(404, "this log is not known here: its name and key belong into CA_WITNESS_TRUSTED")
        statements = [part + b"\n" for part in body.removesuffix(b"\n").split(BETWEEN_STATEMENTS)]
        if len(statements) > MAX_STATEMENTS:
            return _said(400, f"{len(statements)} key statements: at most {MAX_STATEMENTS} are accepted")
        try:
            self._trust.hand_over(name, statements)
        except Untrusted as error:
            _LOG.error("a key of %s is not trusted: %s", name, error)
            return _said(403, str(error))
        except ValueError as error:
            return _said(400, str(error))
        return self.keys(origin)

    def health(self) -> dict[str, object]:
        """Whether it could cosign now, and what it has refused of late."""
        self._book.check()
        return {"ready": True, "logs": {origin: self._log_health(origin) for origin in self._book.origins()}}

    def _log_health(self, origin: str) -> dict[str, object]:
        newest, refused = self._book.newest(origin), self._book.refused(origin, 1)
        return {"size": newest.size if newest else None, "last_refused_at": _time(refused[0].last_at) if refused else None}

    def _log_note(self, name: str, request: Request) -> Note:
        """The note with the verified signatures of the log's keys alone.

        Raises:
            Untrusted: there is none of a key whose time this is, or a line of a trusted key does not verify.
        """
        log = log_number(name, request.checkpoint.origin)
        in_time: list[Signature] = []
        late: list[Signature] = []
        for trusted in self._trust.keys(name):
            key_id = trusted.key.key_id
            lines = [line for line in request.note.signatures if (line.name, line.key_id) == (name, key_id)]
            if lines and not signed_by(request.note, trusted.key, self._verify):
                raise Untrusted(0, f"the signature of key {key_id.hex()} does not verify")
            (in_time if trusted.signs(log, request.checkpoint.size) else late).extend(lines[:1])
        if in_time:
            return Note(request.note.text, tuple(in_time))
        if late:
            reason = "it is signed by a key whose time was over: that key is in other hands, or the log has not changed to its new one"
            self._keep_refusal(request._replace(note=Note(request.note.text, tuple(late))), reason)
            raise Untrusted(0, reason)
        raise Untrusted(0, "no signature of a key that is trusted for this log; was its new key handed over?")

    def _decide(self, request: Request) -> Answer:
        checkpoint, newest = request.checkpoint, self._book.newest(request.checkpoint.origin)
        known = self._book.at(checkpoint.origin, checkpoint.size)
        if rewritten := known is not None and known.root != checkpoint.root:  # proof of a fork, from whatever size it is told
            self._keep_refusal(request, f"another tree of {checkpoint.size} entries was cosigned: the log was rewritten")
        if request.old_size > checkpoint.size:
            return _said(400, f"the old size {request.old_size} is larger than the checkpoint's, {checkpoint.size}")
        if request.old_size != (newest.size if newest else 0):
            return _conflict(newest)
        root = newest.root if newest else EMPTY_ROOT
        if not verify_consistency(request.old_size, checkpoint.size, root, checkpoint.root, request.path):
            reason = f"it is not proved to continue the tree of {request.old_size} entries that was cosigned"
            if not rewritten:
                self._keep_refusal(request, reason)
            return _said(422, reason)
        cosignature = cosign(request.note, self._signer, int(self._clock.now().timestamp()))
        data = add_signature(request.note, cosignature).encode()
        if not self._book.accept(Seen(checkpoint.origin, checkpoint.size, checkpoint.root, data, data), newest.size if newest else None):
            return _conflict(self._book.newest(checkpoint.origin))
        return Answer(200, cosignature.line().encode())

    def _keep_refusal(self, request: Request, reason: str) -> None:
        checkpoint, at = request.checkpoint, int(self._clock.now().timestamp())
        _LOG.error("checkpoint %d of %s is refused and kept as evidence: %s", checkpoint.size, checkpoint.origin, reason)
        data = request.note.encode()
        self._book.refuse(Refusal(checkpoint.origin, checkpoint.size, request.old_size, request.path, data, reason, at, at))

    def _shown(self, seen: Seen | None, otherwise: str, *, latest: bool) -> Answer:
        return _said(404, otherwise) if seen is None else Answer(200, seen.latest if latest else seen.first)


def _conflict(newest: Seen | None) -> Answer:
    return Answer(409, f"{newest.size if newest else 0}\n".encode(), SIZE)


def _said(status: int, text: str) -> Answer:
    return Answer(status, f"{text}\n".encode(errors="replace"))


def _json(value: dict[str, Sequence[object]]) -> Answer:
    return Answer(200, json.dumps(value).encode(), JSON)


def _refusal_shown(refusal: Refusal) -> dict[str, object]:
    return {
        "first_at": _time(refusal.first_at),
        "last_at": _time(refusal.last_at),
        "times": refusal.times,
        "size": refusal.size,
        "old_size": refusal.old_size,
        "path": [encode_base64(each) for each in refusal.path],
        "reason": refusal.reason,
        "note": refusal.note.decode(),
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
