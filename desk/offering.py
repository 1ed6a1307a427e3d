"""What this process offers to others on the same database that are to stop: to go on with their calls."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING

from calls.database.processes import Offer
from calls.shared import BEAT_SECS

if TYPE_CHECKING:
    from desk.service import Service

WAY = "1"
"""Changed when a session of one version could not go on with what one of another version lets go of."""


def deployment_of(service: Service) -> str:
    """Names what two processes must have in common for a call to go from one to the other.

    Those are the address that carriers call, and the secret in addresses of webhooks and media sockets.
    """
    secret = service.settings.shared_secret or ""
    return hmac.new(secret.encode(), f"{WAY} {service.public_url}".encode(), "sha256").hexdigest()


def offer_now(service: Service) -> None:
    """Say with the next sign of life how many calls would be taken over."""
    if service.store.shared is not None:
        service.store.shared.offer = Offer(deployment_of(service), service.free)


async def offer_room(service: Service) -> None:
    """Keep up to date what is offered, until cancelled."""
    while True:
        offer_now(service)
        await asyncio.sleep(BEAT_SECS / 2)
