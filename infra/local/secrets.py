"""Generated passwords: made at the first start, kept in the run directory with mode 600, never on a command line."""

import json
import secrets
from typing import Final

from infra.local.errors import LocalStackError
from infra.local.files import exclusive, write_private_json
from infra.local.layout import RunDir

ACCOUNTS: Final = ("root", "ca_migrator", "ca_gateway", "ca_worker", "ca_operator", "ca_audit", "ca_retention")
"""The MySQL accounts: the administrator, the owner of the schema, one per service, and the operators' command line."""


def passwords(run: RunDir) -> dict[str, str]:
    """Every account's password; the missing ones are generated.

    Raises:
        LocalStackError: the file is there and cannot be understood; it is never replaced, since MySQL knows its passwords.
    """
    run.create()
    with exclusive(run.root / ".secrets.lock"):
        known = _read(run)
        missing = [account for account in ACCOUNTS if account not in known]
        if missing:
            known |= {account: secrets.token_urlsafe(24) for account in missing}
            write_private_json(run.secrets, known)
    return known


def password(run: RunDir, account: str) -> str:
    """The password of one account."""
    return passwords(run)[account]


def _read(run: RunDir) -> dict[str, str]:
    if not run.secrets.exists():
        return {}
    try:
        known: dict[str, str] = json.loads(run.secrets.read_text())
    except ValueError:
        mend = f"restore it, or remove {run.root} to begin with fresh data"
        raise LocalStackError(f"{run.secrets} is not JSON", mend) from None
    return known
