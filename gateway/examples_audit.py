"""Examples of the audit log's answers: those of ``docs/audit-format.md``, so that a reader can check every hash and signature in them."""

from __future__ import annotations

from typing import Any, Final

ORIGIN: Final = "corporate-actions/audit"
VKEY: Final = "corporate-actions/audit+97662e28+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\n"
CHECKPOINT: Final = (
    "corporate-actions/audit\n"
    "5\n"
    "dfMgc4wolx4wZo/qydh4o/jMiNBfRttMDVP5Yt8f8MQ=\n"
    "\n"
    "— corporate-actions/audit 2gmmVwgOruQmQCUO0UjW8Ld50hCq+pASQnAkXSwx2H7ATd3X/5J7CACm29a+PKOlAd6JoP8saAKTYQ/vVU+kCxFwLwM=\n"
    "— corporate-actions/witness g/zbMAAAAABrBVISfEsMfscfemQQlwKpMiPicjFGOiEZgugPNRtb2WFTKmUBWdIFIaXz9J1819jWllx2trJ1d3lgcHmOJvGegXPkCA==\n"
)
EARLIER_CHECKPOINT: Final = (
    "corporate-actions/audit\n"
    "3\n"
    "khgDOKgTap8pJqo7i1iOKgTtAmkrmfQt44ShHQNlS6k=\n"
    "\n"
    "— corporate-actions/audit l2YuKAL3jp9Et66zDI3Mkagl14YeI6KaYUI80jpWhOLxay66kYzb3on/DrJdPS+LkBw4qFn/fpYKmCGZUzyqgUC1Ugs=\n"
    "— corporate-actions/witness g/zbMAAAAABrBVIRF98EQHMk/Hv7RLXk3TzIx0u4DVvDECG6/5mat1XsbyZ7UE7B57o/xe+jASGPvUC1hliu6bXBPX0dEfUxhcgcCw==\n"
)
STATEMENT: Final = (
    "corporate-actions/audit-key/v1\n"
    "corporate-actions/audit\n"
    "corporate-actions/audit\n"
    "1\n"
    "0\n"
    "corporate-actions/audit+97662e28+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\n"
    "\n"
    "— corporate-actions/audit l2YuKOtdSP6j3JflOAwDKI+lQ/4uj1jPnrXGebiz4lgpLfH0OaMAJ58l0jr5sQRUrKsIK5rv6itRuTof0vtfvn7pzgI=\n"
)
BATCH_NOTE: Final = (
    "corporate-actions/audit-batch/v1\n"
    "corporate-actions/audit\n"
    "1\n"
    "0 3\n"
    "2026-11-24T09:00:00.250000Z\n"
    '{"10":2,"2":5}\n'
    "khgDOKgTap8pJqo7i1iOKgTtAmkrmfQt44ShHQNlS6k=\n"
    "khgDOKgTap8pJqo7i1iOKgTtAmkrmfQt44ShHQNlS6k=\n"
    "\n"
    "— corporate-actions/audit l2YuKIVqTdmI7QNeHD/5spXbt90jo3lWWNDdyHWirTMe/nabd9IyYjIsrBy14RGotXMgU1DNbGX//0u4MxvOtYfV1AM=\n"
)
PATH: Final = [
    "9aa2605466b535b10e04606032c132cabe05c9ea1fb3888baba00e1b7f2fd689",
    "d4fd04b6a718aa11f2570d3ea4ff3f9675e2647294061c616a185de007f18675",
    "1dde22a0ac0a5392cd05548d9ba2465abc9fbc6cc9328e219a2a4e1dde72ed59",
]
BATCH_PATH: Final = [
    "9aa2605466b535b10e04606032c132cabe05c9ea1fb3888baba00e1b7f2fd689",
    "40b554594e3a48391376194c89875eda66c68fb24fb5412ce7a92c911f38c95c",
]
CONSISTENCY_PATH: Final = [
    "40b554594e3a48391376194c89875eda66c68fb24fb5412ce7a92c911f38c95c",
    "48f358fc80840487a8f38e87223090c56c6de877ab9afd4b6e3fe66ae5f9d83c",
    "2699749d2eeb76d28124539b42ebaa2549ede0f6a8c8023f71bfb472b00f716f",
    "1dde22a0ac0a5392cd05548d9ba2465abc9fbc6cc9328e219a2a4e1dde72ed59",
]
ROOTS: Final = ("khgDOKgTap8pJqo7i1iOKgTtAmkrmfQt44ShHQNlS6k=", "dfMgc4wolx4wZo/qydh4o/jMiNBfRttMDVP5Yt8f8MQ=")
VERIFICATION_ID: Final = "019a8a3e-5c00-7000-8000-00000000000a"
VERIFICATION: Final[dict[str, Any]] = {
    "verification_id": VERIFICATION_ID,
    "state": "RUNNING",
    "requested": {"from": 0, "to": None},
    "started_at": "2026-11-24T10:00:00.000000Z",
    "updated_at": "2026-11-24T10:00:05.000000Z",
    "progress": {"read": 65536, "of": 1200000},
    "verified": None,
    "error": None,
    "report": None,
}
VERIFICATIONS: Final[dict[str, Any]] = {"items": [VERIFICATION]}
