"""The API's description for people: one page made from the OpenAPI document, without a script or anything fetched from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter()
_METHODS = ("get", "post", "patch", "put", "delete")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2430}"
    "code,pre{font:13px/1.45 ui-monospace,monospace;background:#f4f6f8;border-radius:4px}code{padding:.1em .3em}pre{padding:.8rem;overflow:auto}"
    "section{border-top:1px solid #d8dee6;padding-top:.6rem;margin-top:1.6rem}h2{font-size:1.1rem}"
    "table{border-collapse:collapse;width:100%}td{padding:.25rem .6rem .25rem 0;vertical-align:top;border-top:1px solid #eceff3}"
)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Show every operation with its parameters, an example and its answers."""
    page = "".join(_page(request.app.openapi()))
    return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})


def _page(document: dict[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
    yield f"<p>{escape(document['info'].get('description', ''))}</p><p>For machines: <a href=/openapi.json>openapi.json</a></p>"
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield from _operation(method.upper(), path, operations[method])
    yield "</html>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<section><h2><code>{method} {escape(path)}</code> {escape(operation['summary'])}</h2>"
    yield "".join(f"<p>{escape(part)}</p>" for part in operation["description"].split("\n\n"))
    if parameters := operation.get("parameters"):
        yield "<table>"
        for parameter in parameters:
            need = "required" if parameter.get("required") else "optional"
            name, text = escape(parameter["name"]), escape(parameter.get("description", ""))
            yield f"<tr><td><code>{name}</code><td>{parameter['in']}, {need}<td>{text}"
        yield "</table>"
    for name, value in _examples(operation):
        yield f"<p>Example: {escape(name)}</p><pre>{escape(json.dumps(value, indent=2))}</pre>"
    yield "<table>"
    for status, response in operation["responses"].items():
        yield f"<tr><td><code>{status}</code><td>{escape(response['description'])}"
    yield "</table></section>"


def _examples(operation: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    for name, example in content.get("examples", {}).items():
        yield name, example["value"]
