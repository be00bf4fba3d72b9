"""Examples shown in the API's description. A test submits every one of them."""

from __future__ import annotations

from typing import Any, Final

EVENT_ID: Final = "019a8a3e-5c00-7000-8000-000000000001"

SUBMISSIONS: Final[dict[str, dict[str, Any]]] = {
    "dividend": {
        "event_type": "DIVIDEND",
        "symbol": "AAPL",
        "isin": "US0378331005",
        "source": "manual",
        "source_reference": "DIV-2026-Q4",
        "payload": {
            "amount_per_share": "0.25",
            "currency": "USD",
            "dividend_type": "CASH",
            "announcement_date": "2026-10-30",
            "ex_date": "2026-11-10",
            "record_date": "2026-11-10",
            "pay_date": "2026-11-17",
        },
    },
    "split": {
        "event_type": "STOCK_SPLIT",
        "symbol": "NVDA",
        "payload": {"ratio_new": 10, "ratio_old": 1, "ex_date": "2026-06-10", "record_date": "2026-06-05"},
    },
    "merger": {
        "event_type": "MERGER",
        "symbol": "TWTR",
        "payload": {"acquirer_symbol": "X", "cash_per_share": "54.20", "currency": "USD", "effective_date": "2026-10-28"},
    },
}
BULK: Final[dict[str, Any]] = {"events": list(SUBMISSIONS.values())}
AMENDMENT: Final[dict[str, Any]] = {
    "payload": SUBMISSIONS["dividend"]["payload"] | {"amount_per_share": "0.26"},
    "reason": "the issuer corrected the rate",
}
CANCELLATION: Final[dict[str, Any]] = {"function": "WITH", "reason": "the issuer withdrew the dividend"}
ACCEPTED_EVENT: Final[dict[str, Any]] = {
    "event_id": EVENT_ID,
    "version": 1,
    "status": "PENDING",
    "event_type": "DIVIDEND",
    "symbol": "AAPL",
    "accepted_at": "2026-10-30T14:03:07.123456Z",
}
ACCEPTED_CHANGE: Final[dict[str, Any]] = {"event_id": EVENT_ID, "version": 2, "status": "PENDING"}
BULK_ANSWER: Final[dict[str, Any]] = {
    "items": [
        {"index": 0, "status": 201, "event_id": EVENT_ID},
        {
            "index": 1,
            "status": 422,
            "error": {
                "code": "invalid_request",
                "detail": "/events/1/symbol is missing; add it",
                "errors": [{"pointer": "/events/1/symbol", "value": None, "detail": "is missing", "mend": "add it"}],
            },
        },
    ]
}
EVENT: Final[dict[str, Any]] = {
    "event_id": EVENT_ID,
    "event_type": "DIVIDEND",
    "symbol": "AAPL",
    "isin": "US0378331005",
    "source": "manual",
    "source_reference": "DIV-2026-Q4",
    "version": 1,
    "origin": "gateway",
    "revision": 1,
    "status": "COMPLETED",
    "cancel_function": None,
    "payload": SUBMISSIONS["dividend"]["payload"],
    "effect": {
        "effect_no": 1,
        "origin": "gateway",
        "version": 1,
        "posted_at": "2026-10-30T14:03:07.301000+00:00",
        "cash_per_share": "0.25",
    },
    "flags": [],
    "attempts": 0,
    "error": None,
    "created_at": "2026-10-30T14:03:07.123456Z",
    "processing_at": "2026-10-30T14:03:07.300000Z",
    "completed_at": "2026-10-30T14:03:07.301000Z",
    "pending": False,
}
PAGE: Final[dict[str, Any]] = {"items": [EVENT], "next_cursor": None}
HISTORY: Final[dict[str, Any]] = {"event": EVENT, "versions": [], "changes": [], "effects": []}
