"""The audit log as static resources (C2SP tlog-tiles), for clients of anybody's make: checkpoint, keys, tiles, bundles of entries.

Invariant: every resource has one address, spelled one way, and what is at a tile's address never changes.
"""

from __future__ import annotations

import gzip
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from corpactions.domain.audit.tiles import ENTRIES, WIDTH, TileId, parse_tile
from gateway import examples_audit as examples
from gateway.openapi import CORRELATION_PARAMETER, content, read_problems
from gateway.problems import Code, FieldError, Refused
from gateway.requests import no_parameters
from gateway.services import services_of

router = APIRouter(prefix="/api/v1/audit/log", tags=["audit log"], dependencies=[Depends(no_parameters)])
_EXTRA: Final[dict[str, Any]] = {"parameters": [CORRELATION_PARAMETER]}
_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_SOON: Final = "public, max-age=2"
_EVER: Final = "public, max-age=31536000, immutable"
_LINE: Final = b"---\n"
_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "What If-None-Match names is still right."}}
_BOTH: Final = ["GET", "HEAD"]
_GZIP_LEVEL: Final = 5
"""Entries shrink to a seventh; the levels above cost more time than they save bytes."""
Name = Annotated[
    str,
    Path(
        description="`<level or entries>/<index in groups of three digits, all but the last after x>[.p/<width>]`",
        examples=["0/000", "0/x001/234.p/5", "entries/000"],
    ),
]


@router.get(
    "/checkpoint",
    response_class=Response,
    operation_id="auditCheckpoint",
    summary="The newest checkpoint",
    responses={200: content("text/plain", "A signed note.", examples.CHECKPOINT), **_UNCHANGED, **read_problems(Code.NOT_PUBLISHED)},
    openapi_extra=_EXTRA,
)
@router.api_route("/checkpoint", methods=_BOTH, include_in_schema=False)
async def checkpoint(request: Request) -> Response:
    """Read the newest checkpoint that the witness has cosigned, or the newest of all where no witness has: tlog-checkpoint with tlog-cosignature."""
    audit = services_of(request).audit
    published = await audit.threads.call(audit.log.newest)
    return _answer(request, published.checkpoint.note, _TEXT, _SOON)


@router.get(
    "/key",
    response_class=Response,
    operation_id="auditKey",
    summary="The log's public key",
    responses={200: content("text/plain", "A vkey.", examples.VKEY), **_UNCHANGED, **read_problems(Code.NOT_PUBLISHED)},
    openapi_extra=_EXTRA,
)
@router.api_route("/key", methods=_BOTH, include_in_schema=False)
async def key(request: Request) -> Response:
    """Read the key that signs the newest checkpoint, as signed-note's vkey.

    Whoever has it only from here trusts the gateway; compare it with one from elsewhere.
    """
    audit = services_of(request).audit
    vkey = await audit.threads.call(audit.log.key)
    return _answer(request, f"{vkey}\n".encode(), _TEXT, _SOON)


@router.get(
    "/keys",
    response_class=Response,
    operation_id="auditKeys",
    summary="The history of the log's key",
    responses={200: content("text/plain", "Signed notes.", examples.STATEMENT), **_UNCHANGED, **read_problems(Code.NOT_PUBLISHED)},
    openapi_extra=_EXTRA,
)
@router.api_route("/keys", methods=_BOTH, include_in_schema=False)
async def keys(request: Request) -> Response:
    """Read all key statements, number 1 first, parted by lines of three hyphens. Each is signed by the key before and by its own."""
    audit = services_of(request).audit
    statements = await audit.threads.call(audit.log.statements)
    return _answer(request, _LINE.join(statements), _TEXT, _SOON)


@router.get(
    "/tile/{name:path}",
    response_class=Response,
    operation_id="auditTile",
    summary="A tile of hashes or a bundle of entries",
    responses={200: content(_BYTES, "Its bytes."), **_UNCHANGED, **read_problems(Code.NOT_PUBLISHED)},
    openapi_extra=_EXTRA,
)
@router.api_route("/tile/{name:path}", methods=_BOTH, include_in_schema=False)
async def tile(request: Request, name: Name) -> Response:
    """Read 256 hashes of one level, or the 256 entries below a tile of level 0. Partial ones are there for the sizes of published checkpoints alone.

    Bundles come compressed where `Accept-Encoding` names gzip.
    """
    wanted = _named(request, name)
    audit = services_of(request).audit
    packed = wanted.level == ENTRIES and _takes_gzip(request.headers.get("accept-encoding", ""))

    def read() -> bytes:
        data = audit.log.tile(wanted)
        return gzip.compress(data, _GZIP_LEVEL, mtime=0) if packed else data

    data = await audit.threads.call(read)
    headers = {"Vary": "Accept-Encoding"} if wanted.level == ENTRIES else {}
    if packed:
        headers["Content-Encoding"] = "gzip"
    return _answer(request, data, _BYTES, _EVER if wanted.width == WIDTH else _EVER.removesuffix(", immutable"), headers)


def _named(request: Request, name: str) -> TileId:
    """The tile of a name in its one spelling; a name with percent signs in the address is another one, whatever it stands for."""
    try:
        found = parse_tile(name)
        if not request.scope["raw_path"].decode("latin-1").endswith(f"/{name}"):
            raise ValueError("it is written with percent signs; write its characters as they are")
    except ValueError as error:
        mend = "take names from C2SP tlog-tiles, for example 0/000, 0/x001/234.p/5 or entries/000"
        wrong = FieldError("/path/name", name, "is not the name of a tile", mend)
        raise Refused(Code.NOT_PUBLISHED, f"this names no tile: {error}", errors=[wrong]) from None
    return found


def _takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header allows gzip by its name (RFC 9110, section 12.5.3); a weight of zero forbids it."""
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in {"gzip", "x-gzip"}:
            return weight.replace(" ", "").rstrip("0") not in {"q=", "q=0."}
    return False


def _answer(request: Request, data: bytes, media_type: str, cache: str, headers: dict[str, str] | None = None) -> Response:
    tag = f'"{sha256(data).hexdigest()[:32]}"'
    sent = {"ETag": tag, "Cache-Control": cache, **(headers or {})}
    known = {given.strip().removeprefix("W/") for given in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        sent.pop("Content-Encoding", None)
        return Response(None, 304, sent)
    return Response(data, 200, sent, media_type)
