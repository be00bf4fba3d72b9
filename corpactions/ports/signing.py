"""Signing and verifying, without saying where a key is kept: a file today, a signing service or an HSM behind the same two names tomorrow.

The names are the domain's, whose notes are signed through them; ``corpactions.security.signing`` is the real thing.
"""

from __future__ import annotations

from corpactions.domain.audit.notes import Signer, Verify

__all__ = ["Signer", "Verify"]
