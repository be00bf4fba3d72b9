"""What the services ask of the outside, as Protocols. Adapters keep them, fakes keep them, and one contract suite holds both to them.

Nothing here imports an adapter; services are written against these names and get the real thing from ``corpactions.bootstrap``.
"""

from __future__ import annotations

from corpactions.ports.ambient import Clock, IdSource
from corpactions.ports.securities import LookupFailure, Security, SecurityKey, SecurityMaster

__all__ = ["Clock", "IdSource", "LookupFailure", "Security", "SecurityKey", "SecurityMaster"]
