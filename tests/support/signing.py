"""Signing keys that live in memory, the same in every run."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from corpactions.domain.audit.notes import COSIGNATURE, ED25519, Key

LOG = "corporate-actions/audit"
WITNESS = "corporate-actions/witness"


class MemorySigner:
    """A key made from a number: the same number, the same key."""

    def __init__(self, name: str = LOG, number: int = 1) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    @property
    def key(self) -> Key:
        """Its public half, for notes."""
        return Key(self.name, ED25519, self.public_key)

    @property
    def cosigning_key(self) -> Key:
        """Its public half, for cosignatures."""
        return Key(self.name, COSIGNATURE, self.public_key)
