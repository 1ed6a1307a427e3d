"""Is the process alive, and would it answer a call at once?"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from loguru import logger

from desk.room import DRAINING

router = APIRouter()

METHODS = ["GET", "HEAD"]
"""Load balancers ask with either."""

WARMING_UP = "warming up"
"""The reason while everything is loaded that the first call would otherwise wait for."""

LONGEST_WAIT_SECS = 30.0
"""How long after its start a service lets callers wait for it who are back; then they get the bot as it is."""

WarmUp = Callable[[], Awaitable[None]]


class Readiness:
    """Whether the warm-up has finished.

    Parameters:
        warm_up: Loads what the first call would otherwise wait for; None when there is nothing to load.
    """

    def __init__(self, warm_up: WarmUp | None):
        self._warm_up = warm_up
        self.reason: str | None = WARMING_UP if warm_up else None
        self._made_at = time.monotonic()

    @property
    def is_warming_up(self) -> bool:
        """Whether the warm-up goes on, and will be over soon: who can wait a little had better wait."""
        return self.reason == WARMING_UP and time.monotonic() - self._made_at < LONGEST_WAIT_SECS

    async def prepare(self) -> None:
        """Warm up. A failure is logged and kept as the reason; the service goes on without being ready."""
        if self._warm_up is None:
            return
        try:
            await self._warm_up()
        except Exception as error:
            self.reason = str(error) or type(error).__name__
            logger.error("The service is not ready for calls: {}", self.reason)
        else:
            self.reason = None
            logger.info("Ready for calls")


@router.api_route("/healthz", methods=METHODS)
async def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.api_route("/readyz", methods=METHODS)
async def readyz(request: Request, response: Response) -> dict[str, Any]:
    """200 when one more call would be answered at once, else 503 with the reason."""
    service = request.app.state.service
    reason = service.readiness.reason or (DRAINING if service.drain.announced else service.room.reason)
    if reason is None:
        return {"ready": True}
    response.status_code = 503
    return {"ready": False, "reason": reason}
