"""The witness's folder: its key, its book and its public key as text. Made at the first start, and never in part again.

A witness that lost its book would cosign whatever it is shown first, and one with a new key would be another witness: both are Fatal here, for a person to decide.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from consumers.witness.store import SqliteBook
from corpactions.domain.audit.notes import COSIGNATURE, Key
from corpactions.domain.errors import Fatal
from corpactions.security import signing
from corpactions.security.signing import FileSigner

KEY: Final = "key.pem"
BOOK: Final = "witness.db"
VKEY: Final = Path("public", "vkey")
"""In a folder of its own, so that it can be shown to others without what is beside it."""


def enter(folder: Path, name: str) -> tuple[SqliteBook, FileSigner]:
    """Open book and key; make both if there is neither.

    Args:
        folder: ``CA_WITNESS_STORE``.
        name: ``CA_WITNESS_NAME``.

    Raises:
        Fatal: one of the two is missing, or cannot be used.
    """
    key, book = folder / KEY, folder / BOOK
    if key.exists() and not book.exists():
        raise Fatal(f"{book} is missing beside the witness's key: it is the witness's memory; restore it, see the runbook witness")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(f"CA_WITNESS_STORE: {folder} cannot be made: {error.strerror}") from error
    opened = SqliteBook(book)  # before the key, so that a start cut short between the two is simply repeated
    if not key.exists():
        if opened.origins():
            raise Fatal(f"{key} is missing beside the witness's book: restore it, see the runbook witness")
        signing.create(key)
    return opened, FileSigner(name, key)


def show_vkey(folder: Path, signer: FileSigner) -> str:
    """The witness's public key as verifiers need it; also left as a file.

    Raises:
        Fatal: the name cannot be a key's, or the file cannot be written.
    """
    vkey = Key(signer.name, COSIGNATURE, signer.public_key).vkey
    try:
        (folder / VKEY).parent.mkdir(exist_ok=True)
        (folder / VKEY).write_text(f"{vkey}\n")
    except OSError as error:
        raise Fatal(f"{folder / VKEY} cannot be written: {error.strerror}") from error
    return vkey
