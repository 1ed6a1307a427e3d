"""The console's own files, at `/console/static/`: style, scripts, icons and the vendored libraries.

Each address has the file's hash in it, so a browser may keep a file for ever, and a new version has a new address.
They are public: they have nothing in them that is not in the project's source.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

FOLDER = Path(__file__).parent / "static"
BASE = "/console/static"

KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".ico": "image/x-icon"}
"""What is served; of other kinds, such as licences, nothing is. A machine's own table may know others."""

FOR_EVER = "public, max-age=31536000, immutable"
HASH_CHARACTERS = 12

WORTH_COMPRESSING = 500
"""Bytes: a shorter text hardly gets shorter."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """A file as it is sent.

    Parameters:
        name: Its path in the folder, with `/`.
        kind: Its media type.
        body: Its bytes.
        packed: The same compressed by gzip.
        digest: The beginning of its SHA-256.
    """

    name: str
    kind: str
    body: bytes
    packed: bytes
    digest: str

    @property
    def address(self) -> str:
        """Its path on the server."""
        return f"{BASE}/{self.digest}/{self.name}"


@cache
def assets() -> dict[str, Asset]:
    """All files by name: read and compressed once."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in KINDS and path.is_file():
            body = path.read_bytes()
            name = path.relative_to(FOLDER).as_posix()
            digest = hashlib.sha256(body).hexdigest()[:HASH_CHARACTERS]
            kind = KINDS.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
            found[name] = Asset(name, kind, body, gzip.compress(body, 9, mtime=0), digest)
    return found


def address(name: str) -> str:
    """The address of a file, for a page.

    Raises:
        KeyError: There is none of this name.
    """
    return assets()[name].address


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """The icon that browsers ask for by themselves."""
    return _answer(request, assets()["favicon.svg"], "public, max-age=86400")


@router.get(BASE + "/{digest}/{name:path}")
async def file(request: Request, digest: str, name: str) -> Response:
    """A file. Under the hash of another version, as while versions change, it is the present one, for once."""
    asset = assets().get(name)
    if asset is None:
        raise HTTPException(404, "no such file")
    return _answer(request, asset, FOR_EVER if digest == asset.digest else "no-store")


def _answer(request: Request, asset: Asset, keep: str) -> Response:
    headers = {
        "Cache-Control": keep,
        "Content-Type": f"{asset.kind}; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        # A picture that somebody opens by its address runs nothing, either
        "Content-Security-Policy": "default-src 'none'",
        "Vary": "Accept-Encoding",
    }
    body = asset.body
    if len(body) >= WORTH_COMPRESSING and accepts_gzip(request):
        body, headers["Content-Encoding"] = asset.packed, "gzip"
    return Response(body, headers=headers)


def accepts_gzip(request: Request) -> bool:
    """Whether an answer may be compressed by gzip. Source: RFC 9110, section 12.5.3."""
    for one in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = one.strip().partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
