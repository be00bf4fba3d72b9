"""A bank's own security master over HTTP, in place of the built-in table.

The contract is one call: ``POST {url}/lookup`` with ``{"items": [{"symbol", "day"}]}`` (at most 500 items, day as YYYY-MM-DD) answers 200 with
``{"items": [{"symbol", "day", "security" | "error"}]}``, one item for each item asked, in any order. ``security`` is null for an unknown symbol, else an object
with ``currency``, ``status`` and, where known, ``isin``, ``successor`` and ``reference_price`` (a decimal as a string); ``error`` is a text and means that
this item may be asked again later. No answer, a time-out, 5xx and 429 mean that the service is away; so does an answer that breaks this contract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from corpactions.domain.errors import Fatal, Unavailable
from corpactions.ports import Clock
from corpactions.ports.securities import Lookup, LookupFailure, Security, SecurityKey

ITEMS_PER_CALL = 500
LOOKUP_SECONDS = 5.0
"""Time allowed for one lookup, however many calls it takes; the caller's partitions are paused meanwhile."""
MAX_ERROR_CHARACTERS = 200
MAX_BODY_BYTES = 4 * 1024 * 1024
"""Ample for 500 items of some 200 bytes each."""
_NAME = "security-master"


class HttpSecurityMaster:
    """Asks the service in calls of 500 items."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url.rstrip("/") + "/lookup"
        self._clock = clock
        self._client = httpx.Client(timeout=LOOKUP_SECONDS, follow_redirects=False, trust_env=False)

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Lookup]:
        """One answer for every key.

        Raises:
            Unavailable: the service did not answer in time, answered 5xx or 429, or not what was agreed.
            Fatal: the service refuses us (another 4xx): the address or the access is wrong, and waiting would not mend it.
        """
        deadline = self._clock.monotonic() + LOOKUP_SECONDS
        wanted = list(dict.fromkeys(keys))
        answers: dict[SecurityKey, Lookup] = {}
        for start in range(0, len(wanted), ITEMS_PER_CALL):
            answers.update(self._call(wanted[start : start + ITEMS_PER_CALL], deadline))
        return answers

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _call(self, keys: list[SecurityKey], deadline: float) -> dict[SecurityKey, Lookup]:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise Unavailable(_NAME, f"did not answer within {LOOKUP_SECONDS:g} seconds")
        items = [{"symbol": key.symbol, "day": key.day.isoformat()} for key in keys]
        try:
            with self._client.stream("POST", self._url, json={"items": items}, timeout=left) as response:
                _check_status(response)
                body = self._read(response, deadline)
        except httpx.HTTPError as error:
            raise Unavailable(_NAME, f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]) from error
        return self._answers(keys, body)

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        """The body, bounded in time and size: the client's own time-out only bounds the silence between two pieces."""
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if self._clock.monotonic() > deadline:
                raise Unavailable(_NAME, f"did not answer within {LOOKUP_SECONDS:g} seconds")
            if len(body) > MAX_BODY_BYTES:
                raise Unavailable(_NAME, f"answered against the contract: more than {MAX_BODY_BYTES} bytes")
        return bytes(body)

    def _answers(self, keys: list[SecurityKey], body: bytes) -> dict[SecurityKey, Lookup]:
        try:
            found = {(item["symbol"], item["day"]): _answer(item) for item in json.loads(body)["items"]}
            return {key: found[key.symbol, key.day.isoformat()] for key in keys}
        except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
            raise Unavailable(_NAME, f"answered against the contract: {type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]) from error


def _answer(item: dict[str, Any]) -> Lookup:
    if item.get("error") is not None:
        return LookupFailure(str(item["error"])[:MAX_ERROR_CHARACTERS])
    known = item["security"]
    if known is None:
        return None
    price = _optional_text(known, "reference_price")
    return Security(
        symbol=item["symbol"],
        isin=_optional_text(known, "isin"),
        currency=_text(known, "currency"),
        status=_text(known, "status"),
        successor=_optional_text(known, "successor"),
        reference_price=None if price is None else _price(price),
    )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not a string")  # a price as a JSON number would have been a float somewhere on its way
    return value


def _optional_text(fields: dict[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _price(text: str) -> Decimal:
    price = Decimal(text)
    if not price.is_finite() or price < 0:
        raise ValueError(f"reference_price {text} is not a price")
    return price


def _check_status(response: httpx.Response) -> None:
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        raise Unavailable(_NAME, f"answered {response.status_code}")
    if not response.is_success:
        raise Fatal(
            f"the security master refuses the look-up with status {response.status_code}: check CA_SECURITY_MASTER_URL and the access to it"
        )
