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
SECOND_STATEMENT: Final = (
    "corporate-actions/audit-key/v1\n"
    "corporate-actions/audit\n"
    "corporate-actions/audit\n"
    "2\n"
    "3\n"
    "corporate-actions/audit+da09a657+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU\n"
    "\n"
    "— corporate-actions/audit l2YuKK1ii4H6z5fPfE1gqvtAw/61wSBHecuIA87nWribwrDPjYD5mzivmEOG336t4VxqiKXQ+n4EX96kvBaHxiVyEAE=\n"
    "— corporate-actions/audit 2gmmV/nYPhkQoQT7QKEU+o+g+JSjncAWfBfEiI1Cm0g01fFT26BcE9cknsSXtHoNPFdzb8Wfdt5KfBR3iZi+mgQDlg4=\n"
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
    "mqJgVGa1NbEOBGBgMsEyyr4Fyeofs4iLq6AOG38v1ok=",
    "1P0EtqcYqhHyVw0+pP8/lnXiZHKUBhxhahhd4AfxhnU=",
    "Hd4ioKwKU5LNBVSNm6JGWryfvGzJMo4hmipOHd5y7Vk=",
]
BATCH_PATH: Final = ["mqJgVGa1NbEOBGBgMsEyyr4Fyeofs4iLq6AOG38v1ok=", "QLVUWU46SDkTdhlMiYde2mbGj7JPtUEs56kskR84yVw="]
CONSISTENCY_PATH: Final = [
    "QLVUWU46SDkTdhlMiYde2mbGj7JPtUEs56kskR84yVw=",
    "SPNY/ICEBIeo846HIjCQxWxt6Hermv1Lbj/mauX52Dw=",
    "Jpl0nS7rdtKBJFObQuuqJUnt4PaoyAI/cb+0crAPcW8=",
    "Hd4ioKwKU5LNBVSNm6JGWryfvGzJMo4hmipOHd5y7Vk=",
]
BODY: Final = (
    '{"action":"APPLIED","actor":"user:ops.anna","detail":{"after":"COMPLETED","before":null,"cause":{"offset":104,"partition'
    '":2,"topic":"corporate-actions-events"},"code":null,"correlation_id":"9b2f6c1e-7d0a-4c39-8a55-1f2e3d4c5b6a","flags":[],"'
    'function":"NEWM","happened_at":"2026-11-24T09:00:00.000000Z","origin":"gateway","payload_commitment":"7f4c96052b01548314'
    '986c84a2b5d723415ba5a74d7347256c0ea0d275a12b94","reason":null,"revision":1,"transitions":[{"at":"2026-11-24T08:59:59.750'
    '000Z","from":null,"to":"PENDING"},{"at":"2026-11-24T09:00:00.000000Z","from":"PENDING","to":"COMPLETED"}],"version":1},"'
    'event_type":"DIVIDEND","format":1,"log":"corporate-actions/audit","prev":"9aa2605466b535b10e04606032c132cabe05c9ea1fb388'
    '8baba00e1b7f2fd689","record_id":"0192f1c2-0000-7000-8000-000200000004:1","recorded_at":"2026-11-24T09:00:00.250000Z","re'
    'source":"event:0192f1c2-0000-7000-8000-000200000004","seq":1,"source":{"offset":4,"partition":2,"topic":"corporate-actio'
    'ns-audit"},"symbol":"MSFT"}'
)
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
ENTRY: Final[dict[str, Any]] = {
    "seq": 1,
    "log": ORIGIN,
    "hash": "79770012e1b385b4a4c3ab6f23c80303630910b54fcbd4aae6990658800ce01a",
    "prev": "9aa2605466b535b10e04606032c132cabe05c9ea1fb3888baba00e1b7f2fd689",
    "recorded_at": "2026-11-24T09:00:00.250000Z",
    "record_id": "0192f1c2-0000-7000-8000-000200000004:1",
    "action": "APPLIED",
    "actor": "user:ops.anna",
    "resource": "event:0192f1c2-0000-7000-8000-000200000004",
    "event_type": "DIVIDEND",
    "symbol": "MSFT",
    "source": {"topic": "corporate-actions-audit", "partition": 2, "offset": 4},
    "detail": {
        "after": "COMPLETED",
        "before": None,
        "cause": {"offset": 104, "partition": 2, "topic": "corporate-actions-events"},
        "code": None,
        "correlation_id": "9b2f6c1e-7d0a-4c39-8a55-1f2e3d4c5b6a",
        "flags": [],
        "function": "NEWM",
        "happened_at": "2026-11-24T09:00:00.000000Z",
        "origin": "gateway",
        "payload_commitment": "7f4c96052b01548314986c84a2b5d723415ba5a74d7347256c0ea0d275a12b94",
        "reason": None,
        "revision": 1,
        "transitions": [
            {"at": "2026-11-24T08:59:59.750000Z", "from": None, "to": "PENDING"},
            {"at": "2026-11-24T09:00:00.000000Z", "from": "PENDING", "to": "COMPLETED"},
        ],
        "version": 1,
    },
    "body": None,
    "verified": True,
    "failed": [],
    "checkpoint": "covered",
}
VERIFIED: Final[dict[str, Any]] = {
    "checkpoint": {"origin": ORIGIN, "size": 5, "root": ROOTS[1], "witnessed_at": "2026-11-24T09:00:02Z"},
    "verified": 1,
    "failed": 0,
    "completeness": "proven",
    "key": "trusted",
    "findings": [],
}
PAGE: Final[dict[str, Any]] = {"items": [ENTRY], "next_cursor": None, "verification": VERIFIED}
READ_ENTRY: Final[dict[str, Any]] = {"entry": ENTRY, "verification": VERIFIED}
CONSISTENCY: Final[dict[str, Any]] = {
    "origin": ORIGIN,
    "from": {"size": 3, "root": ROOTS[0], "checkpoint": EARLIER_CHECKPOINT},
    "to": {"size": 5, "root": ROOTS[1], "checkpoint": CHECKPOINT},
    "path": CONSISTENCY_PATH,
}
PROOF: Final[dict[str, Any]] = {
    "format": "corporate-actions/audit-proof/v1",
    "origin": ORIGIN,
    "seq": 1,
    "body": BODY,
    "leaf_hash": "eXcAEuGzhbSkw6tvI8gDA2MJELVPy9Sq5pkGWIAM4Bo=",
    "checkpoint": CHECKPOINT,
    "path": PATH,
    "batch": BATCH_NOTE,
    "batch_path": BATCH_PATH,
    "keys": [STATEMENT, SECOND_STATEMENT],
}
