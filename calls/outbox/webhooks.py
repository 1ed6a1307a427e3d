"""Delivers a notice to an address of the owner's, signed as the Standard Webhooks specification says.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md: the headers `webhook-id`,
`webhook-timestamp` and `webhook-signature`, 2xx as success and nothing else, no redirects, 410 as "stop", a time-out of
15 to 30 s at most; ours is shorter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from standardwebhooks.webhooks import Webhook as Signer

from calls.outbox.receivers import NotDelivered, Receiver

DELIVER_SECS = 10.0
"""How long a receiver may take, from the connection to its status line."""

GONE = 410


def signed_headers(
    receiver: Receiver, message_id: str, body: str, now: datetime | None = None
) -> dict[str, str]:
    """The headers of an attempt: its signature is of this moment."""
    moment = now or datetime.now(UTC)
    return {
        "content-type": "application/json",
        "user-agent": "phonebot",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Signer(receiver.secret).sign(message_id, moment, body),
    }


@asynccontextmanager
async def http_client() -> AsyncIterator[httpx.AsyncClient]:
    """What `post` needs: it follows no redirect, and the time is limited by `post` as a whole."""
    async with httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=None) as client:
        yield client


async def post(
    http: httpx.AsyncClient, receiver: Receiver, message_id: str, body: str, *, secs: float = DELIVER_SECS
) -> None:
    """Send a notice, once.

    Raises:
        NotDelivered: It was not taken, as far as we know.
    """
    headers = signed_headers(receiver, message_id, body)
    try:
        async with asyncio.timeout(secs):
            # Of the answer only the status counts: a receiver may send a page behind it, however long.
            async with http.stream("POST", receiver.url, content=body.encode(), headers=headers) as answer:
                status = answer.status_code
    except TimeoutError:
        raise NotDelivered(f"{receiver.host} did not answer within {secs:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NotDelivered(f"{receiver.host} could not be reached ({type(error).__name__})") from None
    if 200 <= status < 300:
        return
    if status == GONE:
        raise NotDelivered(f"{receiver.host} answered 410: it wants no more of them", for_good=True)
    if 300 <= status < 400:
        raise NotDelivered(
            f"{receiver.host} redirects ({status}), which is not followed: write its last address"
        )
    raise NotDelivered(f"{receiver.host} answered {status}")
