"""Signed notes: the one form in which the audit log and its witness sign anything. Formats of C2SP: signed-note, tlog-checkpoint, tlog-cosignature (Ed25519).

A note is a text and signature lines below it. Reading is strict: what is not exactly in the format is a ValueError, and a note that is read and encoded again
gives the same bytes, so no second spelling of a signature can pass as another note. A signature counts only if *every* line of that key in the note verifies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

ED25519 = 0x01
"""Signature type of a plain Ed25519 signature over the note's text."""
COSIGNATURE = 0x04
"""Signature type of a witness's timestamped Ed25519 signature over a checkpoint."""
MAX_NOTE_BYTES = 131_072
"""Room for sixteen signatures of the largest kind in use; more is refused before it is looked at."""
MAX_SIGNATURES = 100
PUBLIC_KEY_BYTES, SIGNATURE_BYTES, HASH_BYTES = 32, 64, 32
_STAMP_BYTES = 8
_KEY_ID_BYTES = 4
_MARK = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_SHOWN = 80


Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) to whether the Ed25519 signature is good; False for anything malformed, never an error."""


class Signer(Protocol):
    """One private Ed25519 key and the name it signs under."""

    @property
    def name(self) -> str:
        """The key name in signature lines: for a log its origin, for a witness its own name."""

    @property
    def public_key(self) -> bytes:
        """The public key, 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """The signature of exactly these bytes, 64 bytes.

        Raises:
            Unavailable: the place that keeps the key does not answer.
        """


class Key(NamedTuple):
    """A public key as verifiers are given it: its text form (*vkey*) is ``<name>+<key id in hex>+<base64 of type and key>``."""

    name: str
    algorithm: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that name key and algorithm in a signature line; an identifier, not a proof."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public_key).digest()[:_KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key as text."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.algorithm]) + self.public_key)}"

    @classmethod
    def parse(cls, vkey: str) -> Key:
        """Read a vkey.

        Raises:
            ValueError: not three parts, a bad name, an unknown algorithm, or an id that is not this key's.
        """
        parts = vkey.split("+", 2)
        if len(parts) != 3:
            raise ValueError(f"vkey {_shown(vkey)}: three parts are expected: name+id+key")
        name, key_id, encoded = parts
        material = decode_base64(encoded, "the key of a vkey")
        if len(material) != 1 + PUBLIC_KEY_BYTES or material[0] not in {ED25519, COSIGNATURE}:
            raise ValueError(f"vkey {_shown(vkey)}: an Ed25519 key is expected: type byte 1 or 4 and {PUBLIC_KEY_BYTES} bytes")
        key = cls(key_name(name), material[0], material[1:])
        if not _KEY_ID.fullmatch(key_id) or bytes.fromhex(key_id) != key.key_id:
            raise ValueError(f"vkey {_shown(vkey)}: its id is not that of its name and key, which is {key.key_id.hex()}; copy it again")
        return key


class Signature(NamedTuple):
    """One signature line. ``signature`` is what follows the key id: for a cosignature the time (8 bytes) and the Ed25519 signature."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The line with its end."""
        return f"{_MARK}{self.name} {encode_base64(self.key_id + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Read a line, without its end.

        Raises:
            ValueError: not a signature line.
        """
        mark, name, encoded = line[: len(_MARK)], *line[len(_MARK) :].partition(" ")[::2]
        if mark != _MARK:
            raise ValueError(f"signature line {_shown(line)}: it must start with an em dash and a space")
        value = decode_base64(encoded, "a signature")
        if len(value) <= _KEY_ID_BYTES:
            raise ValueError(f"signature line {_shown(line)}: {_KEY_ID_BYTES} bytes of key id and a signature are expected")
        return cls(key_name(name), value[:_KEY_ID_BYTES], value[_KEY_ID_BYTES:])


class Note(NamedTuple):
    """A text, which ends with a line's end, and its signatures in order."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The note as bytes: the text, an empty line, one line for each signature."""
        return (self.text + "\n" + "".join(signature.line() for signature in self.signatures)).encode()

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Read a note. Verifies nothing: see :func:`signed_by` and :func:`cosigned_at`.

        Raises:
            ValueError: too long, not UTF-8, a control character, no empty line before the signatures, no signature or a malformed one.
        """
        if len(data) > MAX_NOTE_BYTES:
            raise ValueError(f"a note of {len(data)} bytes: at most {MAX_NOTE_BYTES} are accepted")
        try:
            whole = data.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"a note that is not UTF-8: byte {error.start}") from None
        head, gap, lines = whole.rpartition("\n\n")
        if not gap:
            raise ValueError("a note without an empty line between text and signatures")
        if not lines.endswith("\n"):
            raise ValueError("a note must end with a signature line and that line's end")
        signatures = lines[:-1].split("\n")
        if len(signatures) > MAX_SIGNATURES:
            raise ValueError(f"a note with {len(signatures)} signatures: at most {MAX_SIGNATURES} are accepted")
        return cls(note_text(head + "\n"), tuple(Signature.parse(line) for line in signatures))


class Checkpoint(NamedTuple):
    """A tree of a log: its origin, the number of its leaves and the root over them. ``extensions`` are further lines, opaque to us."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text of the note that states it."""
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), encode_base64(self.root), *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text.

        Raises:
            ValueError: not a checkpoint: fewer than three lines, an empty line, a size or a root hash not in its one spelling.
        """
        lines = note_text(text)[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise ValueError("a checkpoint must have three lines or more, none of them empty: origin, size, root hash")
        return cls(lines[0], parse_decimal(lines[1], "the size of a checkpoint"), parse_hash(lines[2], "a root hash"), tuple(lines[3:]))


def sign_note(text: str, signer: Signer) -> Note:
    """The text as a note with the signer's plain Ed25519 signature.

    Raises:
        ValueError: the text or the signer's name cannot stand in a note.
    """
    return add_signature(Note(note_text(text), ()), plain_signature(text, signer))


def plain_signature(text: str, signer: Signer) -> Signature:
    """A signature over the text, to be put under a note that has others."""
    key = Key(key_name(signer.name), ED25519, signer.public_key)
    return Signature(key.name, key.key_id, signer.sign(note_text(text).encode()))


def add_signature(note: Note, *signatures: Signature) -> Note:
    """The note with more signatures below those it has; one of the same key takes the place of the older one."""
    kept = {(each.name, each.key_id): each for each in (*note.signatures, *signatures)}
    return Note(note.text, tuple(kept.values()))


def signed_by(note: Note, key: Key, verify: Verify) -> bool:
    """Whether the note carries the key's plain Ed25519 signature. False too if one line of that key does not verify: such a note is no note of its."""
    message = note.text.encode()
    found = [verify(key.public_key, line.signature, message) for line in _lines_of(note, key)]
    return key.algorithm == ED25519 and bool(found) and all(found)


def cosign(note: Note, signer: Signer, at_seconds: int) -> Signature:
    """A witness's cosignature of a checkpoint: as of that time, this is the largest consistent tree it has seen of the log.

    Args:
        note: the checkpoint; its other signatures are not covered.
        signer: the witness's key, which must sign nothing else.
        at_seconds: Unix time, positive.

    Raises:
        ValueError: the note is no checkpoint, or the time is out of range.
    """
    Checkpoint.parse(note.text)
    if not 0 < at_seconds < 1 << 63:
        raise ValueError(f"time {at_seconds}: seconds since 1970 are expected")
    key = Key(key_name(signer.name), COSIGNATURE, signer.public_key)
    return Signature(key.name, key.key_id, at_seconds.to_bytes(_STAMP_BYTES, "big") + signer.sign(_cosigned(note.text, at_seconds)))


def cosigned_at(note: Note, key: Key, verify: Verify) -> int | None:
    """When the witness cosigned this checkpoint, in Unix seconds; the earliest time if it did so more than once.

    None if it did not, if one line of its key does not verify, or if the note is no checkpoint.
    """
    times = [_verified_time(note.text, line.signature, key, verify) for line in _lines_of(note, key)]
    good = [time for time in times if time is not None]
    return min(good) if good and len(good) == len(times) and key.algorithm == COSIGNATURE and _is_checkpoint(note.text) else None


def note_text(text: str) -> str:
    """The text itself, if it can stand in a note.

    Raises:
        ValueError: it does not end with a line's end, holds a control character, or cannot be written in UTF-8.
    """
    if not text.endswith("\n"):
        raise ValueError(f"note text {_shown(text)}: it must end with a line's end")
    if control := _CONTROL.search(text):
        raise ValueError(f"a note's text with the control character U+{ord(control.group()):04X}: only line ends are allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a note's text that is not Unicode: it holds half of a surrogate pair") from None
    return text


def key_name(name: str) -> str:
    """The name itself, if it can be a key's.

    Raises:
        ValueError: it is empty, or holds a space, a plus sign or a control character.
    """
    if not name or "+" in name or any(character.isspace() or character < " " or "\ud800" <= character <= "\udfff" for character in name):
        raise ValueError(f"key name {_shown(name)}: one or more characters, no space, no plus sign, no control character")
    return name


def encode_base64(value: bytes) -> str:
    """Standard base64 (RFC 4648, section 4)."""
    return base64.b64encode(value).decode()


def decode_base64(text: str, what: str) -> bytes:
    """Read standard base64 in its one spelling: padded, no stray bits, nothing else in between.

    Raises:
        ValueError: anything else; ``what`` names it.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{what} {_shown(text)}: base64 is expected") from None
    if encode_base64(value) != text:
        raise ValueError(f"{what} {_shown(text)}: base64 with padding and without stray bits is expected")
    return value


def parse_hash(text: str, what: str) -> bytes:
    """Read a SHA-256 hash in base64.

    Raises:
        ValueError: not base64, or not 32 bytes.
    """
    value = decode_base64(text, what)
    if len(value) != HASH_BYTES:
        raise ValueError(f"{what} {_shown(text)}: {HASH_BYTES} bytes are expected, not {len(value)}")
    return value


def parse_decimal(text: str, what: str) -> int:
    """Read a count: decimal, no leading zero, below 2^63.

    Raises:
        ValueError: anything else; ``what`` names it.
    """
    if not _DECIMAL.fullmatch(text) or int(text) >= 1 << 63:
        raise ValueError(f"{what} {_shown(text)}: a decimal number without leading zeros, below 2^63, is expected")
    return int(text)


def _lines_of(note: Note, key: Key) -> Iterator[Signature]:
    key_id = key.key_id
    return (line for line in note.signatures if line.name == key.name and line.key_id == key_id)


def _verified_time(text: str, signature: bytes, key: Key, verify: Verify) -> int | None:
    at_seconds = int.from_bytes(signature[:_STAMP_BYTES], "big")
    if len(signature) != _STAMP_BYTES + SIGNATURE_BYTES or not 0 < at_seconds < 1 << 63:
        return None
    return at_seconds if verify(key.public_key, signature[_STAMP_BYTES:], _cosigned(text, at_seconds)) else None


def _cosigned(text: str, at_seconds: int) -> bytes:
    return f"cosignature/v1\ntime {at_seconds}\n{text}".encode()


def _is_checkpoint(text: str) -> bool:
    try:
        Checkpoint.parse(text)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
