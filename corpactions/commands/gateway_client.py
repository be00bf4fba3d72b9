"""The gateway's REST API as the command line uses it: one request, and its three possible ends (answered, refused, unknown)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final

import httpx
import orjson

ANSWER_SECONDS: Final = 15.0
"""Longer than the gateway's own limit for the broker's acknowledgement, so that its answer, not our impatience, ends a request."""
CONNECT_SECONDS: Final = 3.0

Json = dict[str, Any]


class Refused(Exception):
    """The gateway answered and said no.

    Args:
        status: the HTTP status.
        problem: the RFC 9457 document; made up from the text when the answer holds none.
    """

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(f"{status}: {problem.get('title')}")
        self.status = status
        self.problem = problem


class Unreachable(Exception):
    """No answer, or one that leaves the outcome open (5xx): a mutation may or may not have happened and is repeated with the same key."""


class GatewayClient:
    """One connection to the gateway.

    Args:
        base_url: where the gateway is, for example ``http://127.0.0.1:8000``.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._client = httpx.Client(timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS), trust_env=False)

    def __enter__(self) -> GatewayClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Json:
        """The JSON at a path. Raises Refused or Unreachable."""
        return self._request("GET", path, params=dict(params or {}))

    def post(self, path: str, body: bytes, key: str) -> Json:
        """Post a body of JSON, byte for byte, under an idempotency key. Raises Refused or Unreachable."""
        return self._request("POST", path, content=body, headers={"Idempotency-Key": key, "Content-Type": "application/json"})

    def patch(self, path: str, body: bytes, key: str) -> Json:
        """Patch with a body of JSON, byte for byte, under an idempotency key. Raises Refused or Unreachable."""
        return self._request("PATCH", path, content=body, headers={"Idempotency-Key": key, "Content-Type": "application/json"})

    def _request(self, method: str, path: str, **arguments: Any) -> Json:
        try:
            response = self._client.request(method, self.base_url + path, **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self.base_url} does not answer: {type(error).__name__} {error}".rstrip()) from error
        if response.is_success:
            answer = _object(response)
            if answer is None:
                raise Unreachable(f"{self.base_url} is not the gateway: its answer is no JSON object")
            return answer
        problem = _problem(response)
        if response.is_server_error:
            raise Unreachable(f"{self.base_url} answers {response.status_code}: {problem.get('detail') or problem.get('title')}")
        raise Refused(response.status_code, problem)


def json_text(value: object) -> str:
    """JSON of what the gateway answered, every number as it was spelled there."""
    return orjson.dumps(value, default=_number).decode()


def _number(value: object) -> orjson.Fragment:
    assert isinstance(value, Decimal), "answers hold nothing else that JSON has no kind for"
    return orjson.Fragment(str(value))


def _object(response: httpx.Response) -> Json | None:
    try:
        content = json.loads(response.content, parse_float=Decimal)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _problem(response: httpx.Response) -> Json:
    return _object(response) or {"title": response.reason_phrase, "detail": response.text[:300]}


def problem_text(refused: Refused) -> str:
    """A refusal for people: title, code, and each field with value, fault and mend."""
    problem = refused.problem
    code = f" [{problem['code']}]" if problem.get("code") else ""
    lines = [f"refused ({refused.status}): {problem.get('detail') or problem.get('title')}{code}"]
    for item in problem.get("errors") or ():
        value = f" {json_text(item['value'])[:120]}" if item.get("value") is not None else ""
        lines.append(f"  {item.get('pointer', '')}{value}: {item.get('detail', '')}" + (f"; {item['mend']}" if item.get("mend") else ""))
    return "\n".join(lines)
