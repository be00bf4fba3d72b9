"""Which key signs from here on, and whether it is a new one: the keys at hand against the log's key history.

Invariant: the log goes on only with the newest key of its history, or with one that this key hands over to. A stand-by that was left behind by a rotation stops and
says which key it lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from corpactions.domain.audit.keys import KeyPeriod, Untrusted, state, walk
from corpactions.domain.audit.notes import ED25519, Key
from corpactions.domain.errors import Fatal
from corpactions.ports.audit import KeyRow, LogRow
from corpactions.ports.signing import Signer, Verify


class Chosen(NamedTuple):
    """The key in force. ``added`` is its statement when it comes into force with the next batch."""

    signer: Signer
    key: Key
    added: KeyRow | None


def choose(signers: Sequence[Signer], history: Sequence[KeyRow], log: LogRow, size: int, verify: Verify) -> Chosen:
    """The key for the next batch.

    Args:
        signers: the keys at hand, oldest first; the last one is the one that is wanted.
        history: the log's key history.
        log: the log.
        size: the entries that it has.
        verify: checks a signature.

    Raises:
        Fatal: there is no key, the history does not hold together, or the key in force is not at hand.
    """
    if not signers:
        raise Fatal("there is no key to sign the audit log with; make one with `corpactions audit new-key`")
    wanted = signers[-1]
    if not history:
        return _chosen(wanted, KeyRow(1, state(1, log.origin, size, wanted).encode()))
    newest = _newest(history, verify)
    if newest.key.public_key == wanted.public_key:
        return _chosen(wanted, None)
    old = next((signer for signer in signers if signer.public_key == newest.key.public_key), None)
    if old is None:
        raise Fatal(
            f"key {newest.number} of the log ({newest.key.vkey}) is in force, and its private key is not at hand; bring it to CA_AUDIT_KEYS"
        )
    number = newest.number + 1
    added = KeyRow(number, state(number, log.origin, size, wanted, old).encode())
    _newest([*history, added], verify)  # a key that was in force before, say, must not become a row that nobody can take away again
    return _chosen(wanted, added)


def _newest(history: Sequence[KeyRow], verify: Verify) -> KeyPeriod:
    try:
        first = KeyPeriod.parse(history[0].statement.decode().partition("\n\n")[0] + "\n")
        return walk([row.statement for row in history], first.key, verify)[-1]
    except (Untrusted, ValueError) as error:
        raise Fatal(f"the log's key history does not hold together: {error}; run `corpactions audit verify`") from error


def _chosen(signer: Signer, added: KeyRow | None) -> Chosen:
    return Chosen(signer, Key(signer.name, ED25519, signer.public_key), added)
