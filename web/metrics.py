"""`/metrics`: what Prometheus reads. Closed to strangers: it tells how many calls there are, and what goes wrong."""

from __future__ import annotations

import asyncio
import hmac

from fastapi import APIRouter, Request, Response

from desk.api_keys import Scope
from web.access import admit
from web.observing.observing import Observing
from web.trust import is_local
from web.web_service import peer_of, service_of

router = APIRouter(include_in_schema=False)


def let_in(request: Request) -> None:
    """Let in who has METRICS_TOKEN or a key of the API that may read, and a developer on their own machine.

    The token is good for nothing else, so that the machine that Prometheus runs on need not be able to place calls.

    Raises:
        Refused: It is somebody else.
        HTTPException: Their key is not good for this.
    """
    service = service_of(request)
    if is_local(peer_of(request), service.public_url):
        return
    token = service.settings.metrics_token
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token is not None and scheme.lower() == "bearer":
        if hmac.compare_digest(given.strip().encode(), token.get_secret_value().encode()):
            return
    admit(request, Scope.READ)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """All metrics, of all processes that share the port."""
    let_in(request)
    observing: Observing = request.app.state.observing
    accept = request.headers.get("accept", "")
    text, media_type = await asyncio.to_thread(observing.instruments.exposition, accept)
    # Not `media_type`, to which Starlette would add a second charset
    return Response(text, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
