"""`corpactions audit new-key`: a new private key for the audit log; its writer takes it into use at its next start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpactions.domain.errors import Fatal


def new_key(
    first: Annotated[bool, typer.Option("--first", help="Only when there is no key yet; otherwise change nothing.")] = False,
    trusted: Annotated[
        Path | None,
        typer.Option(help="Also write `<log name> <vkey>` of the first key to this file: what the witness and verifiers trust."),
    ] = None,
) -> None:
    """Make the next key in CA_AUDIT_KEYS (0001.pem and so on, mode 600). The key before stays until the writer has signed the new one with it; then it may go."""
    from corpactions.domain.audit.notes import ED25519, Key
    from corpactions.security.signing import create, load_keys
    from corpactions.settings import load

    settings = load()
    folder, name = settings.audit_keys, settings.audit_origin
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(f"CA_AUDIT_KEYS: {folder} cannot be made: {error.strerror}") from error
    signers = load_keys(folder, name)
    if not (first and signers):
        create(folder / _next_name(folder))
        signers = load_keys(folder, name)
    vkeys = [Key(name, ED25519, signer.public_key).vkey for signer in signers]
    if trusted is not None:
        trusted.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        trusted.write_text(f"{name} {vkeys[0]}\n")
    print(vkeys[-1])


def _next_name(folder: Path) -> str:
    """Numbers go on from the highest there is, also when older files were taken away."""
    numbers = [int(file.stem) for file in folder.glob("[0-9][0-9][0-9][0-9].pem")]
    return f"{max(numbers, default=0) + 1:04d}.pem"
