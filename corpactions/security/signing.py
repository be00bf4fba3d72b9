"""Ed25519 keys in files, and the check of a signature.

A key file is PEM (PKCS #8), a regular file of ours that nobody else may read; anything else is Fatal, because a key that others could read proves nothing.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from corpactions.domain.errors import Fatal

_NUMBERED = re.compile(r"([0-9]{4})\.pem", re.ASCII)
_MAX_KEY_FILE_BYTES = 4_096
_REMEMBERED_KEYS = 256


class FileSigner:
    """Signs with the private key in a file, read once.

    Args:
        name: the key name under which it signs.
        path: the file.

    Raises:
        Fatal: no such file, not a regular file, not ours, open to others, or no Ed25519 key in it.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._key = _load(path)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of these bytes, 64 bytes."""
        return self._key.sign(message)


def create(path: Path) -> None:
    """Make a new key file, mode 600. It is on disk under its name as a whole or not at all, and an existing one is never replaced.

    Raises:
        Fatal: the file exists already, or cannot be written.
    """
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        opened, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 600 from its first moment
        try:
            with os.fdopen(opened, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(opened)
            os.link(draft, path)  # unlike a rename, this never replaces
        finally:
            Path(draft).unlink()
        _sync_folder(path.parent)
    except FileExistsError:
        raise Fatal(f"key file {path} exists already: a key is never replaced, take another name") from None
    except OSError as error:
        raise Fatal(f"key file {path} cannot be made: {error.strerror}") from error


def load_keys(folder: Path, name: str) -> list[FileSigner]:
    """The keys of a folder, files ``0001.pem``, ``0002.pem`` and so on, in that order; none if there are none.

    Raises:
        Fatal: the folder cannot be read, or a key in it is not as it must be.
    """
    try:
        files = sorted(file for file in folder.iterdir() if _NUMBERED.fullmatch(file.name))
    except OSError as error:
        raise Fatal(f"key folder {folder} cannot be read: {error.strerror}") from error
    return [FileSigner(name, file) for file in files]


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the Ed25519 signature is good; False for a malformed key or signature."""
    key = _public_key(public_key)
    if key is None:
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=_REMEMBERED_KEYS)
def _public_key(public_key: bytes) -> Ed25519PublicKey | None:
    try:
        return Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError:
        return None


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)  # no link to elsewhere, no waiting on a pipe
    except OSError as error:
        raise Fatal(f"key file {path} cannot be opened: {error.strerror}") from error
    try:
        _check(path, os.fstat(opened))
        pem = os.read(opened, _MAX_KEY_FILE_BYTES)
    finally:
        os.close(opened)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Fatal(f"key file {path} holds no Ed25519 private key in PEM without a password")
    return key


def _check(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise Fatal(f"key file {path} is not a regular file: put the key itself there")
    if state.st_uid != os.geteuid():
        raise Fatal(f"key file {path} belongs to user {state.st_uid}, not to {os.geteuid()}, who runs this: change its owner")
    if stat.S_IMODE(state.st_mode) & ~(stat.S_IRUSR | stat.S_IWUSR):
        mode = stat.S_IMODE(state.st_mode)
        raise Fatal(f"key file {path} has mode {mode:03o}: others may have read it; make a new key if so, then `chmod 600 {path}`")


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
