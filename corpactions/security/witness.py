"""The witness over HTTP: C2SP tlog-witness for cosigning, and this project's read calls. See ``ports.witness`` for what each method means.

What comes from the wire is bounded and checked here: a note is about the log and size that was asked for and carries a cosignature of a known witness key.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import httpx

from corpactions.domain.audit.notes import MAX_NOTE_BYTES, Checkpoint, Key, Note, Signature, cosigned_at, encode_base64, parse_decimal
from corpactions.domain.errors import Fatal, Unavailable
from corpactions.ports.witness import WitnessConflict, WitnessRefused
from corpactions.security.signing import verify

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
"""Longest silence: the witness writes to its disk before it answers."""
PAGE: Final = 500
"""Checkpoints asked for at once."""
_MAX_ANSWER_BYTES: Final = PAGE * 8_192
_MAX_REASON: Final = 300
_NAME: Final = "witness"


class WitnessClient:
    """One witness.

    Args:
        url: its base, for example ``http://127.0.0.1:18103``.
        vkeys: its keys as vkeys (type 4). With none, cosignatures are handed on unchecked, and whoever keeps them must check them.

    Raises:
        Fatal: the address or a key is malformed.
    """

    def __init__(self, url: str, vkeys: Sequence[str] = ()) -> None:
        try:
            self._client = httpx.Client(
                base_url=url.rstrip("/"),
                timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                follow_redirects=False,
                trust_env=False,
            )
            self._keys = [Key.parse(vkey) for vkey in vkeys]
        except httpx.InvalidURL as error:
            raise Fatal(f"CA_WITNESS_URL: {error}") from error
        except ValueError as error:
            raise Fatal(f"CA_WITNESS_VKEY: {error}") from error

    def newest(self, origin: str) -> Note | None:
        """See ``ports.witness``."""
        status, body = self._get(f"/logs/{_encoded(origin)}/checkpoint")
        return None if status == HTTPStatus.NOT_FOUND else self._note(body, origin)

    def at(self, origin: str, size: int) -> Note | None:
        """See ``ports.witness``."""
        status, body = self._get(f"/logs/{_encoded(origin)}/checkpoint/{size}")
        return None if status == HTTPStatus.NOT_FOUND else self._note(body, origin, (size, size))

    def between(self, origin: str, first: int, last: int) -> Iterator[Note]:
        """See ``ports.witness``."""
        while first <= last:
            query = f"?first={first}&last={last}&limit={PAGE}"
            status, body = self._get(f"/logs/{_encoded(origin)}/checkpoints{query}")
            if status == HTTPStatus.NOT_FOUND:
                return
            page = _page(body)
            for data in page:
                note = self._note(data, origin, (first, last))
                first = Checkpoint.parse(note.text).size + 1  # so the next one must be larger
                yield note
            if len(page) < PAGE:
                return

    def add(self, old_size: int, path: Sequence[bytes], note: Note) -> list[Signature]:
        """See ``ports.witness``."""
        head = "".join(f"{line}\n" for line in (f"old {old_size}", *map(encode_base64, path), ""))
        status, body = self._call("POST", "/add-checkpoint", head.encode() + note.encode())
        if status == HTTPStatus.CONFLICT:
            raise WitnessConflict(_conflicting_size(body))
        _check(status, body)
        return self._cosignatures(note, body)

    def hand_over(self, origin: str, statements: Sequence[bytes]) -> None:
        """See ``ports.witness``."""
        _check(*self._call("POST", f"/logs/{_encoded(origin)}/keys", b"---\n".join(statements)))

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def _cosignatures(self, note: Note, body: bytes) -> list[Signature]:
        """Those lines of the answer that are cosignatures of this note by known keys."""
        try:
            lines = [Signature.parse(line) for line in body.decode().removesuffix("\n").split("\n")]
        except ValueError as error:
            raise _broken(str(error)) from error
        if not self._keys:
            return lines
        answer = Note(note.text, tuple(lines))
        good = {(key.name, key.key_id) for key in self._keys if cosigned_at(answer, key, verify) is not None}
        if not good:
            raise _broken("no cosignature by a key of CA_WITNESS_VKEY: another witness, or another key, answers")
        return [line for line in lines if (line.name, line.key_id) in good]

    def _note(self, body: bytes, origin: str, sizes: tuple[int, int] | None = None) -> Note:
        try:
            if len(body) > MAX_NOTE_BYTES:
                raise ValueError(f"a note of {len(body)} bytes")
            note = Note.parse(body)
            checkpoint = Checkpoint.parse(note.text)
        except ValueError as error:
            raise _broken(str(error)) from error
        if checkpoint.origin != origin or (sizes is not None and not sizes[0] <= checkpoint.size <= sizes[1]):
            raise _broken(f"checkpoint {checkpoint.size} of {checkpoint.origin[:_MAX_REASON]} was not asked for")
        if self._keys and all(cosigned_at(note, key, verify) is None for key in self._keys):
            raise _broken("a checkpoint without a cosignature by a key of CA_WITNESS_VKEY: another witness, or another key, answers")
        return note

    def _get(self, path: str) -> tuple[int, bytes]:
        status, body = self._call("GET", path)
        if status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
            raise _broken(f"status {status} for {path}")
        return status, body

    def _call(self, method: str, path: str, content: bytes | None = None) -> tuple[int, bytes]:
        try:
            with self._client.stream(method, path, content=content) as response:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _MAX_ANSWER_BYTES:
                        raise _broken(f"more than {_MAX_ANSWER_BYTES} bytes")
        except httpx.HTTPError as error:
            raise Unavailable(_NAME, f"{type(error).__name__}: {error}"[:_MAX_REASON]) from error
        if response.is_server_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable(_NAME, f"answered {response.status_code}: {_reason(body)}")
        return response.status_code, bytes(body)


def _check(status: int, body: bytes) -> None:
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise WitnessRefused(f"{status} {_reason(body)}")
    if status != HTTPStatus.OK:
        raise _broken(f"status {status}")


def _conflicting_size(body: bytes) -> int:
    try:
        return parse_decimal(body.decode("ascii").removesuffix("\n"), "the size in a conflict")
    except ValueError as error:
        raise _broken(str(error)) from error


def _page(body: bytes) -> list[bytes]:
    """The notes of a page, unread."""
    try:
        found: Any = json.loads(body)["checkpoints"]
        page = [text.encode() for text in found]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(f"no page of checkpoints: {error!r}"[:_MAX_REASON]) from error
    if len(page) > PAGE:
        raise _broken(f"a page of {len(page)} checkpoints")
    return page


def _encoded(origin: str) -> str:
    return urlsafe_b64encode(origin.encode()).decode().rstrip("=")


def _reason(body: bytes | bytearray) -> str:
    return bytes(body[:_MAX_REASON]).decode(errors="replace").strip()


def _broken(what: str) -> Unavailable:
    return Unavailable(_NAME, f"answered against the protocol: {what}")
